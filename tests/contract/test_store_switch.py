"""The Store port: the one step that makes an alias name another index, and who may make it."""

from __future__ import annotations

from threading import Event, Thread
from typing import Self

import pytest
from transvase.core.errors import Busy, Moved, NotReady, Superseded, TransvaseError, UnknownName
from worlds import NEW, OLD, fill, pay, shadowed


def generation(world) -> int:
    return world.store.alias("docs").generation


def point(world, index, *, allow_owed: int = 0):
    return world.store.point("docs", index.declaration.name, expect=generation(world), allow_owed=allow_owed)


def test_pointing_exchanges_live_and_shadow(world):
    live, shadow = shadowed(world, ["a"])
    fill(world, shadow)
    switch = point(world, shadow)
    alias = world.store.alias("docs")
    assert (alias.live, alias.shadow) == (shadow.declaration, live.declaration)
    assert switch.seconds >= 0
    assert switch.owed == 0


def test_after_a_switch_every_node_answers_with_the_new_side(world):
    live, shadow = shadowed(world, ["a"])
    fill(world, shadow)
    assert world.store.behind("docs") == ()
    for index in (shadow, live):
        switch = point(world, index)
        assert world.store.behind("docs") == ()
        assert switch.agreed_s >= 0
    with pytest.raises(UnknownName):
        world.store.behind("nope")


def test_pointing_back_exchanges_them_again(world):
    live, shadow = shadowed(world, ["a"])
    fill(world, shadow)
    point(world, shadow)
    point(world, live)
    alias = world.store.alias("docs")
    assert (alias.live, alias.shadow) == (live.declaration, shadow.declaration)


def test_both_sides_are_kept_after_the_switch(world):
    """The source goes on receiving every write, so that the way back loses none."""
    live, shadow = shadowed(world, ["a"])
    fill(world, shadow)
    point(world, shadow)
    world.put("docs", [{"id": 0, "body": "edited after the switch"}])
    assert world.store.captures("docs")
    assert pay(world, (live, OLD), (shadow, NEW)) == 1
    point(world, live)
    wanted = OLD.encode(["edited after the switch"], "document").matrix[0]
    assert live.vectors([world.key(0)])[1].matrix[0] == pytest.approx(wanted, abs=1e-6)


def test_every_change_of_what_the_alias_declares_makes_its_generation_grow(world):
    from worlds import adopt, target

    world.make("docs")
    live = adopt(world)
    seen = [generation(world)]
    made = target(world)
    world.store.create("docs", made)
    seen.append(generation(world))
    for name in (made.name, live.name, made.name):
        world.store.point("docs", name, expect=seen[-1], allow_owed=0)
        seen.append(generation(world))
    world.store.retire("docs", live.name, drop=False)
    seen.append(generation(world))
    assert seen == sorted(set(seen))


def test_discarding_makes_the_generation_grow(world):
    _, shadow = shadowed(world, ["a"])
    before = generation(world)
    world.store.discard("docs", shadow.declaration.name)
    assert generation(world) > before


def test_writes_leave_the_generation_alone(world):
    live, shadow = shadowed(world, ["a"])
    before = generation(world)
    world.put("docs", [{"id": 0, "body": "edited"}])
    pay(world, (live, OLD), (shadow, NEW))
    fill(world, shadow)
    assert generation(world) == before


def test_a_switch_from_a_generation_that_has_passed_is_refused(world):
    _, shadow = shadowed(world, ["a"])
    before = world.store.alias("docs")
    for wrong in (before.generation - 1, before.generation + 1):
        with pytest.raises(Moved):
            world.store.point("docs", shadow.declaration.name, expect=wrong, allow_owed=0)
    assert world.store.alias("docs") == before


