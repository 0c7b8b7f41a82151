"""Every check of ``prove``, with an index that fulfils it and with one that does not."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from threading import RLock

import numpy as np
import pytest
from costless import HashEncoder
from transvase.adapters.memory import MemoryStore
from transvase.adapters.memory.index import MemoryIndex
from transvase.adapters.memory.outbox import MemoryOutbox
from transvase.adapters.memory.state import AliasState
from transvase.core.errors import EncoderFailed, NotReady
from transvase.core.migration import Phase
from transvase.core.ports import Answer, Debt, Encoder, Likeness, Source
from transvase.core.record import Hit, digest_of
from transvase.core.space import UNKNOWN, Role, Vectors
from transvase.core.verdict import Finding, Verdict
from transvase.migrations import parts
from transvase.migrations.adopt import adopt
from transvase.migrations.cutover import cutover
from transvase.migrations.migrate import migrate
from transvase.migrations.prove import CHECKS, prove
from transvase.migrations.prove.recall import WITHIN, _share
from worlds import NEW, OLD, WIDTH, MemoryWorld, rows_of

NAMED: dict[str, Encoder] = {"old": OLD, "new": NEW}
ROWS = 40


def filled(world: MemoryWorld, *, encoder: str = "old", count: int = ROWS) -> MemoryWorld:
    """A table of ``count`` rows with a filled target."""
    world.make("docs")
    world.put("docs", rows_of([f"body {i}" for i in range(count)]))
    source = Source(table="docs", key=("id",), text="body", vector="embedding")
    adopt(world.store, "docs", source=source, encoder=encoder, encoders=NAMED.__getitem__)
    migrate(world.store, "docs", encoders=NAMED.__getitem__, to="new", until=Phase.FILLED)
    return world


def shelf(world: MemoryWorld):
    """Where the target's vectors lie: the place to do damage that no port allows."""
    return world.store._state("docs").indexes[_target(world)].shelf


def judged(world: MemoryWorld, encoders: dict[str, Encoder] | None = None) -> dict[str, Finding]:
    verdict = prove(world.store, "docs", encoders=(encoders or NAMED).__getitem__, seed=1)
    return {finding.check: finding for finding in verdict.findings}


def failing(world: MemoryWorld, encoders: dict[str, Encoder] | None = None) -> set[str]:
    return {name for name, finding in judged(world, encoders).items() if not finding.passed}


def phase(world: MemoryWorld) -> Phase:
    migration = world.store.journal.load("docs")
    assert migration is not None
    return migration.phase


def test_a_sound_target_passes_every_check_and_keeps_the_verdict(memory_world: MemoryWorld) -> None:
    verdict = prove(filled(memory_world).store, "docs", encoders=NAMED.__getitem__)
    migration = memory_world.store.journal.load("docs")
    assert verdict.passed
    assert [finding.check for finding in verdict.findings] == [check.__name__ for check in CHECKS]
    assert migration is not None
    assert (migration.phase, migration.verdict) == (Phase.PROVEN, verdict)
    assert verdict.witness == memory_world.store.witness("docs", migration.target)


def test_a_verdict_that_fails_is_returned_and_noted_and_the_phase_stays(memory_world: MemoryWorld) -> None:
    shelf(filled(memory_world)).remove((5,))
    verdict = prove(memory_world.store, "docs", encoders=NAMED.__getitem__)
    assert not verdict.passed
    assert phase(memory_world) is Phase.FILLED
    last = memory_world.store.journal.history("docs")[-1]
    assert (last.what, last.facts["passed"]) == ("prove failed", False)


def test_a_missing_vector_shows_in_counts_and_gaps_with_its_key(memory_world: MemoryWorld) -> None:
    shelf(filled(memory_world)).remove((5,))
    found = judged(memory_world)
    assert (found["counts"].measured, found["counts"].threshold, found["counts"].passed) == (ROWS - 1, ROWS, False)
    assert (found["gaps"].measured, found["gaps"].passed) == (1.0, False)
    assert "(5)" in found["gaps"].detail
    assert not found["recompute"].passed


def test_an_orphaned_vector_is_a_gap(memory_world: MemoryWorld) -> None:
    vector = np.ones(WIDTH + 1, np.float32)
    shelf(filled(memory_world)).put((999,), vector, digest=digest_of("gone"))
    assert failing(memory_world) == {"counts", "gaps"}


def test_a_vector_of_an_older_text_is_a_gap_and_differs(memory_world: MemoryWorld) -> None:
    old = np.append(NEW.encode(["an older text"], Role.DOCUMENT).matrix[0], np.float32(0))
    shelf(filled(memory_world)).put((5,), old, digest=digest_of("an older text"))
    assert failing(memory_world) == {"gaps", "recompute"}


