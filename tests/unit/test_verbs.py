"""The verbs, on the memory store: each forward, back and after a crash between its effect and its record."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest
from costless import HashEncoder
from transvase.adapters.memory import VectorColumn
from transvase.adapters.memory.corpus import MemoryCorpus
from transvase.core.errors import (
    BadValue,
    Busy,
    EncoderFailed,
    ForeignVectors,
    IllegalMove,
    NotReady,
    SpaceMismatch,
    UnknownName,
)
from transvase.core.migration import Migration, Move, Phase
from transvase.core.ports import Encoder, Source
from transvase.core.record import Record
from transvase.core.space import Role, Vectors
from transvase.migrations.abort import abort
from transvase.migrations.adopt import adopt
from transvase.migrations.audit import audit
from transvase.migrations.bound import at_most
from transvase.migrations.cutover import cutover
from transvase.migrations.encoding import TURN, Shared, encode_each, shared
from transvase.migrations.fill import fill
from transvase.migrations.migrate import migrate
from transvase.migrations.open import open_target
from transvase.migrations.pause import pause, resume
from transvase.migrations.plan import plan
from transvase.migrations.prove import prove
from transvase.migrations.retire import retire
from transvase.migrations.rollback import rollback
from transvase.migrations.runner import Outcome, stand
from transvase.migrations.status import status
from transvase.migrations.sync import Worker, beside, pay_once
from worlds import NEW, OLD, WIDTH, MemoryWorld, rows_of

SOURCE = Source(table="docs", key=("id",), text="body", vector="embedding")
NAMED: dict[str, Encoder] = {"old": OLD, "new": NEW}
ENCODERS = NAMED.__getitem__


class Prompted(HashEncoder):
    """Gives a query another vector than a document, as models with prompts do."""

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        return super().encode([f"{role}: {text}" for text in texts], role)


class Picky(HashEncoder):
    """Refuses texts that contain a word; refuses everything once it is ``broken``."""

    def __init__(self, name: str, *, seed: int, refuses: str = "poison") -> None:
        super().__init__(name, dimension=WIDTH, seed=seed)
        self.refuses, self.broken, self.calls = refuses, False, 0

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        self.calls += 1
        if self.broken or any(self.refuses in text for text in texts):
            raise EncoderFailed(self.name, "this text is not for me")
        return super().encode(texts, role)


def table(world: MemoryWorld, bodies: Sequence[str | None], *, encoder: HashEncoder = OLD) -> None:
    world.make("docs")
    world.put("docs", rows_of(bodies, encoder=encoder))


def adopted(world: MemoryWorld, count: int = 60) -> MemoryWorld:
    """A table of ``count`` rows under the alias ``docs``."""
    table(world, [f"body {i}" for i in range(count)])
    adopt(world.store, "docs", source=SOURCE, encoder="old", encoders=ENCODERS)
    return world


def journalled(world: MemoryWorld) -> Migration:
    found = world.store.journal.load("docs")
    assert found is not None
    return found


def noted(world: MemoryWorld, what: str) -> list[dict[str, object]]:
    return [dict(event.facts) for event in world.store.journal.history("docs") if event.what == what]


def to(world: MemoryWorld, phase: Phase) -> Outcome:
    return migrate(world.store, "docs", encoders=ENCODERS, to="new", until=phase)


# adopt and audit


def test_adopt_counts_what_is_missing_and_zero(memory_world: MemoryWorld) -> None:
    table(memory_world, [f"body {i}" for i in range(300)])
    memory_world.put("docs", [{"id": 1, "embedding": None}, {"id": 2, "embedding": np.zeros(WIDTH, np.float32)}])
    found = adopt(memory_world.store, "docs", source=SOURCE, encoder="old", encoders=ENCODERS).as_json()
    assert (found["records"], found["missing"], found["zero"], found["foreign"]) == (300, 1, 1, 0)
    assert found["foreign_at_most"] == pytest.approx(1 - 0.05 ** (1 / 298), abs=1e-6)
    assert memory_world.store.aliases() == ["docs"]


def test_rows_that_would_lose_their_vector_for_want_of_a_text_are_named_when_they_are_adopted(memory_world: MemoryWorld) -> None:
    table(memory_world, [f"body {i}" for i in range(300)])
    memory_world.put("docs", [{"id": 7, "body": None}, {"id": 8, "body": None}])
    found = adopt(memory_world.store, "docs", source=SOURCE, encoder="old", encoders=ENCODERS)
    assert [one for one in found.notices if one.startswith("2 rows have a vector and no text by this expression")]


def test_a_model_that_did_not_make_the_vectors_is_refused_and_nothing_is_adopted(memory_world: MemoryWorld) -> None:
    table(memory_world, [f"body {i}" for i in range(300)])
    with pytest.raises(ForeignVectors, match="0 of 300 sampled rows"):
        adopt(memory_world.store, "docs", source=SOURCE, encoder="new", encoders=ENCODERS)
    assert memory_world.store.aliases() == []


def test_a_few_foreign_rows_are_reported_and_audit_lists_them(memory_world: MemoryWorld) -> None:
    table(memory_world, [f"body {i}" for i in range(300)])
    memory_world.put("docs", [{"id": 7, "embedding": NEW.encode(["body 7"], Role.DOCUMENT).matrix[0]}])
    found = adopt(memory_world.store, "docs", source=SOURCE, encoder="old", encoders=ENCODERS)
    assert found.as_json()["foreign"] == 1
    assert "audit" in found.notices[0]
    seen = audit(memory_world.store, "docs", encoders=ENCODERS, sample=300)
    assert not seen.clean
    assert seen.as_json()["keys"] == {"foreign": [[7]], "others": []}


def test_a_clean_table_passes_the_audit(memory_world: MemoryWorld) -> None:
    seen = audit(adopted(memory_world).store, "docs", encoders=ENCODERS, sample=50, seed=4)
    assert (seen.clean, seen.seed, len(seen.agreement.compared)) == (True, 4, 50)


def test_a_row_that_is_edited_during_the_audit_is_not_foreign(memory_world: MemoryWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The application writes it, text and vector, when the sample has been read and its vector has not."""
    store, drawn = adopted(memory_world).store, MemoryCorpus.sample

    def late(corpus: MemoryCorpus, size: int, *, seed: int) -> list[Record]:
        records = list(drawn(corpus, size, seed=seed))
        memory_world.put("docs", [{"id": 1, "body": "edited", "embedding": OLD.encode(["edited"], Role.DOCUMENT).matrix[0]}])
        return records

    monkeypatch.setattr(MemoryCorpus, "sample", late)
    seen = audit(store, "docs", encoders=ENCODERS, sample=60)
    assert (seen.clean, seen.agreement.foreign, len(seen.agreement.compared)) == (True, (), 59)


