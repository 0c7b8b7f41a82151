"""Vectors computed from stored ones: forward, back, forward, with writers meanwhile; what is not current is encoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import psycopg
import pytest
import scenery
from costless import HashEncoder
from driving import KINDS, Street, driving, until
from journey import COMPOSITE, ODD, Journey
from linear import Linear
from scenery import Ground
from transvase.core.connect import connect
from transvase.core.errors import NotReady, SpaceMismatch
from transvase.core.migration import Phase
from transvase.core.ports import Encoder
from transvase.core.space import Role, Vectors
from transvase.migrations import derive as deriving
from transvase.migrations.adopt import adopt
from transvase.migrations.cutover import cutover
from transvase.migrations.fill import fill
from transvase.migrations.migrate import migrate
from transvase.migrations.open import open_target
from transvase.migrations.plan import plan
from transvase.migrations.prove import prove
from transvase.migrations.retire import retire
from transvase.migrations.rollback import rollback
from transvase.migrations.status import status
from transvase.migrations.sync import Worker, beside

pytestmark = pytest.mark.story
ROWS = 120
GROUNDS = {
    "int": Ground(),
    "composite": COMPOSITE,
    "halfvec": Ground(form="halfvec"),
    "partitioned": Ground(parts=3),
    "odd names": ODD,
}


class Stream(Journey):
    """Laid and adopted, with a list of the encoders that were loaded."""

    def __init__(self, url: str, ground: Ground) -> None:
        super().__init__(url, ground)
        self.alias = ground.alias
        self.begin(ROWS)
        self.loaded: list[str] = []

    def encoders(self, enc: str) -> Encoder:
        self.loaded.append(enc)
        return scenery.encoder(enc)

    def open(self, name: str) -> None:
        open_target(self.store, self.alias, to=self.enc(name), encoders=scenery.encoder)

    def derive(self) -> dict[str, object]:
        found = fill(self.store, self.alias, encoders=self.encoders, derivations=scenery.derivations)
        assert found.migration.phase is Phase.FILLED
        return dict(found.figures)

    def forward(self, name: str) -> None:
        migrate(self.store, self.alias, encoders=scenery.encoder, until=Phase.LIVE)
        seen = scenery.shown(self.sql, self.ground)
        assert {space for space, _ in seen.values()} == {scenery.encoder(self.enc(name)).space.id}
        assert seen.keys() == scenery.texts(self.sql, self.ground).keys()


@pytest.fixture(params=GROUNDS.values(), ids=GROUNDS.keys())
def stream(request: pytest.FixtureRequest, database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stream]:
    monkeypatch.setattr(deriving, "BATCH", 50)
    made = Stream(database, request.param)
    yield made
    made.close()


@pytest.fixture
def plain(database: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stream]:
    monkeypatch.setattr(deriving, "BATCH", 50)
    made = Stream(database, Ground())
    yield made
    made.close()


def test_forward_back_forward_and_on_by_a_cut(stream: Stream) -> None:
    """From the column to an adapter, back and forth; then the side table is cut to half its dimensions, which ends the fence."""
    stream.open("turned old")
    stream.write()
    figures = stream.derive()
    assert figures["rows"] == ROWS + 2
    assert figures["left_owed"] == 4, "three new rows and an edit were owed: they were encoded, not derived"
    stream.settled()
    stream.forward("turned old")
    stream.write(by="old")
    rollback(stream.store, stream.alias, encoders=scenery.encoder)
    stream.write()
    stream.settled()
    stream.forward("turned old")
    retire(stream.store, stream.alias)
    stream.write()
    stream.settled()

    stream.open("half turned old")
    stream.write()
    stream.derive()
    stream.settled()
    stream.forward("half turned old")
    rollback(stream.store, stream.alias, encoders=scenery.encoder)
    stream.forward("half turned old")
    retire(stream.store, stream.alias)
    side = scenery.side_rows(stream.sql, stream.ground, scenery.sides(stream.sql, stream.alias)[0])
    assert {vector.shape for _, vector in side.values()} == {(stream.ground.dimension // 2,)}
    stream.write()
    stream.settled()


def test_no_encoder_is_loaded_and_no_text_encoded_where_nothing_is_owed(plain: Stream) -> None:
    plain.open("turned old")
    figures = plain.derive()
    assert plain.loaded == []
    assert (figures["rows"], figures["rows_this_run"], figures["owed"]) == (ROWS, ROWS, 0)
    assert "left_owed" not in figures
    assert status(plain.store, "docs").phase is Phase.FILLED
    plain.settled()


def test_the_fence_of_the_source_is_left_behind_and_the_target_gets_its_own(plain: Stream) -> None:
    """16 dimensions beside 16 become 17; the next target goes back to 16, derived from vectors that are stored 17 wide."""
    for name, width in (("turned old", 17), ("turned turned old", 16)):
        plain.open(name)
        plain.derive()
        plain.forward(name)
        retire(plain.store, "docs")
        live = plain.store.alias("docs").live
        assert live.width == width
        plain.settled()


def test_a_row_whose_vector_is_missing_zero_or_not_finite_is_encoded(plain: Stream) -> None:
    plain.sql.execute("UPDATE docs SET embedding = NULL WHERE id = 3")
    plain.sql.execute("UPDATE docs SET embedding = %s WHERE id = 5", (scenery.literal([0.0] * 16),))
    plain.open("turned old")
    figures = plain.derive()
    assert (figures["left_owed"], figures["owed"]) == (2, 0)
    assert plain.loaded == ["turned old/16"], "the live column is not touched: only the target is owed them"
    held = scenery.side_rows(plain.sql, plain.ground, str(plain.store.alias("docs").shadow.name))  # type: ignore[union-attr]
    assert held.keys() == scenery.texts(plain.sql, plain.ground).keys()
    plain.forward("turned old")


def test_writers_meanwhile_get_nothing_stale(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Applications do everything to the table, without making vectors, from ``open`` until the old side is retired."""
    monkeypatch.setattr(deriving, "BATCH", 20)
    street = Street(database, Ground())
    worker = Worker(street.store, "docs", scenery.encoder)
    open_target(street.store, "docs", to="turned old/16", encoders=scenery.encoder)
    with beside(worker), driving(street, writers=2) as traffic:
        fill(street.store, "docs", encoders=scenery.encoder, derivations=scenery.derivations)
        for verb in ("prove", "cutover", "rollback", "prove", "cutover", "retire"):
            street.reach(verb)
        until(lambda: all(one.failures or len(one.done) == KINDS for one in traffic))
    street.settled()
    street.close()


