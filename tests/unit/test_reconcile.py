"""Walks until nothing more is found: what passed unseen is mended, and writers that are faster end it with a reason."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from transvase.adapters.memory import MemoryStore
from transvase.core.errors import BadValue, NotReady
from transvase.core.ports import Index, Round
from transvase.migrations.reconcile import settle
from transvase.migrations.sync import Worker
from worlds import NEW, OLD, MemoryWorld, fill, rows_of, shadowed

BODIES = [f"text {number}" for number in range(12)]


def encoder(name: str) -> object:
    return {"old": OLD, "new": NEW}[name]


@pytest.fixture
def world() -> MemoryWorld:
    return MemoryWorld(MemoryStore())


@pytest.fixture
def shadow(world: MemoryWorld) -> Index:
    _, made = shadowed(world, BODIES)
    fill(world, made)
    return made


@pytest.fixture
def worker(world: MemoryWorld, shadow: Index) -> Worker:
    return Worker(world.store, "docs", encoder)


def unseen(world: MemoryWorld, number: int, text: str) -> None:
    """A write of which no debt is left."""
    world.put("docs", rows_of({(number,): text}))
    world.lose_debts("docs")


def test_where_nothing_was_missed_two_walks_find_nothing(world: MemoryWorld, shadow: Index, worker: Worker) -> None:
    assert settle(world.store, "docs", shadow, worker) == {"walks": 2, "found": 0, "reconcile_left": 0}


def test_what_passed_unseen_is_found_and_paid(world: MemoryWorld, shadow: Index, worker: Worker) -> None:
    unseen(world, 3, "changed")
    unseen(world, 99, "new")
    world.delete("docs", [(5,)])
    world.lose_debts("docs")
    census = shadow.census()
    assert (census.stale, census.missing, census.orphaned) == (1, 1, 1)
    assert settle(world.store, "docs", shadow, worker) == {"walks": 3, "found": 3, "reconcile_left": 0}
    census = shadow.census()
    assert (census.stale, census.missing, census.orphaned, census.owed) == (0, 0, 0, 0)
    assert census.held == len(BODIES)


def test_what_is_owed_already_is_nothing_that_was_missed(world: MemoryWorld, shadow: Index, worker: Worker) -> None:
    world.put("docs", rows_of({(3,): "changed"}))
    assert settle(world.store, "docs", shadow, worker)["found"] == 0


def test_a_write_between_the_walks_begins_the_count_anew(world: MemoryWorld, shadow: Index, worker: Worker) -> None:
    walks: list[int] = []

    def late(what: str, done: int, _: int) -> None:
        if what.startswith("comparing") and done == 1 and not walks:
            walks.append(done)
            unseen(world, 1, "written between two walks")

    assert settle(world.store, "docs", shadow, worker, progress=late)["walks"] == 4
    assert walks
    assert shadow.census().stale == 0


def busy(world: MemoryWorld) -> Callable[[str, int, int], None]:
    """Somebody who writes unseen before every walk."""
    written = iter(range(1_000))

    def write(what: str, _: int, __: int) -> None:
        if what.startswith("comparing"):
            unseen(world, 1, f"version {next(written)}")

    return write


def test_writers_that_are_faster_than_walks_end_it_with_a_reason(world: MemoryWorld, shadow: Index, worker: Worker) -> None:
    with pytest.raises(NotReady, match=r"5 walks over docs_1 .* the last one found 1 rows .* Mirror"):
        settle(world.store, "docs", shadow, worker, most=5, progress=busy(world))
    assert settle(world.store, "docs", shadow, worker)["reconcile_left"] == 0, "it can be done again"
    assert shadow.census().stale == 0


class Busy:
    """The index of a store that tells what is new: each walk finds what the next of ``rounds`` says."""

    def __init__(self, shadow: Index, *rounds: Round) -> None:
        self.declaration, self.rounds, self.given = shadow.declaration, list(rounds), list[Round | None]()

    def owe(self, before: Round | None = None) -> Round:
        self.given.append(before)
        return self.rounds[len(self.given) - 1]


def test_a_walk_that_finds_nothing_but_what_is_new_is_as_good_as_one_that_finds_nothing(
    world: MemoryWorld, shadow: Index, worker: Worker
) -> None:
    index = Busy(shadow, Round(7, 7), Round(2, 0), Round(3, 0))
    assert settle(world.store, "docs", index, worker)["walks"] == 3  # type: ignore[arg-type]
    assert index.given == [None, *index.rounds[:2]], "each walk is told what the one before it found"


def test_what_lasts_begins_the_count_anew_and_is_named(world: MemoryWorld, shadow: Index, worker: Worker) -> None:
    index = Busy(shadow, Round(1, 1), Round(2, 0), Round(2, 1, ((7,),)), Round(0, 0), Round(1, 0))
    assert settle(world.store, "docs", index, worker)["walks"] == 5  # type: ignore[arg-type]
    index = Busy(shadow, *[Round(2, 1, ((7,),))] * 4)
    with pytest.raises(NotReady, match=r"4 walks .* the last one found 1 rows that differ, .* \(for example \(7\)\)"):
        settle(world.store, "docs", index, worker, most=4)  # type: ignore[arg-type]


def test_a_text_that_nobody_can_encode_does_not_keep_it_walking(world: MemoryWorld, shadow: Index) -> None:
    class Refusing:
        name, space = NEW.name, NEW.space

        def encode(self, texts: list[str], role: object) -> object:
            from transvase.core.errors import EncoderFailed

            if "poison" in texts:
                raise EncoderFailed(self.name, "no such text")
            return NEW.encode(texts, role)  # type: ignore[arg-type]

        def tokens(self, texts: list[str]) -> list[int]:
            return NEW.tokens(texts)

    worker = Worker(world.store, "docs", lambda name: OLD if name == "old" else Refusing())  # type: ignore[arg-type,return-value]
    unseen(world, 2, "poison")
    done = settle(world.store, "docs", shadow, worker)
    assert done == {"walks": 3, "found": 1, "reconcile_left": 1}
    assert world.store.outbox("docs").owed() == 1


def test_no_round_at_all_is_refused(world: MemoryWorld, shadow: Index, worker: Worker) -> None:
    with pytest.raises(BadValue, match="rounds"):
        settle(world.store, "docs", shadow, worker, rounds=0)