def test_documents_encoded_as_queries_are_recognised(memory_world: MemoryWorld) -> None:
    prompted = Prompted("old", dimension=WIDTH, seed=1)
    memory_world.make("docs")
    texts = [f"body {i}" for i in range(50)]
    vectors = prompted.encode(texts, Role.QUERY).matrix
    rows = [{"id": i, "body": text, "embedding": vector} for i, (text, vector) in enumerate(zip(texts, vectors, strict=True))]
    memory_world.put("docs", rows)
    with pytest.raises(ForeignVectors, match="query prompt"):
        adopt(memory_world.store, "docs", source=SOURCE, encoder="old", encoders={"old": prompted}.__getitem__)


def test_other_lengths_are_foreign_where_the_metric_counts_them(memory_world: MemoryWorld) -> None:
    memory_world.make("docs", metric="ip")
    vectors = 3 * OLD.encode([f"body {i}" for i in range(50)], Role.DOCUMENT).matrix
    memory_world.put("docs", [{"id": i, "body": f"body {i}", "embedding": vector} for i, vector in enumerate(vectors)])
    with pytest.raises(ForeignVectors, match="normalisation"):
        adopt(memory_world.store, "docs", source=SOURCE, encoder="old", encoders=ENCODERS)


def test_adopting_the_same_again_changes_nothing(memory_world: MemoryWorld) -> None:
    before = adopted(memory_world).store.alias("docs")
    assert adopt(memory_world.store, "docs", source=SOURCE, encoder="old", encoders=ENCODERS).already
    assert memory_world.store.alias("docs") == before


def test_a_taken_alias_is_not_given_to_another_declaration(memory_world: MemoryWorld) -> None:
    adopted(memory_world)
    other = Source(table="docs", key=("id",), text="title", vector="embedding")
    with pytest.raises(BadValue, match="choose another alias"):
        adopt(memory_world.store, "docs", source=other, encoder="old", encoders=ENCODERS)


def test_an_unknown_encoder_is_taken_without_a_proof_and_says_what_is_not_possible_then(memory_world: MemoryWorld) -> None:
    table(memory_world, ["a", "b"])
    found = adopt(memory_world.store, "docs", source=SOURCE, encoder="unknown", encoders=ENCODERS)
    assert found.as_json()["space"] == "unknown"
    assert "no search" in found.notices[0]
    assert "no rollback" in found.notices[0]
    with pytest.raises(NotReady, match="without its encoder"):
        audit(memory_world.store, "docs", encoders=ENCODERS)


def test_an_unknown_source_leads_forward_and_not_back(memory_world: MemoryWorld) -> None:
    table(memory_world, ["a", "b"])
    adopt(memory_world.store, "docs", source=SOURCE, encoder="unknown", encoders=ENCODERS)
    to(memory_world, Phase.LIVE)
    memory_world.put("docs", [{"id": 1, "body": "edited"}])
    assert Worker(memory_world.store, "docs", ENCODERS).drain(deadline_s=5) == 0
    with pytest.raises(NotReady, match="encoder is unknown"):
        rollback(memory_world.store, "docs", encoders=ENCODERS)
    assert memory_world.store.index("docs", journalled(memory_world).target).census().stale == 0