def test_a_switch_is_refused_while_more_is_owed_than_allowed_and_nothing_remains_armed(world):
    live, shadow = shadowed(world, ["a", "b"])
    fill(world, shadow)
    world.put("docs", [{"id": 0, "body": "edited"}, {"id": 1, "body": "edited too"}])
    before = world.store.alias("docs")
    with pytest.raises(NotReady, match="2"):
        point(world, shadow, allow_owed=1)
    assert world.store.alias("docs") == before
    pay(world, (live, OLD), (shadow, NEW))
    assert world.store.alias("docs") == before


def test_a_switch_within_what_is_allowed_says_how_much_was_owed(world):
    _, shadow = shadowed(world, ["a", "b"])
    fill(world, shadow)
    world.put("docs", [{"id": 0, "body": "edited"}])
    assert point(world, shadow, allow_owed=1).owed == 1
    assert world.store.alias("docs").live == shadow.declaration
    assert world.store.outbox("docs").owed() == 1


def test_a_switch_to_an_index_that_never_was_is_refused(world):
    shadowed(world, ["a"])
    before = world.store.alias("docs")
    with pytest.raises(Superseded):
        world.store.point("docs", "never_was", expect=before.generation, allow_owed=0)
    assert world.store.alias("docs") == before


def test_a_switch_of_an_alias_that_never_was_is_refused(world):
    with pytest.raises(UnknownName):
        world.store.point("nope", "docs_1", expect=1, allow_owed=0)


def test_of_many_who_switch_at_once_one_does(world):
    """Ten threads that read the same generation: one step is made, nine are told that somebody was before them."""
    _, shadow = shadowed(world, ["a"])
    fill(world, shadow)
    expect = generation(world)
    outcomes: list[str] = []

    def switch(store) -> None:
        try:
            store.point("docs", shadow.declaration.name, expect=expect, allow_owed=0)
            outcomes.append("done")
        except Moved:
            outcomes.append("moved")

    threads = [Thread(target=switch, args=(world.store,)) for _ in range(10)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["done"] + ["moved"] * 9


# ---------------------------------------------------------------- holding


class Holding:
    """Somebody else who holds the alias until told to let go."""

    def __init__(self, store, alias: str) -> None:
        self._held, self._release = Event(), Event()
        self.error: TransvaseError | None = None
        self._thread = Thread(target=self._hold, args=(store, alias), name="the other operator")

    def _hold(self, store, alias: str) -> None:
        try:
            with store.hold(alias):
                self._held.set()
                self._release.wait(20)
        except TransvaseError as error:
            self.error = error
            self._held.set()

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._held.wait(20)
        return self

    def __exit__(self, *_: object) -> None:
        self._release.set()
        self._thread.join()


def test_an_alias_has_one_operator_at_a_time(world):
    with Holding(world.other(), "docs"), pytest.raises(Busy, match="docs"), world.store.hold("docs"):
        pass
    with world.store.hold("docs"):
        pass


def test_the_operator_who_is_refused_hears_who_holds_the_alias(world):
    with Holding(world.other(), "docs"), pytest.raises(Busy) as refused, world.store.hold("docs"):
        pass
    assert refused.value.holder


def test_different_aliases_have_different_operators(world):
    with Holding(world.other(), "docs") as other, world.store.hold("papers"):
        assert other.error is None


def test_an_operator_who_fails_lets_go(world):
    with pytest.raises(ZeroDivisionError), world.store.hold("docs"):
        1 / 0  # noqa: B018 -- the failure is the point
    with world.store.hold("docs"):
        pass


def test_nobody_holds_an_alias_twice(world):
    with world.store.hold("docs"), pytest.raises(Busy), world.store.hold("docs"):
        pass


def test_holding_keeps_no_reader_and_no_writer_waiting(world):
    live, shadow = shadowed(world, ["a"])
    with Holding(world.other(), "docs"):
        world.put("docs", [{"id": 0, "body": "edited"}])
        assert world.store.alias("docs").live == live.declaration
        assert pay(world, (live, OLD), (shadow, NEW)) == 1
