"""Forward, back, forward and on to a third space, on every kind of table; after each step both sides are read by plain SQL."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import psycopg
import pytest
import scenery
from journey import COMPOSITE, ODD, Journey
from psycopg import sql
from scenery import Ground
from transvase.core.errors import IllegalMove
from transvase.core.migration import Phase
from transvase.migrations import prove
from transvase.migrations.abort import abort
from transvase.migrations.cutover import cutover
from transvase.migrations.fill import fill
from transvase.migrations.open import open_target
from transvase.migrations.retire import retire
from transvase.migrations.rollback import rollback

ROWS = 120

GROUNDS = {
    "int": Ground(dimension=384),
    "uuid": Ground(key=(("id", "uuid"),)),
    "text": Ground(key=(("slug", "text"),)),
    "composite": COMPOSITE,
    "halfvec": Ground(form="halfvec"),
    "partitioned": Ground(parts=3),
    "odd names": ODD,
}


class Walk(Journey):
    """A whole migration, forward, back and forward."""

    def write(self, *, by: str | None = None) -> None:
        """Also a row that comes and goes, and one that gets another key."""
        super().write(by=by)
        base, n, ground = 1_000 * self.written, 10 * self.written, self.ground
        scenery.put(self.sql, ground, {ground.key_of(base + 3): scenery.text_of(base + 3)}, by=by)
        scenery.take(self.sql, ground, [ground.key_of(base)])
        scenery.rekey(self.sql, ground, ground.key_of(n + 3), ground.key_of(base + 500))

    def shows(self, name: str) -> None:
        """The view gives every row that has a text, with vectors of this encoder's Space alone."""
        made = scenery.encoder(self.ground.enc(name))
        seen = scenery.shown(self.sql, self.ground)
        assert seen.keys() == scenery.texts(self.sql, self.ground).keys()
        assert {space for space, _ in seen.values()} == {made.space.id}
        side = scenery.held_by(self.sql, self.ground, self.live())
        assert all((side[key][1] == vector).all() for key, (_, vector) in seen.items())

    def live(self) -> str:
        return scenery.sides(self.sql, self.ground.alias)[0]

    def forward(self, name: str) -> None:
        """Prove and cut over; the view then shows the new side."""
        alias, store = self.ground.alias, self.store
        verdict = prove.prove(store, alias, encoders=scenery.encoder)
        assert verdict.passed, prove.sentence(verdict)
        assert cutover(store, alias, encoders=scenery.encoder).migration.phase is Phase.LIVE
        self.shows(name)

    def pour(self, name: str) -> int:
        """Open and fill, with writes in between; returns the width of the new side."""
        alias, store = self.ground.alias, self.store
        opened = open_target(store, alias, to=self.ground.enc(name), encoders=scenery.encoder)
        self.write()
        assert fill(store, alias, encoders=scenery.encoder).migration.phase is Phase.FILLED
        width = opened.figures["width"]
        assert isinstance(width, int)
        return width


@pytest.fixture(params=GROUNDS.values(), ids=GROUNDS.keys())
def walk(request: pytest.FixtureRequest, database: str) -> Iterator[Walk]:
    made = Walk(database, request.param)
    scenery.lay(made.sql, made.ground, rows=ROWS)
    scenery.adopted(made.store, made.ground)
    yield made
    made.close()


@pytest.mark.story
def test_an_index_is_poured_forward_back_forward_and_on(walk: Walk) -> None:
    """No write is lost and no vector is of another text or Space, on either kept side, whatever the key and the names."""
    ground, alias, store = walk.ground, walk.ground.alias, walk.store
    column = walk.live()
    walk.shows("old")
    assert walk.pour("new") == ground.dimension + 1
    walk.settled()
    walk.shows("old")
    walk.forward("new")

    walk.write(by="old")  # an application with the old model goes on writing into its column
    walk.settled()
    walk.shows("new")
    assert rollback(store, alias, encoders=scenery.encoder).migration.phase is Phase.FILLED
    walk.shows("old")
    walk.write()
    walk.settled()
    walk.forward("new")
    assert "renamed" in str(retire(store, alias).figures["done"])
    walk.write()
    walk.settled()
    walk.shows("new")
    assert walk.live() != column
    with pytest.raises(psycopg.errors.UndefinedColumn):
        scenery.column_rows(walk.sql, ground)

    first = walk.live()
    assert walk.pour("newer") == ground.dimension, "the fence is for the space beside it, not for ever"
    walk.settled()
    walk.forward("newer")
    walk.write()
    rollback(store, alias, encoders=scenery.encoder)
    walk.settled()
    walk.shows("new")
    walk.forward("newer")
    assert first in str(retire(store, alias).figures["done"])
    walk.write()
    walk.settled()
    walk.shows("newer")
    assert scenery.sides(walk.sql, alias) == (walk.live(), None)
    with pytest.raises(psycopg.errors.UndefinedTable):
        scenery.side_rows(walk.sql, ground, first)
    with pytest.raises(IllegalMove):
        rollback(store, alias, encoders=scenery.encoder)


@pytest.mark.story
def test_the_fence_refuses_a_stranger_of_the_old_space_after_the_cutover(database: str) -> None:
    """An old pod's query through the view, and its insert into the new side, meet the database's own error."""
    walk = Walk(database, replace(GROUNDS["int"], dimension=16))
    scenery.lay(walk.sql, walk.ground, rows=ROWS)
    scenery.adopted(walk.store, walk.ground)
    walk.pour("new")
    walk.forward("new")
    old = scenery.literal(next(iter(scenery.column_rows(walk.sql, walk.ground).values()))[1])
    query = sql.SQL("SELECT id FROM {} ORDER BY embedding <=> %s::vector LIMIT 3").format(walk.ground.view)
    with pytest.raises(psycopg.errors.DataException, match="different vector dimensions"):
        walk.sql.execute(query, (old,))
    insert = sql.SQL("INSERT INTO {} VALUES (77777, %s::vector, '')").format(sql.Identifier("transvase_control", walk.live()))
    with pytest.raises(psycopg.errors.DataException, match="expected 17 dimensions"):
        walk.sql.execute(insert, (old,))
    walk.settled()
    walk.close()


@pytest.mark.story
def test_an_abort_leaves_the_database_as_it_was_adopted(database: str) -> None:
    """Given up from every phase before the cutover, nothing of the target remains, and the table has no trigger of ours."""
    walk = Walk(database, Ground())
    scenery.lay(walk.sql, walk.ground, rows=ROWS)
    scenery.adopted(walk.store, walk.ground)
    relations = "SELECT relname FROM pg_class WHERE relnamespace = 'transvase_control'::regnamespace ORDER BY 1"
    before = walk.sql.execute(relations).fetchall()
    steps = (
        lambda: open_target(walk.store, "docs", to="new/16", encoders=scenery.encoder),
        lambda: fill(walk.store, "docs", encoders=scenery.encoder),
        lambda: prove.prove(walk.store, "docs", encoders=scenery.encoder),
    )
    for reached in range(1, len(steps) + 1):
        for step in steps[:reached]:
            step()
        walk.write(by="old")
        assert abort(walk.store, "docs").migration.phase is Phase.ABORTED
        assert walk.sql.execute(relations).fetchall() == before
        assert walk.sql.execute("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'transvase%'").fetchone() == (0,)
        assert walk.sql.execute("SELECT count(*) FROM pg_proc WHERE proname LIKE 'capture_%'").fetchone() == (0,)
        walk.shows("old")
    walk.close()