@pytest.mark.parametrize(
    ("bad", "sampled", "bound"),
    [(0, 300, 0.009936081944457708), (1, 300, 0.01571455489158395), (7, 50, 0.2469352017312092), (299, 300, 0.9998290369678865)],
)
def test_the_bound_is_the_one_of_clopper_and_pearson(bad: int, sampled: int, bound: float) -> None:
    """The figures are scipy 1.17.1's ``beta.ppf(0.95, bad + 1, sampled - bad)``."""
    assert at_most(bad, sampled) == pytest.approx(bound, rel=1e-9)


def test_without_a_sample_the_bound_says_nothing() -> None:
    assert (at_most(0, 0), at_most(3, 3)) == (1.0, 1.0)


# plan and open


def test_plan_measures_and_changes_nothing(memory_world: MemoryWorld) -> None:
    before = adopted(memory_world).store.alias("docs")
    found = plan(memory_world.store, "docs", to="new", encoders=ENCODERS).as_json()
    assert (found["rows"], found["tokens"], found["fenced"], found["refusals"]) == (60, 120, True, [])
    assert found["target"] == {
        "index": f"docs_1_{NEW.space.id[:8]}",
        "space": NEW.space.id,
        "width": WIDTH + 1,
        "encoder": "new",
    }
    assert memory_world.store.alias("docs") == before
    assert memory_world.store.journal.load("docs") is None


def test_plan_says_which_texts_are_cut(memory_world: MemoryWorld) -> None:
    table(memory_world, ["one two three four", "one"])
    adopt(memory_world.store, "docs", source=SOURCE, encoder="old", encoders=ENCODERS)
    short = HashEncoder("short", dimension=WIDTH, seed=3, max_length=3)
    found = plan(memory_world.store, "docs", to="short", encoders={"short": short}.__getitem__)
    assert found.effort.cut == 0.5
    assert any("are cut" in warning for warning in found.warnings)


def test_a_move_into_the_same_space_is_refused_as_nothing_to_do(memory_world: MemoryWorld) -> None:
    adopted(memory_world)
    assert "nothing to move" in plan(memory_world.store, "docs", to="old", encoders=ENCODERS).refusals[0]
    with pytest.raises(NotReady, match="nothing to move"):
        open_target(memory_world.store, "docs", to="old", encoders=ENCODERS)


def test_where_no_dimension_is_left_plan_says_that_the_fence_is_missing(memory_world: MemoryWorld) -> None:
    wide, wider = HashEncoder("wide", dimension=2_000, seed=1), HashEncoder("wider", dimension=2_000, seed=2)
    named = {"wide": wide, "wider": wider}
    memory_world.make("docs", width=2_000)
    memory_world.put("docs", rows_of(["a", "b"], encoder=wide))
    adopt(memory_world.store, "docs", source=SOURCE, encoder="wide", encoders=named.__getitem__)
    found = plan(memory_world.store, "docs", to="wider", encoders=named.__getitem__)
    assert not found.fenced
    assert found.target.width == 2_000
    assert "no fence" in found.warnings[0]


def test_an_element_type_without_a_limit_has_a_fence(memory_world: MemoryWorld) -> None:
    """What the store knows no limit of is no reason to leave the wall away."""
    store, column = memory_world.store, VectorColumn(name="embedding", width=WIDTH, form="float32")
    store.make_table("docs", key=("id",), columns=("title", "body", "team"), vectors=(column,))
    memory_world.put("docs", rows_of(["a", "b"]))
    adopt(store, "docs", source=SOURCE, encoder="old", encoders=ENCODERS)
    found = plan(store, "docs", to="new", encoders=ENCODERS)
    assert (found.fenced, found.target.width, found.target.form) == (True, WIDTH + 1, "float32")
    assert found.refusals == ()


def test_a_second_migration_is_refused_while_one_is_open(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.SHADOWING)
    other = HashEncoder("other", dimension=WIDTH, seed=9)
    with pytest.raises(NotReady, match="finish or abort it first"):
        open_target(memory_world.store, "docs", to="other", encoders={"other": other}.__getitem__)


def test_a_name_is_never_used_again(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.SHADOWING)
    first = journalled(memory_world).target
    abort(memory_world.store, "docs")
    to(memory_world, Phase.SHADOWING)
    assert journalled(memory_world).attempt == 2
    assert journalled(memory_world).target != first


