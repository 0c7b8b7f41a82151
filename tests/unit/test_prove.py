"""Every check of ``prove``, with an index that fulfils it and with one that does not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
from transvase.migrations.adopt import adopt
from transvase.migrations.cutover import cutover
from transvase.migrations.migrate import migrate
from transvase.migrations.prove import CHECKS, prove
from transvase.migrations.prove.recall import _share
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
    """Each of two rows is a tenant of its own, and can be searched in an index unless it is among its sleepers."""

    def __init__(self) -> None:
        super().__init__()
        self.asleep: dict[str, set[int]] = {}

    def index(self, alias: str, index: str) -> MemoryIndex:
        return Bedroom(self._state(alias), index, lock=self._lock, awake={5, 6} - self.asleep.get(index, set()))


class Bedroom(MemoryIndex):
    def __init__(self, alias: AliasState, name: str, *, lock: RLock, awake: set[int]) -> None:
        super().__init__(alias, name, lock=lock)
        self._awake = awake

    def parts(self) -> tuple[Mapping[str, object], ...]:
        return tuple({"id": number} for number in sorted(self._awake))


@pytest.mark.parametrize(
    ("encoder", "asleep", "why"),
    [("old", ({5}, {6}), "no tenant is awake on both sides"), (UNKNOWN, (set(), {5, 6}), "no tenant is awake")],
    ids=["no tenant on both sides", "none beside an unknown source"],
)
def test_a_latency_that_nobody_could_measure_is_said_to_be_none(
    encoder: str, asleep: tuple[set[int], set[int]], why: str
) -> None:
    store = Dormitory()
    world = filled(MemoryWorld(store), encoder=encoder)
    assert "median" in judged(world)["latency"].detail, "both are awake"
    store.asleep = dict(zip(("docs.embedding", _target(world)), asleep, strict=True))
    found = judged(world)["latency"]
    assert (found.passed, found.measured, found.detail) == (True, 0.0, f"nothing was searched: {why}")


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
