"""A store to which no write is told: what changed is found by comparing, before anything is believed or switched."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from linear import adapter
from transvase.adapters.memory import MemoryStore
from transvase.core.errors import NotReady
from transvase.core.migration import Phase
from transvase.core.ports import Encoder, Source
from transvase.core.space import Role, Side
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
from worlds import NEW, OLD, WIDTH, MemoryWorld, rows_of

WHY = "other programs write past us and nobody tells"
SOURCE = Source(table="docs", key=("id",), text="body", vector="embedding")
ENCODERS: Callable[[str], Encoder] = {"old": OLD, "new": NEW}.__getitem__
COUNT = 40


@pytest.fixture
def world() -> MemoryWorld:
    """A table of which writes are not told, adopted."""
    made = MemoryWorld(MemoryStore(blind=WHY))
    made.make("docs")
    made.put("docs", rows_of([f"body {i}" for i in range(COUNT)]))
    adopt(made.store, "docs", source=SOURCE, encoder="old", encoders=ENCODERS)
    return made


def scribble(world: MemoryWorld, tag: str) -> None:
    """An edit, an insert and a deletion that leave no debt."""
    world.put("docs", [{"id": 3, "body": f"{tag} edited"}, *rows_of({(900 + len(tag),): f"{tag} inserted"})])
    world.delete("docs", [(ord(tag[0]) % 20 + 5,)])
    assert world.store.outbox("docs").owed() == 0


def right(world: MemoryWorld, index: str) -> bool:
    """Every text has its own vector in the index, and the index has nothing else."""
    place, table = world.store.index("docs", index), world.store.table("docs")
    texts = {key: str(row["body"]) for key in table.ordered() if (row := table.row(key)) is not None}
    keys, vectors = place.vectors([*texts, *((i,) for i in range(COUNT))])
    assert vectors is not None
    wanted = NEW.encode([texts[key] for key in keys if key in texts], Role.DOCUMENT).matrix
    return set(keys) == set(texts) and np.allclose(vectors.matrix[:, :WIDTH], wanted, atol=1e-6)


def target(world: MemoryWorld) -> str:
    found = world.store.journal.load("docs")
    assert found is not None
    return found.target


def test_the_operator_is_told_what_may_escape(world: MemoryWorld) -> None:
    assert any(WHY in warning for warning in plan(world.store, "docs", to="new", encoders=ENCODERS).warnings)
    open_target(world.store, "docs", to="new", encoders=ENCODERS)
    assert WHY in status(world.store, "docs").warnings


def test_with_one_side_alone_there_is_none_that_an_unseen_write_could_leave_behind(world: MemoryWorld) -> None:
    store = world.store
    assert status(store, "docs").warnings == ()
    migrate(store, "docs", encoders=ENCODERS, to="new", until=Phase.LIVE)
    assert status(store, "docs").warnings == (WHY,), "the old side is kept beside it"
    retire(store, "docs", drop=True)
    assert status(store, "docs").warnings == ()


def test_where_two_names_share_one_side_nothing_is_said_to_be_compared(world: MemoryWorld) -> None:
    asking = adapter("asking", OLD, side=Side.QUERY)
    encoders: Callable[[str], Encoder] = {"old": OLD, "asking": asking}.__getitem__
    assert not any(WHY in warning for warning in plan(world.store, "docs", to="asking", encoders=encoders).warnings)
    migrate(world.store, "docs", encoders=encoders, to="asking", until=Phase.FILLED)
    verdict = prove(world.store, "docs", encoders=encoders)
    assert verdict.passed
    assert not any(WHY in finding.detail for finding in verdict.findings)
    assert status(world.store, "docs").warnings == ()


def test_nothing_that_was_written_unseen_is_missing_after_any_step(world: MemoryWorld) -> None:
    store = world.store
    open_target(store, "docs", to="new", encoders=ENCODERS)
    scribble(world, "after open")
    assert fill(store, "docs", encoders=ENCODERS).figures["found"] == 0, "the fill read the texts as they were"
    scribble(world, "before proof")
    verdict = prove(store, "docs", encoders=ENCODERS)
    assert verdict.passed
    said = {finding.check: finding.detail for finding in verdict.findings}["outbox"]
    assert WHY in said
    assert "found 3 rows" in said
    assert right(world, target(world))
    scribble(world, "gone before the switch")
    done = cutover(store, "docs", encoders=ENCODERS)
    assert (done.migration.phase, done.figures["found"], done.figures["owed"]) == (Phase.LIVE, 3, 0)
    assert right(world, target(world))


def test_what_changes_while_the_fill_runs_is_found_at_its_end(world: MemoryWorld) -> None:
    open_target(world.store, "docs", to="new", encoders=ENCODERS)
    wrote: list[str] = []

    def late(what: str, _: int, __: int) -> None:
        if what == "filling" and not wrote:
            wrote.append(what)
            scribble(world, "behind the reader")

    assert fill(world.store, "docs", encoders=ENCODERS, progress=late).figures["found"] == 3
    assert right(world, target(world))


def test_the_way_back_compares_too(world: MemoryWorld) -> None:
    migrate(world.store, "docs", encoders=ENCODERS, to="new", until=Phase.LIVE)
    world.put("docs", [{"id": 700, "body": "written after the switch"}])
    done = rollback(world.store, "docs", encoders=ENCODERS)
    assert (done.migration.phase, done.figures["found"], done.figures["left_owed"]) == (Phase.FILLED, 1, 0)
    keys, vectors = world.store.index("docs", "docs.embedding").vectors([(700,)])
    assert keys == [(700,)]
    assert vectors is not None
    assert np.allclose(vectors.matrix, OLD.encode(["written after the switch"], Role.DOCUMENT).matrix)


def test_a_writer_that_never_pauses_stops_the_switch_and_nothing_else_has_changed(world: MemoryWorld) -> None:
    migrate(world.store, "docs", encoders=ENCODERS, to="new")
    texts = iter(range(10_000))

    def busily(what: str, _: int, __: int) -> None:
        if what == "comparing both sides":
            world.put("docs", [{"id": 3, "body": f"written again {next(texts)}"}])

    before = world.store.alias("docs")
    with pytest.raises(NotReady, match=WHY):
        cutover(world.store, "docs", encoders=ENCODERS, progress=busily)
    assert world.store.alias("docs") == before
    assert cutover(world.store, "docs", encoders=ENCODERS).migration.phase is Phase.LIVE


def test_where_every_write_is_captured_nothing_is_compared() -> None:
    world = MemoryWorld(MemoryStore())
    world.make("docs")
    world.put("docs", rows_of([f"body {i}" for i in range(COUNT)]))
    adopt(world.store, "docs", source=SOURCE, encoder="old", encoders=ENCODERS)
    said: list[str] = []
    migrate(world.store, "docs", encoders=ENCODERS, to="new", until=Phase.LIVE, progress=lambda what, _, __: said.append(what))
    assert "counting rows" in said
    assert not {"comparing both sides", "paying what came while it moved"} & set(said)
    assert status(world.store, "docs").warnings == ()