def test_an_open_that_a_crash_left_planned_is_gone_on_with(memory_world: MemoryWorld) -> None:
    found = plan(adopted(memory_world).store, "docs", to="new", encoders=ENCODERS)
    planned = Migration(alias="docs", attempt=1, source=found.alias.live.name, target=found.target.name)
    memory_world.store.journal.save(planned, expect=None)
    memory_world.store.create("docs", found.target)
    outcome = open_target(memory_world.store, "docs", to="new", encoders=ENCODERS)
    assert (outcome.migration.phase, outcome.migration.attempt) == (Phase.SHADOWING, 1)


def test_a_planned_migration_is_not_taken_over_by_another_encoder(memory_world: MemoryWorld) -> None:
    live = adopted(memory_world).store.alias("docs").live
    memory_world.store.journal.save(Migration(alias="docs", attempt=1, source=live.name, target="docs_1_other"), expect=None)
    with pytest.raises(NotReady, match="docs_1_other was begun"):
        open_target(memory_world.store, "docs", to="new", encoders=ENCODERS)
    assert abort(memory_world.store, "docs").migration.phase is Phase.ABORTED


# forward, back, forward


def test_forward_back_and_forward_again_lose_no_write(memory_world: MemoryWorld) -> None:
    adopted(memory_world)
    assert to(memory_world, Phase.PROVEN).migration.phase is Phase.PROVEN
    memory_world.put("docs", [{"id": 1, "body": "edited before"}])
    assert cutover(memory_world.store, "docs", encoders=ENCODERS).figures["owed"] == 0
    memory_world.put("docs", [{"id": 2, "body": "edited while live"}, {"id": 900, "body": "inserted while live"}])
    memory_world.delete("docs", [(3,)])
    assert rollback(memory_world.store, "docs", encoders=ENCODERS).migration.phase is Phase.FILLED
    for name, encoder in ((journalled(memory_world).source, OLD), (journalled(memory_world).target, NEW)):
        keys, vectors = memory_world.store.index("docs", name).vectors([(1,), (2,), (3,), (900,)])
        assert keys == [(1,), (2,), (900,)]
        assert vectors is not None
        expected = encoder.encode(["edited before", "edited while live", "inserted while live"], Role.DOCUMENT).matrix
        np.testing.assert_array_equal(vectors.matrix[:, :WIDTH], expected)
    assert to(memory_world, Phase.LIVE).migration.phase is Phase.LIVE
    ended = retire(memory_world.store, "docs")
    assert ended.migration.phase is Phase.RETIRED
    assert memory_world.store.alias("docs").live.label == NEW.space.id


def test_migrate_goes_on_with_whatever_it_finds(memory_world: MemoryWorld) -> None:
    adopted(memory_world)
    open_target(memory_world.store, "docs", to="new", encoders=ENCODERS)
    assert migrate(memory_world.store, "docs", encoders=ENCODERS, until=Phase.FILLED).migration.phase is Phase.FILLED
    assert migrate(memory_world.store, "docs", encoders=ENCODERS).migration.phase is Phase.PROVEN
    assert migrate(memory_world.store, "docs", encoders=ENCODERS).migration.phase is Phase.PROVEN


def test_migrate_never_cuts_over_unless_told(memory_world: MemoryWorld) -> None:
    migrate(adopted(memory_world).store, "docs", encoders=ENCODERS, to="new")
    assert memory_world.store.alias("docs").live.name == journalled(memory_world).source


def test_migrate_wants_to_know_where_to(memory_world: MemoryWorld) -> None:
    with pytest.raises(NotReady, match="--to ENC"):
        migrate(adopted(memory_world).store, "docs", encoders=ENCODERS)


def test_migrate_does_not_lead_an_open_migration_elsewhere(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.FILLED)
    other = HashEncoder("other", dimension=WIDTH, seed=9)
    with pytest.raises(NotReady, match="leads to new"):
        migrate(memory_world.store, "docs", encoders={**NAMED, "other": other}.__getitem__, to="other")


def test_two_operators_at_once_and_one_is_refused(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.SHADOWING)
    pause(memory_world.store, "docs")
    thread = threading.Thread(target=lambda: fill(memory_world.store, "docs", encoders=ENCODERS), name="first")
    thread.start()
    try:
        while not noted(memory_world, "fill begins"):
            time.sleep(0.01)
        with pytest.raises(Busy, match="first"):
            fill(memory_world.store, "docs", encoders=ENCODERS)
    finally:
        resume(memory_world.store, "docs")
        thread.join(5)
    assert journalled(memory_world).phase is Phase.FILLED


@pytest.mark.parametrize("phase", [Phase.SHADOWING, Phase.FILLED, Phase.PROVEN])
def test_abort_leaves_the_source_live_and_nothing_else(memory_world: MemoryWorld, phase: Phase) -> None:
    to(adopted(memory_world), phase)
    target = journalled(memory_world).target
    assert abort(memory_world.store, "docs").migration.phase is Phase.ABORTED
    assert not memory_world.store.there(target)
    assert not memory_world.store.captures("docs")
    assert memory_world.store.alias("docs").shadow is None