def test_a_wrong_matrix_is_found_by_the_proof_and_never_goes_live(plain: Stream) -> None:
    plain.open("turned old")
    made = scenery.encoder("turned old/16")
    assert isinstance(made, Linear)
    fill(plain.store, "docs", encoders=scenery.encoder, derivations=lambda _enc, _source: made.wrong())
    verdict = prove(plain.store, "docs", encoders=scenery.encoder)
    assert "recompute" in [finding.check for finding in verdict.failures]
    with pytest.raises(Exception, match="cutover is not possible"):
        cutover(plain.store, "docs", encoders=scenery.encoder)


def test_a_run_of_either_kind_goes_on_where_the_other_stopped(plain: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped after two batches of deriving, the rest is encoded; all of it is right."""

    class Stopped(Exception):
        pass

    def stop(_what: str, done: int, _total: int) -> None:
        if done >= 100:
            raise Stopped

    plain.open("turned old")
    with pytest.raises(Stopped):
        fill(plain.store, "docs", encoders=scenery.encoder, derivations=scenery.derivations, progress=stop)
    assert status(plain.store, "docs").done == 100
    figures = fill(plain.store, "docs", encoders=plain.encoders).figures
    assert (figures["rows"], figures["rows_this_run"]) == (ROWS, ROWS - 100)
    plain.settled()


def test_what_does_not_follow_from_the_stored_vectors_is_refused_before_anything_is_opened(plain: Stream) -> None:
    tables = plain.sql.execute("SELECT count(*) FROM pg_class").fetchone()
    with pytest.raises(NotReady, match="neither a linear adapter nor a cut of old/16"):
        migrate(plain.store, "docs", encoders=scenery.encoder, to="turned new/16", derivations=scenery.derivations)
    assert plain.store.alias("docs").shadow is None
    assert plain.sql.execute("SELECT count(*) FROM pg_class").fetchone() == tables


def test_a_matrix_that_has_changed_since_the_target_was_opened_is_refused(plain: Stream) -> None:
    plain.open("turned old")
    other = replace(scenery.encoder("turned old/16").derivation, target=HashEncoder("else", dimension=16, seed=9).space)  # type: ignore[union-attr,attr-defined]
    with pytest.raises(SpaceMismatch, match="has changed since"):
        fill(plain.store, "docs", encoders=scenery.encoder, derivations=lambda _enc, _source: other)
    assert status(plain.store, "docs").done == 0


def test_the_plan_says_that_it_can_be_derived_and_how_fast(plain: Stream) -> None:
    found = plan(plain.store, "docs", to="turned old/16", encoders=scenery.encoder, derivations=scenery.derivations).as_json()
    assert found["kind"] == "derived"
    derive = found["derive"]
    assert isinstance(derive, dict)
    assert (derive["sound"], derive["sampled"], derive["agreeing"]) == (True, 64, 64)
    assert derive["lowest_cosine"] > 0.9999
    assert derive["rows_per_s"] > 0
    whole = plan(plain.store, "docs", to="new/16", encoders=scenery.encoder, derivations=scenery.derivations).as_json()
    assert (whole["kind"], whole["derive"]) == ("full", None)


class Cone(HashEncoder):
    """Vectors that differ little beside what they have in common, as those of many small models do, and far more so."""

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        matrix = super().encode(texts, role).matrix * np.float32(1e-4) + np.float32(0.25)
        return Vectors(self.space, matrix / np.linalg.norm(matrix, axis=1, keepdims=True))


def test_half_precision_is_refused_where_the_matrix_does_not_bear_it(database: str) -> None:
    """A matrix that takes away what all vectors have in common leaves hardly more than the rounding of halfvec."""
    ground = Ground(form="halfvec")
    common = np.full((16, 1), 0.25, dtype=np.float32)
    cone = Cone("cone", dimension=16, seed=5)
    harsh = Linear("harsh", cone, np.eye(16, dtype=np.float32) - common @ common.T)
    named: dict[str, Encoder] = {"cone": cone, "harsh": harsh}
    with psycopg.connect(database, autocommit=True) as application:
        scenery.lay(application, ground, rows=ROWS)
        for number, row in enumerate(cone.encode([scenery.text_of(i) for i in range(ROWS)], Role.DOCUMENT).matrix):
            application.execute("UPDATE docs SET embedding = %s WHERE id = %s", (scenery.literal(row), number))
    store = connect(database)
    adopt(store, "docs", source=ground.source, encoder="cone", encoders=named.__getitem__)
    open_target(store, "docs", to="harsh", encoders=named.__getitem__)
    with pytest.raises(NotReady, match="halfvec, and what is derived from them agrees with harsh to a cosine"):
        fill(store, "docs", encoders=named.__getitem__, derivations=lambda _enc, _source: harsh.derivation)
    assert status(store, "docs").done == 0
    assert fill(store, "docs", encoders=named.__getitem__).figures["rows"] == ROWS
    store.close()
