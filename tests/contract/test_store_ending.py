"""The Store port: how an index ends, what stays kept when it does, and what makes a verdict lapse."""

from __future__ import annotations

from dataclasses import replace

import pytest
from transvase.core.errors import NotReady, Superseded, UnknownName
from transvase.core.figures import Likeness
from worlds import NEW, OLD, WIDTH, body, fill, pay, rows_of, shadowed, silent, target


def point(world, index: str) -> None:
    """Switch the alias as it is now."""
    world.store.point("docs", index, expect=world.store.alias("docs").generation, allow_owed=0)


def test_discarding_the_only_target_ends_the_capture(world):
    _, shadow = shadowed(world, ["a"])
    world.store.discard("docs", shadow.declaration.name)
    world.put("docs", [{"id": 0, "body": "edited"}])
    assert not world.store.there(shadow.declaration.name)
    assert world.store.alias("docs").shadow is None
    assert (world.store.captures("docs"), world.store.outbox("docs").owed()) == (False, 0)


def test_discarding_again_changes_nothing(world):
    _, shadow = shadowed(world, ["a"])
    world.store.discard("docs", shadow.declaration.name)
    before = world.store.alias("docs")
    world.store.discard("docs", shadow.declaration.name)
    assert world.store.alias("docs") == before


def test_a_target_is_like_one_that_would_be_made_now_until_it_is_gone(world):
    live, shadow = shadowed(world, ["a"])
    name = shadow.declaration.name
    assert world.store.liken("docs", name) == Likeness()
    fill(world, shadow)
    assert world.store.liken("docs", name) == Likeness()
    assert world.store.liken("docs", live.declaration.name) == Likeness(), "the live index is what others are likened to"
    point(world, name)
    assert world.store.liken("docs", live.declaration.name) == Likeness(), "the way back"
    with pytest.raises(UnknownName):
        world.store.liken("other", name)
    point(world, live.declaration.name)
    pay(world, (live, OLD), (shadow, NEW))  # without transactions what was written just before a switch is carried over once more
    world.store.discard("docs", name)
    with pytest.raises(Superseded):
        world.store.liken("docs", name)


def test_the_live_index_cannot_be_discarded_or_retired(world):
    live, _ = shadowed(world, ["a"])
    for end in (lambda name: world.store.discard("docs", name), lambda name: world.store.retire("docs", name, drop=True)):
        with pytest.raises(NotReady):
            end(live.declaration.name)
    assert world.store.there(live.declaration.name)
    assert live.census().held == 1


@pytest.mark.parametrize("drop", [False, True], ids=["renamed", "dropped"])
def test_retiring_an_adopted_index_leaves_nothing_that_looks_alive(world, drop):
    live, shadow = shadowed(world, ["a"])
    fill(world, shadow)
    point(world, shadow.declaration.name)
    said = world.store.retire("docs", live.declaration.name, drop=drop)
    assert "embedding" in said
    assert not world.store.there(live.declaration.name)
    with pytest.raises(Superseded):
        world.store.index("docs", live.declaration.name)
    assert (world.store.alias("docs").live, world.store.alias("docs").shadow) == (shadow.declaration, None)


def test_a_writer_that_still_names_a_retired_column_fails_loudly(world):
    if not world.renames:
        pytest.skip(f"{world.name} cannot rename what was the application's")
    live, shadow = shadowed(world, ["a"])
    fill(world, shadow)
    point(world, shadow.declaration.name)
    world.store.retire("docs", live.declaration.name, drop=False)
    with pytest.raises(Exception, match="embedding"):
        world.put("docs", rows_of({world.key(5): "by a forgotten writer"}))


def test_an_index_of_ours_stays_kept_after_the_adopted_one_is_retired(world):
    live, shadow = shadowed(world, ["a"])
    fill(world, shadow)
    point(world, shadow.declaration.name)
    world.store.retire("docs", live.declaration.name, drop=False)
    assert world.store.captures("docs")
    world.put("docs", [{"id": 0, "body": "edited"}, {"id": 1, "body": "new"}])
    pay(world, (shadow, NEW))
    census = shadow.census()
    assert (census.held, census.stale, census.missing) == (2, 0, 0)


def test_retiring_again_changes_nothing(world):
    live, shadow = shadowed(world, ["a"])
    fill(world, shadow)
    point(world, shadow.declaration.name)
    world.store.retire("docs", live.declaration.name, drop=False)
    before = world.store.alias("docs")
    world.store.retire("docs", live.declaration.name, drop=False)
    assert world.store.alias("docs") == before


def test_a_second_migration_goes_from_a_place_of_ours_to_the_next(world):
    """Source and target are both side places: the capture must outlive a target that is given up, and the source."""
    live, first = shadowed(world, ["a"])
    fill(world, first)
    point(world, first.declaration.name)
    world.store.retire("docs", live.declaration.name, drop=True)
    made = target(world, name="docs_2", encoder=OLD)
    assert made.width == WIDTH
    world.store.create("docs", made)
    world.store.discard("docs", made.name)
    assert world.store.captures("docs")
    made = replace(made, name=world.store.physical("docs_3"))
    world.store.create("docs", made)
    second = world.store.index("docs", made.name)
    fill(world, second, encoder=OLD)
    point(world, made.name)
    world.store.retire("docs", first.declaration.name, drop=False)
    assert not world.store.there(first.declaration.name)
    assert (world.store.alias("docs").live, second.census().held) == (made, 1)


def test_pressure_is_none_on_a_quiet_store(world):
    shadowed(world, ["a"])
    assert world.store.pressure("docs") is None


# ---------------------------------------------------------------- witness


def test_the_witness_is_the_same_while_only_rows_change(world):
    live, shadow = shadowed(world, [body(i) for i in range(5)])
    fill(world, shadow)
    shadow.build(silent)
    seen = world.store.witness("docs", shadow.declaration.name)
    world.put("docs", [{"id": 0, "body": "edited"}])
    world.delete("docs", [world.key(1)])
    pay(world, (live, OLD), (shadow, NEW))
    assert world.store.witness("docs", shadow.declaration.name) == seen
    assert world.other().witness("docs", shadow.declaration.name) == seen


def test_the_witness_changes_when_the_index_is_built(world):
    _, shadow = shadowed(world, ["a"])
    fill(world, shadow)
    seen = world.store.witness("docs", shadow.declaration.name)
    shadow.build(silent)
    assert world.store.witness("docs", shadow.declaration.name) != seen


def test_the_witness_changes_when_the_index_is_another_of_the_same_name(world):
    _, shadow = shadowed(world, ["a"])
    seen = world.store.witness("docs", shadow.declaration.name)
    world.store.discard("docs", shadow.declaration.name)
    world.store.create("docs", shadow.declaration)
    assert world.store.witness("docs", shadow.declaration.name) != seen