def test_what_is_live_cannot_be_aborted(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.LIVE)
    with pytest.raises(IllegalMove, match="rollback, retire"):
        abort(memory_world.store, "docs")


def test_the_next_migration_goes_back_to_the_plain_width(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.LIVE)
    retire(memory_world.store, "docs", drop=True)
    third = HashEncoder("third", dimension=WIDTH, seed=3)
    found = plan(memory_world.store, "docs", to="third", encoders={"third": third}.__getitem__)
    assert (found.target.width, found.fenced) == (WIDTH, True)


def test_a_verb_without_a_migration_says_how_to_begin_one(memory_world: MemoryWorld) -> None:
    with pytest.raises(NotReady, match="transvase open docs --to ENC"):
        fill(adopted(memory_world).store, "docs", encoders=ENCODERS)
    with pytest.raises(UnknownName, match="nowhere"):
        fill(memory_world.store, "nowhere", encoders=ENCODERS)


# crashes between an effect and its record


def test_a_cutover_that_was_not_recorded_is_recorded_by_the_next_one(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.PROVEN)
    alias = memory_world.store.alias("docs")
    memory_world.store.point("docs", journalled(memory_world).target, expect=alias.generation, allow_owed=0)
    assert status(memory_world.store, "docs").phase is Phase.LIVE
    outcome = cutover(memory_world.store, "docs", encoders=ENCODERS)
    assert (outcome.migration.phase, outcome.figures) == (Phase.LIVE, {"mended": True})
    assert memory_world.store.alias("docs").generation == alias.generation + 1


def test_a_rollback_that_was_not_recorded_is_recorded_before_another_move(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.LIVE)
    alias = memory_world.store.alias("docs")
    memory_world.store.point("docs", journalled(memory_world).source, expect=alias.generation, allow_owed=0)
    assert status(memory_world.store, "docs").phase is Phase.FILLED
    assert migrate(memory_world.store, "docs", encoders=ENCODERS).migration.phase is Phase.PROVEN


def test_an_unrecorded_cutover_is_not_aborted(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.PROVEN)
    generation = memory_world.store.alias("docs").generation
    memory_world.store.point("docs", journalled(memory_world).target, expect=generation, allow_owed=0)
    with pytest.raises(IllegalMove):
        abort(memory_world.store, "docs")
    assert memory_world.store.there(journalled(memory_world).target)


def test_a_retirement_that_was_not_recorded_is_recorded_by_the_next_one(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.LIVE)
    memory_world.store.retire("docs", journalled(memory_world).source, drop=False)
    assert retire(memory_world.store, "docs").migration.phase is Phase.RETIRED


def test_a_fill_that_was_not_recorded_encodes_nothing_again(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.SHADOWING)
    encoder = HashEncoder("new", dimension=WIDTH, seed=2)
    encoders = {**NAMED, "new": encoder}.__getitem__
    fill(memory_world.store, "docs", encoders=encoders)
    before = journalled(memory_world)
    memory_world.store.journal.save(
        Migration(
            alias="docs",
            attempt=1,
            source=before.source,
            target=before.target,
            phase=Phase.SHADOWING,
            version=before.version + 1,
        ),
        expect=before.version,
    )
    encoded = encoder.encoded
    assert fill(memory_world.store, "docs", encoders=encoders).migration.phase is Phase.FILLED
    assert encoder.encoded == encoded + 32


# the cutover's conditions


def test_a_cutover_needs_a_proof(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.FILLED)
    with pytest.raises(IllegalMove, match="prove"):
        cutover(memory_world.store, "docs", encoders=ENCODERS)


def test_a_lapsed_verdict_stops_the_cutover_and_is_let_go(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.PROVEN)
    _touch(memory_world)
    with pytest.raises(NotReady, match="lapsed"):
        cutover(memory_world.store, "docs", encoders=ENCODERS)
    assert (journalled(memory_world).phase, journalled(memory_world).verdict) == (Phase.FILLED, None)
    assert memory_world.store.alias("docs").live.name == journalled(memory_world).source


def test_migrate_proves_again_what_has_lapsed(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.PROVEN)
    _touch(memory_world)
    assert to(memory_world, Phase.LIVE).migration.phase is Phase.LIVE
    assert len(noted(memory_world, str(Move.PROVE))) == 2


def test_rows_lost_since_the_proof_stop_the_cutover(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.PROVEN)
    memory_world.store._state("docs").indexes[journalled(memory_world).target].shelf.remove((5,))
    with pytest.raises(NotReady, match=r"1 missing.*\(5\)"):
        cutover(memory_world.store, "docs", encoders=ENCODERS)
    assert journalled(memory_world).phase is Phase.PROVEN