def test_a_wrong_vector_under_the_right_digest_is_seen_by_encoding_again(memory_world: MemoryWorld) -> None:
    wrong = np.append(OLD.encode(["body 5"], Role.DOCUMENT).matrix[0], np.float32(0))
    shelf(filled(memory_world)).put((5,), wrong, digest=digest_of("body 5"))
    found = judged(memory_world)
    assert {name for name, finding in found.items() if not finding.passed} == {"recompute"}
    assert found["recompute"].measured == 1.0
    assert "(5)" in found["recompute"].detail
    assert "95 % confidence" in found["recompute"].detail


def test_zero_and_broken_vectors_are_not_sane(memory_world: MemoryWorld) -> None:
    target = shelf(filled(memory_world))
    target.put((5,), np.zeros(WIDTH + 1, np.float32), digest=digest_of("body 5"))
    target.put((6,), np.full(WIDTH + 1, np.nan, np.float32), digest=digest_of("body 6"))
    found = judged(memory_world)
    assert (found["sane"].measured, found["sane"].passed) == (2.0, False)


def test_a_row_edited_while_it_was_judged_is_read_again(memory_world: MemoryWorld) -> None:
    filled(memory_world)
    edited = iter([True])

    class Interrupted(HashEncoder):
        """The application edits a row between the sample and its encoding."""

        def encode(self, texts: Sequence[str], role: Role) -> Vectors:
            if role is Role.DOCUMENT and len(texts) > 1 and next(edited, False):
                memory_world.put("docs", [{"id": 5, "body": "edited while judged"}])
                memory_world.store._state("docs").entries.clear()
                vector = np.append(NEW.encode(["edited while judged"], Role.DOCUMENT).matrix[0], np.float32(0))
                shelf(memory_world).put((5,), vector, digest=digest_of("edited while judged"))
            return super().encode(texts, role)

    named = {"old": OLD, "new": Interrupted("new", dimension=WIDTH, seed=2)}
    assert failing(memory_world, named) == set()
    assert next(edited, "spent") == "spent"


def test_a_row_that_is_owed_is_excused(memory_world: MemoryWorld) -> None:
    """Its text changes with every look, so it is in the outbox whenever it differs."""
    filled(memory_world)
    versions = iter(range(10**6))

    class Restless(HashEncoder):
        def encode(self, texts: Sequence[str], role: Role) -> Vectors:
            if role is Role.DOCUMENT:
                memory_world.put("docs", [{"id": 5, "body": f"version {next(versions)}"}])
            return super().encode(texts, role)

    assert "recompute" not in failing(memory_world, {"old": OLD, "new": Restless("new", dimension=WIDTH, seed=2)})


class Held(MemoryOutbox):
    """It holds every debt back, as some stores do with what somebody is just writing."""

    def read(self, *, limit: int) -> list[Debt]:
        return []


class Writing(MemoryStore):
    """Somebody is in the middle of each write to it."""

    def outbox(self, alias: str) -> MemoryOutbox:
        return Held(self._state(alias), lock=self._lock)


def test_a_row_that_somebody_is_just_writing_is_excused() -> None:
    world = filled(MemoryWorld(Writing()))
    world.put("docs", [{"id": 5, "body": "its vector follows in a moment"}])
    assert failing(world) == set()


def test_the_outbox_check_passes_once_everything_owed_at_the_beginning_is_paid(memory_world: MemoryWorld) -> None:
    filled(memory_world)
    memory_world.put("docs", [{"id": i, "body": f"edited {i}"} for i in range(10)])
    found = judged(memory_world)
    assert (found["outbox"].measured, found["outbox"].passed) == (0.0, True)


def test_a_text_that_nobody_can_encode_fails_the_outbox_check_and_is_named(memory_world: MemoryWorld) -> None:
    filled(memory_world)

    class Picky(HashEncoder):
        def encode(self, texts: Sequence[str], role: Role) -> Vectors:
            if role is Role.DOCUMENT and "poison" in texts:
                raise EncoderFailed(self.name, "not this one")
            return super().encode(texts, role)

    memory_world.put("docs", [{"id": 5, "body": "poison"}])
    found = judged(memory_world, {"old": OLD, "new": Picky("new", dimension=WIDTH, seed=2)})
    assert {name for name, finding in found.items() if not finding.passed} == {"outbox"}
    assert found["outbox"].measured == 1.0
    assert "(5)" in found["outbox"].detail


def test_an_index_that_changes_under_the_proof_gives_no_verdict(memory_world: MemoryWorld) -> None:
    filled(memory_world)

    def meddling(what: str, _done: int, _total: int) -> None:
        if what == "checking sane":
            memory_world.store._state("docs").indexes[_target(memory_world)].serial += 1_000

    with pytest.raises(NotReady, match="changed while they were being judged"):
        prove(memory_world.store, "docs", encoders=NAMED.__getitem__, progress=meddling)
    assert phase(memory_world) is Phase.FILLED


