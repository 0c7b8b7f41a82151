"""A model too wide for an index over ``vector``: the target is halfvec, and the view is replaced at the switch."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
import scenery
from scenery import Connection, Ground
from transvase.core.connect import connect
from transvase.core.errors import LockNotGained
from transvase.core.ports import Store
from transvase.migrations.cutover import cutover
from transvase.migrations.migrate import migrate
from transvase.migrations.plan import plan
from transvase.migrations.retire import retire
from transvase.migrations.rollback import rollback

WIDE = "new/2400"
GROUND = Ground(dimension=64)


@pytest.fixture
def store(database: str) -> Iterator[Store]:
    made = connect(database)
    yield made
    made.close()


@pytest.fixture
def application(database: str) -> Iterator[Connection]:
    with psycopg.connect(database, autocommit=True) as connection:
        scenery.lay(connection, GROUND, rows=40)
        connection.execute("CREATE ROLE stranger_of_types")
        connection.execute("GRANT SELECT ON docs TO stranger_of_types")
        yield connection
        connection.execute("DROP OWNED BY stranger_of_types")
        connection.execute("DROP ROLE stranger_of_types")


def _type(connection: Connection) -> str:
    row = connection.execute("SELECT DISTINCT pg_typeof(embedding)::text, vector_dims(embedding) FROM transvase.docs").fetchall()
    return f"{row[0][0]} {row[0][1]}"


def test_the_plan_says_that_the_element_type_changes(store: Store, application: Connection) -> None:
    scenery.adopted(store, GROUND)
    found = plan(store, "docs", to=WIDE, encoders=scenery.encoder)
    assert found.target.form == "halfvec"
    assert any("element type changes to halfvec" in warning for warning in found.warnings)
    assert not found.refusals


def test_a_wide_model_goes_forward_back_and_forward_with_its_grants(store: Store, application: Connection) -> None:
    scenery.adopted(store, GROUND)
    migrate(store, "docs", to=WIDE, encoders=scenery.encoder)
    assert _type(application) == "vector 64"
    cutover(store, "docs", encoders=scenery.encoder)
    assert _type(application) == "halfvec 2400"
    scenery.put(application, GROUND, {(1,): "edited while the wide side is live", (99,): "and a new row"})
    scenery.paid(store, "docs")
    rollback(store, "docs", encoders=scenery.encoder)
    assert _type(application) == "vector 64"
    migrate(store, "docs", encoders=scenery.encoder)
    cutover(store, "docs", encoders=scenery.encoder)
    assert scenery.faults(application, GROUND) == []
    retire(store, "docs", drop=False)
    assert _type(application) == "halfvec 2400"
    granted = application.execute("SELECT has_table_privilege('stranger_of_types', 'transvase.docs', 'SELECT')").fetchone()
    assert granted == (True,)


def test_a_reader_who_holds_the_view_stops_the_switch_and_nothing_is_changed(
    store: Store, application: Connection, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only where the type changes does the switch need the view to itself; it gives up rather than let others queue."""
    monkeypatch.setattr("transvase.adapters.postgres.locks.climb.__kwdefaults__", {"deadline_s": 0.5})
    scenery.adopted(store, GROUND)
    migrate(store, "docs", to=WIDE, encoders=scenery.encoder)
    with psycopg.connect(database) as reader:
        reader.execute("SELECT count(*) FROM transvase.docs").fetchone()
        with pytest.raises(LockNotGained):
            cutover(store, "docs", encoders=scenery.encoder)
    assert _type(application) == "vector 64"
    cutover(store, "docs", encoders=scenery.encoder)
    assert _type(application) == "halfvec 2400"