def test_writers_that_never_pause_are_named_with_their_number_and_can_be_allowed(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.PROVEN)
    outbox = memory_world.store.outbox("docs")
    store, calls = memory_world.store, iter(range(10**9))

    class Busily(HashEncoder):
        """Every text that is encoded finds the application writing another one."""

        def encode(self, texts: Sequence[str], role: Role) -> Vectors:
            memory_world.put("docs", [{"id": 11, "body": f"written again {next(calls)}"}])
            return super().encode(texts, role)

    encoders = {"old": OLD, "new": Busily("new", dimension=WIDTH, seed=2)}.__getitem__
    memory_world.put("docs", [{"id": 11, "body": "written"}])
    with pytest.raises(NotReady, match=r"1 rows are owed after.*--allow-owed 1"):
        cutover(store, "docs", encoders=encoders, deadline_s=0.3)
    assert outbox.owed() == 1
    assert (journalled(memory_world).phase, store.alias("docs").live.name) == (Phase.PROVEN, journalled(memory_world).source)
    assert cutover(store, "docs", encoders=encoders, allow_owed=1, deadline_s=5).figures["owed"] == 1
    assert noted(memory_world, "cutover")[-1]["allowed"] == 1


def test_a_writer_who_never_pauses_waits_while_the_last_rows_are_paid_and_the_switch_is_made(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.PROVEN)
    store, ended, calls = memory_world.store, threading.Event(), iter(range(10**9))

    def write() -> None:
        while not ended.is_set():
            memory_world.put("docs", [{"id": 11, "body": f"written again {next(calls)}"}])

    class Slow(HashEncoder):
        """While it encodes, whoever may write has done so."""

        def encode(self, texts: Sequence[str], role: Role) -> Vectors:
            time.sleep(0.05)
            return super().encode(texts, role)

    writer = threading.Thread(target=write)
    writer.start()
    try:
        slow = {"old": OLD, "new": Slow("new", dimension=WIDTH, seed=2)}.__getitem__
        assert cutover(store, "docs", encoders=slow, deadline_s=1.5).figures["owed"] == 0
        before = next(calls)
        time.sleep(0.1)
        assert next(calls) > before + 1, "the writer goes on"
    finally:
        ended.set()
        writer.join()


def test_retire_says_how_often_the_old_side_was_read_since_the_cutover(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.LIVE)
    old = memory_world.store.index("docs", journalled(memory_world).source)
    for _ in range(3):
        old.search(OLD.encode(["body 1"], Role.QUERY), 1)
    assert retire(memory_world.store, "docs", quiet_s=0.0).figures["old_side_reads"] == 3


def test_an_old_side_that_nobody_ever_read_is_quiet(memory_world: MemoryWorld) -> None:
    """The proof searches the source to time it, and so does everybody: what was never searched has no last time."""
    to(adopted(memory_world), Phase.LIVE)
    store, source = memory_world.store, journalled(memory_world).source
    store._state("docs").indexes[source].scanned_at = None
    done = retire(store, "docs", quiet_s=900.0)
    assert (done.migration.phase, done.figures["old_side_quiet_s"]) == (Phase.RETIRED, None)


def test_an_old_side_that_was_read_lately_is_not_retired_as_quiet(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.LIVE)
    store, source = memory_world.store, journalled(memory_world).source
    for quiet_s in (900.0, 1e9):
        with pytest.raises(NotReady, match="of quiet are asked for"):
            retire(store, "docs", quiet_s=quiet_s)
    assert (journalled(memory_world).phase, store.there(source)) == (Phase.LIVE, True)
    store._state("docs").indexes[source].scanned_at = time.monotonic() - 901
    figures = retire(store, "docs", quiet_s=900.0).figures
    assert 901 <= figures["old_side_quiet_s"] < 960