class Strange(MemoryStore):
    """Its places differ from what would be made now, as far as ``apart`` says."""

    apart = Likeness()

    def liken(self, alias: str, index: str) -> Likeness:
        assert index in self._state(alias).indexes
        return self.apart


def test_a_target_that_is_not_like_the_live_side_fails_and_is_not_switched_to() -> None:
    store = Strange()
    world = filled(MemoryWorld(store))
    store.apart = Likeness(("it lacks the property extra",), ("its lists are longer",))
    found = judged(world)["likeness"]
    assert (found.passed, found.measured, found.threshold) == (False, 1.0, 0.0)
    assert "it lacks the property extra" in found.detail
    assert "(not counted: its lists are longer)" in found.detail
    store.apart = Likeness(remarks=("its lists are longer",))
    assert failing(world) == set()
    store.apart = Likeness(("it lacks the property extra",))
    with pytest.raises(NotReady, match="it lacks the property extra"):
        cutover(store, "docs", encoders=NAMED.__getitem__)
    assert store.alias("docs").live.adopted, "nothing was switched"


def test_an_empty_table_can_be_proven(memory_world: MemoryWorld) -> None:
    assert failing(filled(memory_world, count=0)) == set()
    assert phase(memory_world) is Phase.PROVEN


def test_latency_is_reported_and_passed_where_the_source_is_unknown(memory_world: MemoryWorld) -> None:
    found = judged(filled(memory_world, encoder=UNKNOWN))
    assert found["latency"].passed
    assert "cannot be searched" in found["latency"].detail


def test_latency_stands_beside_the_sources(memory_world: MemoryWorld) -> None:
    found = judged(filled(memory_world))
    assert found["latency"].measured > 0
    assert found["latency"].threshold >= 5.0
    assert "the source: median" in found["latency"].detail


