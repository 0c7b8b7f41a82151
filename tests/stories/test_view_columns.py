"""The view while the table goes on living: columns come and get other names, and a reader with no right but to read."""

from __future__ import annotations

import psycopg
import pytest
from psycopg.conninfo import make_conninfo
from transvase.adapters.postgres.store import PostgresStore
from transvase.core.migration import Phase
from transvase.core.ports import Source
from transvase.core.retriever import Retriever
from transvase.migrations.abort import abort
from transvase.migrations.adopt import adopt
from transvase.migrations.migrate import migrate
from transvase.migrations.retire import retire
from worlds import NEW, OLD, PostgresWorld, body, rows_of

ENCODERS = {OLD.name: OLD, NEW.name: NEW}.__getitem__
SOURCE = Source(table="docs", key=("id",), text="body", vector="embedding")


@pytest.fixture
def pg(database: str):
    world = PostgresWorld(database)
    world.make("docs")
    world.put("docs", rows_of([body(n) for n in range(30)]))
    adopt(world.store, "docs", source=SOURCE, encoder=OLD.name, encoders=ENCODERS)
    yield world
    world.close()


def columns(pg: PostgresWorld) -> list[str]:
    return [column.name for column in pg.application.execute("SELECT * FROM transvase.docs LIMIT 0").description or ()]


def test_a_column_that_is_added_stops_no_move_and_stands_in_the_view_after_the_next(pg: PostgresWorld):
    """At its end: a view grows only there, and whoever depends on it is left in peace."""
    pg.application.execute("CREATE VIEW mine AS SELECT id, embedding FROM transvase.docs")
    pg.application.execute("ALTER TABLE docs ADD COLUMN extra text DEFAULT 'x'")
    migrate(pg.store, "docs", encoders=ENCODERS, to=NEW.name)
    assert columns(pg) == ["id", "title", "body", "team", "embedding", "space", "extra"]
    pg.application.execute("ALTER TABLE docs ADD COLUMN more text")
    abort(pg.store, "docs")
    assert columns(pg)[-2:] == ["extra", "more"]
    assert pg.application.execute("SELECT count(*), min(extra) FROM transvase.docs").fetchone() == (30, "x")


def test_a_column_that_is_renamed_in_the_middle_stops_no_move(pg: PostgresWorld):
    migrate(pg.store, "docs", encoders=ENCODERS, to=NEW.name, until=Phase.LIVE)
    pg.application.execute("ALTER TABLE docs RENAME COLUMN team TO squad")
    retire(pg.store, "docs")
    assert columns(pg) == ["id", "title", "body", "squad", "embedding", "space"]


def test_a_role_that_may_only_read_the_table_may_search_it(pg: PostgresWorld):
    """By the view and by the Retriever, with nothing granted on anything of ours."""
    role = pg.url.rpartition("/")[2].partition("?")[0] + "_reader"
    pg.application.execute(f"CREATE ROLE {role} LOGIN")
    try:
        pg.application.execute(f"GRANT SELECT ON docs TO {role}")
        migrate(pg.store, "docs", encoders=ENCODERS, to=NEW.name, until=Phase.LIVE)
        url = make_conninfo(pg.url, user=role)
        with psycopg.connect(url) as plain:
            assert plain.execute("SELECT count(*) FROM transvase.docs").fetchone() == (30,)
        store = PostgresStore(url)
        try:
            assert Retriever(store, "docs", encoders=ENCODERS).search(body(7), k=1)[0].key == (7,)
        finally:
            store.close()
    finally:
        pg.application.execute(f"DROP OWNED BY {role}")
        pg.application.execute(f"DROP ROLE {role}")