def test_an_old_side_that_was_read_since_the_cutover_is_not_retired_unless_told(
    memory_world: MemoryWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    to(adopted(memory_world), Phase.LIVE)
    store, source = memory_world.store, journalled(memory_world).source
    state = store._state("docs").indexes[source]
    monkeypatch.setattr("transvase.migrations.retire._switched_s", lambda *_: 1_000.0)
    for age_s in (0.0, 59.0):
        state.scanned_at = time.monotonic() - age_s
        with pytest.raises(NotReady, match=rf"was read {age_s:.0f} s ago, and 60 s of quiet are asked for \(`--quiet 0`"):
            retire(store, "docs")
    assert (journalled(memory_world).phase, store.there(source)) == (Phase.LIVE, True)
    state.scanned_at = time.monotonic() - 61
    assert retire(store, "docs").migration.phase is Phase.RETIRED


def test_what_was_read_before_the_cutover_or_while_it_was_followed_holds_no_end_up(memory_world: MemoryWorld) -> None:
    """The proof is a read of the old side, and a moment ago."""
    to(adopted(memory_world), Phase.LIVE)
    store, source = memory_world.store, journalled(memory_world).source
    assert store.index("docs", source).reads().last_s < 30
    store.index("docs", source).search(OLD.encode(["body 1"], Role.QUERY), 1)
    assert retire(store, "docs").migration.phase is Phase.RETIRED


@pytest.mark.parametrize("quiet_s", [-1.0, float("inf"), float("nan")])
def test_a_silence_that_is_no_number_of_seconds_is_refused(memory_world: MemoryWorld, quiet_s: float) -> None:
    to(adopted(memory_world), Phase.LIVE)
    with pytest.raises(BadValue, match="quiet"):
        retire(memory_world.store, "docs", quiet_s=quiet_s)


def test_a_negative_allowance_is_no_number_of_rows(memory_world: MemoryWorld) -> None:
    adopted(memory_world)
    for verb in (cutover, rollback):
        with pytest.raises(BadValue):
            verb(memory_world.store, "docs", encoders=ENCODERS, allow_owed=-1)


# the worker


def test_the_worker_pays_both_sides(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.FILLED)
    memory_world.put("docs", [{"id": 1, "body": "edited"}])
    memory_world.delete("docs", [(2,)])
    assert pay_once(memory_world.store, "docs", ENCODERS) == 2
    for name, encoder in ((journalled(memory_world).source, OLD), (journalled(memory_world).target, NEW)):
        keys, vectors = memory_world.store.index("docs", name).vectors([(1,), (2,)])
        assert keys == [(1,)]
        assert vectors is not None
        np.testing.assert_array_equal(vectors.matrix[0, :WIDTH], encoder.encode(["edited"], Role.DOCUMENT).matrix[0])


def test_a_poisoned_text_stays_owed_and_stops_nobody_else(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.PROVEN)
    picky, told = Picky("new", seed=2), []
    worker = Worker(memory_world.store, "docs", {"old": OLD, "new": picky}.__getitem__, report=told.append)
    memory_world.put("docs", [{"id": i, "body": "poison" if i == 50 else f"edited {i}"} for i in range(60)])
    assert worker.drain(deadline_s=5) == 1
    assert worker.poisoned == ((50,),)
    assert len(told) == 1
    assert "row (50)" in told[0]
    calls = picky.calls
    assert worker.pay_once() == 0
    assert picky.calls == calls
    with pytest.raises(NotReady, match=r"\(50\) cannot be encoded"):
        cutover(memory_world.store, "docs", encoders={"old": OLD, "new": picky}.__getitem__)
    memory_world.put("docs", [{"id": 50, "body": "mended"}])
    assert worker.drain(deadline_s=5) == 0
    assert worker.poisoned == ()


def test_more_poisoned_texts_than_a_batch_do_not_block_the_others(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.FILLED)
    worker = Worker(memory_world.store, "docs", {"old": OLD, "new": Picky("new", seed=2)}.__getitem__)
    memory_world.put("docs", [{"id": i, "body": "poison"} for i in range(10)])
    memory_world.put("docs", [{"id": 200, "body": "edited"}])
    while worker.pay_once(limit=4) or len(worker.poisoned) < 10:
        pass
    assert memory_world.store.outbox("docs").owed() == 10
    assert (200,) not in {debt.key for debt in memory_world.store.outbox("docs").read(limit=100)}


def test_a_broken_model_is_not_taken_for_poisoned_texts(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.FILLED)
    picky = Picky("new", seed=2)
    picky.broken = True
    worker = Worker(memory_world.store, "docs", {"old": OLD, "new": picky}.__getitem__)
    memory_world.put("docs", [{"id": i, "body": f"edited {i}"} for i in range(50)])
    with pytest.raises(EncoderFailed):
        worker.pay_once()
    assert worker.poisoned == ()
    assert picky.calls == 2


def test_a_serving_worker_outlives_a_failing_world_and_says_so(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.FILLED)
    picky, told = Picky("new", seed=2), []
    picky.broken = True
    worker = Worker(memory_world.store, "docs", {"old": OLD, "new": picky}.__getitem__, report=told.append)
    memory_world.put("docs", [{"id": 1, "body": "edited"}])
    with beside(worker):
        deadline = time.monotonic() + 5
        while not told and time.monotonic() < deadline:
            time.sleep(0.01)
        picky.broken = False
        while memory_world.store.outbox("docs").owed() and time.monotonic() < deadline:
            time.sleep(0.01)
    assert "could not pay" in told[0]
    assert worker.paid == 1
    assert memory_world.store.outbox("docs").quiet_s() is not None


def test_a_model_that_changed_since_is_refused(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.FILLED)
    memory_world.put("docs", [{"id": 1, "body": "edited"}])
    retrained = HashEncoder("new", dimension=WIDTH, seed=99)
    with pytest.raises(SpaceMismatch, match="changed since"):
        pay_once(memory_world.store, "docs", {"old": OLD, "new": retrained}.__getitem__)
    assert memory_world.store.outbox("docs").owed() == 1


# status, pause, encoders


def test_status_has_the_shape_that_programs_rely_on(memory_world: MemoryWorld) -> None:
    adopted(memory_world)
    before = status(memory_world.store, "docs").as_json()
    assert (before["phase"], before["source"], before["rows"]) == (None, None, {"total": 60, "done": 0})
    to(memory_world, Phase.FILLED)
    said = status(memory_world.store, "docs").as_json()
    assert said["phase"] == "filled"
    assert said["source"] == said["live"] == {"index": "docs.embedding", "space": OLD.space.id}
    assert said["target"] == {"index": journalled(memory_world).target, "space": NEW.space.id}
    assert (said["rows"], said["owed"], said["throttled_by"]) == ({"total": 60, "done": 60}, 0, None)
    assert said.keys() >= {"alias", "rate", "eta_s"}


def test_status_shows_what_throttles_a_fill_and_how_fast_it_was(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world, 300), Phase.SHADOWING)
    pause(memory_world.store, "docs")
    assert "paused" in (status(memory_world.store, "docs").throttled_by or "")
    resume(memory_world.store, "docs")
    picky = Picky("new", seed=2, refuses="body 299")
    with pytest.raises(EncoderFailed):
        fill(memory_world.store, "docs", encoders={"old": OLD, "new": picky}.__getitem__)
    said = status(memory_world.store, "docs")
    assert (said.done, said.throttled_by) == (256, None)
    assert said.rate is not None
    assert said.rate > 0
    assert said.eta_s is not None


