"""Reading the stored vectors of a stretch of records, leaving keys owed, and finding what a place lacks: on every store."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from transvase.core.errors import NotReady
from transvase.core.ports import Index, Place, Stretch
from transvase.core.record import Key, digest_of
from transvase.core.space import Role
from worlds import NEW, OLD, World, adopt, body, encoded, fill, needs_key, pay, rows_of, shadowed, target, uuid


def vectors_of(stretch: Stretch) -> Mapping[Key, np.ndarray]:
    return dict(zip([record.key for record in stretch.records], stretch.vectors.matrix, strict=True))


def test_a_stretch_gives_each_text_the_vector_that_is_held_for_it(world: World) -> None:
    live, _ = shadowed(world, [body(i) for i in range(7)])
    stretch = live.stretch(None, limit=5)
    assert (stretch.passed, stretch.after, stretch.lacking) == (5, world.key(4), ())
    assert [record.key for record in stretch.records] == [world.key(i) for i in range(5)]
    assert stretch.vectors.space == OLD.space
    assert np.array_equal(stretch.vectors.matrix, OLD.encode([body(i) for i in range(5)], Role.DOCUMENT).matrix)
    assert [record.digest for record in stretch.records] == [digest_of(body(i)) for i in range(5)]
    rest = live.stretch(stretch.after, limit=5)
    assert (rest.passed, rest.after, [record.key for record in rest.records]) == (2, world.key(6), [world.key(5), world.key(6)])
    assert live.stretch(rest.after, limit=5).passed == 0


def test_an_empty_table_gives_an_empty_stretch(world: World) -> None:
    live, _ = shadowed(world)
    stretch = live.stretch(None, limit=5)
    assert (stretch.records, stretch.lacking, stretch.after, stretch.passed, len(stretch.vectors)) == ((), (), None, 0, 0)


def test_a_record_without_a_text_is_passed_and_lacks_nothing(world: World) -> None:
    live, _ = shadowed(world, [body(0), None, body(2)])
    stretch = live.stretch(None, limit=5)
    assert (stretch.passed, stretch.lacking) == (3, ())
    assert [record.key for record in stretch.records] == [world.key(0), world.key(2)]


def test_what_is_owed_missing_or_zero_is_lacking(world: World) -> None:
    world.make("docs")
    rows = rows_of([body(i) for i in range(5)])
    rows[1]["embedding"] = None
    rows[2]["embedding"] = np.zeros_like(OLD.encode(["x"], Role.DOCUMENT).matrix[0])
    world.put("docs", rows)
    live = world.store.index("docs", adopt(world).name)
    assert live.stretch(None, limit=9).lacking == (world.key(1), world.key(2)), "nothing is captured yet"
    world.store.create("docs", target(world))
    world.put("docs", [{"id": 3, "body": "edited"}])
    stretch = live.stretch(None, limit=9)
    assert stretch.lacking == (world.key(1), world.key(2), world.key(3))
    assert [record.key for record in stretch.records] == [world.key(0), world.key(4)]


def test_a_vector_that_has_been_paid_is_taken_again(world: World) -> None:
    live, shadow = shadowed(world, [body(0), body(1)])
    world.put("docs", [{"id": 1, "body": "edited"}])
    assert live.stretch(None, limit=9).lacking == (world.key(1),)
    assert pay(world, (live, OLD), (shadow, NEW)) == 1
    stretch = live.stretch(None, limit=9)
    assert stretch.lacking == ()
    assert np.allclose(vectors_of(stretch)[world.key(1)], OLD.encode(["edited"], Role.DOCUMENT).matrix[0])


def test_a_place_of_ours_gives_no_vector_of_another_text(world: World) -> None:
    """The debt of the edit is lost as only a stranger could lose it: the digest still tells."""
    if world.carries:
        pytest.skip(f"in {world.name} a text and its vector lie in one object, whatever the other side holds")
    _, shadow = shadowed(world, [body(i) for i in range(4)])
    fill(world, shadow)
    world.put("docs", [{"id": 1, "body": "edited"}])
    world.delete("docs", [world.key(2)])
    world.lose_debts("docs")
    stretch = shadow.stretch(None, limit=9)
    assert stretch.lacking == (world.key(1),)
    assert [record.key for record in stretch.records] == [world.key(0), world.key(3)]
    assert stretch.vectors.width == shadow.declaration.width


def test_a_place_of_unknown_make_gives_no_stretch(world: World) -> None:
    live, _ = shadowed(world, [body(0)], known=False)
    with pytest.raises(NotReady, match="nobody knows"):
        live.stretch(None, limit=5)


@pytest.mark.parametrize(
    "key", [{"slug": "text"}, {"id": "uuid"}, {"tenant": "int", "doc": "uuid"}, {"part": "text", "id": "int"}], ids=str
)
def test_keys_of_every_kind_come_back_as_they_are(world: World, key: dict[str, str]) -> None:
    needs_key(world, key)
    made = {"text": lambda i: f'k "é" % {i}', "uuid": uuid, "int": lambda i: i - 2}
    keys: list[Key] = [tuple(made[kind](i) for kind in key.values()) for i in range(4)]
    world.make("docs", key=key)
    world.put("docs", rows_of({k: body(i) for i, k in enumerate(keys)}, key=tuple(key)))
    live = world.store.index("docs", adopt(world, key=tuple(key)).name)
    first = live.stretch(None, limit=3)
    rest = live.stretch(first.after, limit=3)
    seen = {**vectors_of(first), **vectors_of(rest)}
    expected = OLD.encode([body(i) for i in range(4)], Role.DOCUMENT).matrix
    assert seen.keys() == set(keys)
    assert all(np.array_equal(seen[k], expected[i]) for i, k in enumerate(keys))


def test_vectors_are_written_for_records_whose_text_was_never_read(world: World) -> None:
    live, shadow = shadowed(world, [body(i) for i in range(5)])
    stretch = live.stretch(None, limit=9)
    world.put("docs", [{"id": 1, "body": "edited"}])
    world.delete("docs", [world.key(2)])
    text = {world.key(i): body(i) for i in range(5)}
    texts = [text[record.key] for record in stretch.records]
    made = encoded(shadow, [type(r)(r.key, t) for r, t in zip(stretch.records, texts, strict=True)])
    place = Place(stretch.after, finished=True, done=stretch.passed)
    assert shadow.fill(stretch.records, made, place=place) == 3, "an edited and a deleted record take no vector"
    assert sorted(shadow.vectors([world.key(i) for i in range(5)])[0]) == [world.key(0), world.key(3), world.key(4)]


def test_lacking_keys_are_owed_to_their_index_alone_and_with_the_place(world: World) -> None:
    live, shadow = shadowed(world, [body(i) for i in range(3)])
    records = [record for record in world.store.corpus("docs").after(None, limit=9) if record.key != world.key(1)]
    place = Place(world.key(2), finished=True, done=3)
    shadow.fill(records, encoded(shadow, records), place=place, lacking=[world.key(1)])
    debts = world.store.outbox("docs").read(limit=9)
    assert [(debt.key, debt.only) for debt in debts] == [(world.key(1), shadow.declaration.name)]
    assert shadow.place() == place
    assert pay(world, (shadow, NEW)) == 1
    assert world.store.outbox("docs").owed() == 0
    assert shadow.census().missing == 0
    assert live.census().held == 3


def lacking_rows(world: World) -> Index:
    world.make("docs")
    rows = rows_of([body(i) for i in range(4)])
    rows[1]["embedding"] = None
    rows[3]["body"] = None
    world.put("docs", rows)
    return world.store.index("docs", adopt(world).name)


def test_an_adopted_place_owes_what_it_lacks_once(world: World) -> None:
    live = lacking_rows(world)
    world.store.create("docs", target(world))
    found = live.owe().added
    debts = {debt.key: debt.only for debt in world.store.outbox("docs").read(limit=9)}
    assert debts[world.key(1)] == live.declaration.name
    assert (found, live.owe().added) == (len(debts), 0)


def test_a_place_of_ours_owes_what_is_missing_orphaned_or_of_another_text(world: World) -> None:
    live, shadow = shadowed(world, [body(i) for i in range(5)])
    fill(world, shadow)
    world.put("docs", [{"id": 1, "body": "edited"}, *rows_of({world.key(9): body(9)})])
    world.delete("docs", [world.key(2)])
    world.lose_debts("docs")
    assert shadow.owe().added == 3
    debts = world.store.outbox("docs").read(limit=9)
    everywhere = None if world.carries else shadow.declaration.name
    owed = {(world.key(k), everywhere if k == 1 else shadow.declaration.name) for k in (1, 2, 9)}
    assert {(debt.key, debt.only) for debt in debts} == owed
    assert shadow.owe().added == 0
    assert pay(world, *([(live, OLD)] if world.carries else []), (shadow, NEW)) == 3
    assert (shadow.census().stale, shadow.census().missing, shadow.census().orphaned) == (0, 0, 0)


def test_nothing_can_be_owed_before_writes_are_captured(world: World) -> None:
    live = lacking_rows(world)
    with pytest.raises(NotReady, match="before writes are captured"):
        live.owe()