class Dormitory(MemoryStore):
    """Each row is a tenant of its own; in an index some sleep, and some are searched badly."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep: dict[str, set[int]] = {}
        self.bad: dict[str, set[int]] = {}
        self.slow: set[int] = set()
        self.stumbles = 0
        self.open: list[tuple[str, int]] = []
        self.searched: set[tuple[str, int]] = set()

    def index(self, alias: str, index: str) -> MemoryIndex:
        return Bedroom(self._state(alias), index, lock=self._lock, house=self)


class Bedroom(MemoryIndex):
    def __init__(self, alias: AliasState, name: str, *, lock: RLock, house: Dormitory) -> None:
        super().__init__(alias, name, lock=lock)
        self._called, self._house = name, house

    def parts(self, *, asleep: bool = False) -> tuple[Mapping[str, object], ...]:
        sleepers = self._house.asleep.get(self._called, set())
        return tuple({"id": number} for number in range(ROWS) if (number in sleepers) is asleep)

    @contextmanager
    def opened(self, *parts: Mapping[str, object]) -> Iterator[None]:
        beds = [(self._called, int(str(part["id"]))) for part in parts]
        self._house.open += beds
        yield
        for bed in beds:
            self._house.open.remove(bed)

    def search(
        self,
        query: Vectors,
        k: int,
        *,
        where: Mapping[str, object] | None = None,
        exact: bool = False,
        text: str | None = None,
        lexical: float | None = None,
    ) -> Answer:
        if not exact and where:
            self._found_awake(int(str(where["id"])))
            if self._missed(int(str(where["id"]))):
                return Answer((), 1)
        return super().search(query, k, where=where, exact=exact, text=text, lexical=lexical)

    def _found_awake(self, number: int) -> None:
        asleep = number in self._house.asleep.get(self._called, set())
        assert not asleep or (self._called, number) in self._house.open, f"{number} sleeps in {self._called}"
        self._house.searched.add((self._called, number))
        if number in self._house.slow:
            time.sleep(0.03)

    def _missed(self, number: int) -> bool:
        if number == STUMBLER and self._house.stumbles:
            self._house.stumbles -= 1
            return True
        return number in self._house.bad.get(self._called, set())


STUMBLER = 17


@pytest.mark.parametrize("encoder", ["old", UNKNOWN], ids=["beside the source", "alone"])
def test_tenants_that_sleep_on_either_side_are_woken_to_be_searched(encoder: str) -> None:
    store = Dormitory()
    world = filled(MemoryWorld(store), encoder=encoder)
    target = _target(world)
    store.asleep = {target: {5, 6}, "docs.embedding": {6, 7}}
    found = judged(world)
    woken = 3 if encoder == "old" else 2
    for check in ("recall", "latency"):
        assert found[check].passed
        assert f"within {ROWS} of {ROWS} tenants, of which {woken} were woken for it" in found[check].detail
    assert {number for name, number in store.searched if name == target} == set(range(ROWS))
    assert store.open == [], "and left as they were"


def test_of_many_tenants_some_are_searched_and_the_rest_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parts, "MEASURED", 10)
    monkeypatch.setattr(parts, "WOKEN", 3)
    store = Dormitory()
    world = filled(MemoryWorld(store))
    target = _target(world)
    store.asleep = {target: set(range(0, ROWS, 2))}
    store.searched.clear()
    found = judged(world)
    for check in ("recall", "latency"):
        assert f"within 10 of {ROWS} tenants, of which 3 were woken for it; 30 others were not searched" in found[check].detail
    assert len({number for name, number in store.searched if name == target}) == 10


def test_where_every_tenant_sleeps_some_are_woken() -> None:
    store = Dormitory()
    world = filled(MemoryWorld(store))
    store.asleep = {name: set(range(ROWS)) for name in (_target(world), "docs.embedding")}
    found = judged(world)
    assert "the source: median" in found["latency"].detail
    assert f"within {parts.WOKEN} of {ROWS} tenants" in found["recall"].detail
    assert found["recall"].passed


def test_one_bad_tenant_among_many_good_ones_fails_by_its_name_unless_the_source_is_as_bad() -> None:
    store = Dormitory()
    world = filled(MemoryWorld(store))
    target = _target(world)
    store.bad = {target: {17}}
    found = judged(world)["recall"]
    assert (found.passed, found.measured, found.threshold) == (False, 0.0, WITHIN)
    assert "the worst tenant is 17 with 0.0000" in found.detail
    assert "mean 0.97" in found.detail
    store.bad["docs.embedding"] = {17}
    found = judged(world)["recall"]
    assert found.passed
    assert "the source's index reaches 0.0000" in found.detail


def test_a_tenant_that_seems_bad_by_a_few_queries_is_looked_at_with_all_of_them() -> None:
    store = Dormitory()
    world = filled(MemoryWorld(store))
    store.stumbles = parts.EACH
    found = judged(world)["recall"]
    assert store.stumbles == 0
    assert found.passed
    assert "with 1.0000" in found.detail


def test_the_slowest_tenant_is_named() -> None:
    store = Dormitory()
    world = filled(MemoryWorld(store))
    store.slow = {23}
    found = judged(world)["latency"]
    assert found.passed
    assert "the slowest tenant is 23 with a median of" in found.detail


@pytest.mark.parametrize(("count", "number"), [(64, 1), (64, 7), (64, 40), (64, 100), (3, 40), (1, 1)])
def test_no_query_is_left_out_and_each_tenant_has_several(count: int, number: int) -> None:
    choice = parts.Choice(parts=tuple({"id": part} for part in range(number)), woken=0, left_out=0)
    rows = [choice.rows(part, count) for part in range(number)]
    assert {row for some in rows for row in some} == set(range(count))
    assert {len(some) for some in rows} == {min(max(parts.EACH, -(-count // number)), count)}
    assert all(len(set(some)) == len(some) for some in rows)


def test_recall_counts_a_tie_by_its_score_and_a_miss_as_a_miss() -> None:
    exact = _answer(0.9, 0.8, 0.7)
    assert _share(_answer(0.9, 0.8, 0.7, first=100), exact) == 1.0
    assert _share(_answer(0.9, 0.8, 0.6), exact) == pytest.approx(2 / 3)
    assert _share(_answer(0.9), exact) == pytest.approx(1 / 3)
    assert _share(_answer(), exact) == 0.0
    assert _share(_answer(), _answer()) == 1.0


def test_the_same_seed_draws_the_same_sample(memory_world: MemoryWorld) -> None:
    filled(memory_world, count=320)
    wrong = np.append(OLD.encode(["body 5"], Role.DOCUMENT).matrix[0], np.float32(0))
    for key in range(0, 320, 8):
        shelf(memory_world).put((key,), wrong, digest=digest_of(f"body {key}"))
    first, second = (judged(memory_world)["recompute"].measured for _ in range(2))
    assert first == second > 0


def test_a_verdict_survives_its_way_through_the_journals_form(memory_world: MemoryWorld) -> None:
    verdict = prove(filled(memory_world).store, "docs", encoders=NAMED.__getitem__)
    assert Verdict.from_json(verdict.as_json()) == verdict


def _target(world: MemoryWorld) -> str:
    migration = world.store.journal.load("docs")
    assert migration is not None
    return migration.target


def _answer(*scores: float, first: int = 0) -> Answer:
    return Answer(tuple(Hit((first + i,), score, None, {}) for i, score in enumerate(scores)), 1)