def test_status_warns_when_rows_are_owed_and_no_worker_is_seen(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.FILLED)
    memory_world.put("docs", [{"id": 1, "body": "edited"}])
    memory_world.store._state("docs").seen_at = None
    assert "transvase sync docs" in status(memory_world.store, "docs").warnings[0]
    memory_world.store.outbox("docs").beat()
    assert status(memory_world.store, "docs").warnings == ()


def test_pause_says_when_there_is_nothing_to_pause(memory_world: MemoryWorld) -> None:
    with pytest.raises(NotReady, match="no migration yet"):
        pause(adopted(memory_world).store, "docs")
    to(memory_world, Phase.SHADOWING)
    abort(memory_world.store, "docs")
    with pytest.raises(NotReady, match="has ended"):
        pause(memory_world.store, "docs")


def test_a_move_that_is_refused_leaves_everything_as_it_was(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.PROVEN)
    before = journalled(memory_world)
    with pytest.raises(IllegalMove):
        stand(memory_world.store, "docs", Move.RETIRE)
    assert journalled(memory_world) == before


def test_each_model_is_loaded_once_whoever_asks() -> None:
    loaded: list[str] = []

    def load(enc: str) -> Encoder:
        loaded.append(enc)
        return NAMED[enc]

    encoders = shared(load)
    assert encoders("old") is encoders("old")
    assert loaded == ["old"]


def test_a_worker_gets_its_turn_while_a_fill_keeps_the_model_busy() -> None:
    order: list[str] = []

    class Slow(HashEncoder):
        def encode(self, texts: Sequence[str], role: Role) -> Vectors:
            time.sleep(0.02)
            order.append(texts[0])
            return super().encode(texts, role)

    model = Shared(Slow("slow", dimension=WIDTH))
    busy = threading.Thread(target=lambda: model.encode(["fill"] * TURN * 10, Role.DOCUMENT))
    busy.start()
    time.sleep(0.05)
    assert len(model.encode(["fresh"], Role.DOCUMENT)) == 1
    busy.join()
    assert order.index("fresh") <= 5
    assert len(order) == 11


def test_bad_texts_are_found_by_halving() -> None:
    picky = Picky("picky", seed=1)
    texts = [f"text {i}" for i in range(40)]
    texts[13] = texts[31] = "poison"
    found = encode_each(picky, texts, Role.DOCUMENT)
    assert found.failed.keys() == {13, 31}
    assert sorted(found.kept) == [i for i in range(40) if i not in {13, 31}]
    for row, i in enumerate(found.kept):
        np.testing.assert_array_equal(found.vectors.matrix[row], picky.encode([texts[i]], Role.DOCUMENT).matrix[0])


def test_prove_can_be_made_anew(memory_world: MemoryWorld) -> None:
    to(adopted(memory_world), Phase.PROVEN)
    assert prove(memory_world.store, "docs", encoders=ENCODERS).passed
    assert journalled(memory_world).phase is Phase.PROVEN
    assert len(noted(memory_world, "lapse")) == 1


def _touch(world: MemoryWorld) -> None:
    """As if the target had been made anew behind our back."""
    world.store._state("docs").indexes[journalled(world).target].serial += 1_000
