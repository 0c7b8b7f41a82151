"""Applications at work in every phase: nothing that they write is lost."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
import scenery
from driving import BEFORE_TRIGGER, GROUND, KINDS, PARTED, ROWS, WAIT_S, Street, Traffic, driving, until, waits_for
from psycopg import sql
from transvase.core.connect import connect
from transvase.core.errors import Unfit
from transvase.migrations import fill as filling
from transvase.migrations.abort import abort
from transvase.migrations.sync import Worker, beside


@pytest.fixture
def plain(database: str) -> Iterator[Street]:
    made = Street(database, GROUND)
    yield made
    made.close()


@pytest.fixture(params=[GROUND, PARTED], ids=["plain", "partitioned"])
def street(request: pytest.FixtureRequest, database: str) -> Iterator[Street]:
    made = Street(database, request.param)
    yield made
    made.close()


@pytest.mark.story
def test_writers_and_deleters_in_every_phase_lose_nothing(street: Street, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inserts, edits, key changes, deletions, COPY, replica writes, TRUNCATE and reload: both sides are whole at each rest."""
    monkeypatch.setattr(filling, "BATCH", 40)
    street.sql.execute(BEFORE_TRIGGER)
    street.sql.execute("ALTER TABLE docs ENABLE ALWAYS TRIGGER tidy")
    reload = Traffic(street, number=0, of=1)
    worker = Worker(street.store, "docs", scenery.encoder)
    with beside(worker), driving(street, writers=2) as traffic:
        for verb in ("open", "fill", "prove", "cutover", "rollback", "prove", "cutover"):
            street.reach(verb)
            before = [sum(one.done.values()) for one in traffic]
            if verb != "prove":  # a table that was emptied is not the one that was judged: the verdict would lapse
                reload.reload()
            until(
                lambda b=before: all(one.failures or sum(one.done.values()) >= n + 6 for one, n in zip(traffic, b, strict=True))
            )
    reload.sql.close()
    assert worker.paid
    street.settled()
    street.reach("retire")
    with driving(street, writers=2) as traffic:
        until(lambda: all(one.failures or len(one.done) == KINDS for one in traffic))
    street.settled()


@pytest.mark.story
def test_a_transaction_that_wrote_before_open_is_waited_for(plain: Street) -> None:
    """It may have written what no trigger saw: ``open`` comes after it, and the fill then sees its rows."""
    with plain.session() as early, ThreadPoolExecutor(1) as pool, early.transaction():
        scenery.put(early, GROUND, {(90001,): "written before open"}, by="old")
        run = pool.submit(plain.reach, "open")
        until(lambda: waits_for(plain.sql, early.info.backend_pid) or run.done())
        assert not run.done()
        scenery.put(early, GROUND, {(7,): "written while open waits"}, by="old")
        early.execute("COMMIT")
        run.result(WAIT_S)
    plain.reach("fill")
    plain.settled()
    assert scenery.texts(plain.sql, plain.ground)[(90001,)] == "written before open"


@pytest.mark.story
def test_a_transaction_open_across_open_and_fill_loses_no_write(plain: Street) -> None:
    """It began before the capture was there and has only read; what it writes later is captured all the same."""
    with plain.session() as long:
        long.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        assert (
            long.execute("SELECT count(*) FROM pg_class").fetchone() is not None
        )  # takes its snapshot, and no lock of the table
        plain.reach("open", "fill")
        long.execute("INSERT INTO docs (id, body) VALUES (90002, 'from an old snapshot')")
        long.execute("UPDATE docs SET body = 'edited from an old snapshot' WHERE id = 11")
        long.execute("DELETE FROM docs WHERE id = 12")
        plain.reach("prove")
        long.execute("COMMIT")
    plain.reach("cutover")
    plain.settled()
    assert (12,) not in scenery.texts(plain.sql, plain.ground)


@pytest.mark.story
def test_writes_into_a_single_partition_are_captured(database: str) -> None:
    """What goes to a partition by its own name, or moves a row from one to another, leaves its key like any other write."""
    street = Street(database, PARTED)
    street.reach("open", "fill", "prove", "cutover")
    part = street.sql.execute("SELECT tableoid::regclass::text FROM docs WHERE id = 1").fetchone()
    assert part is not None
    name = sql.SQL(part[0])
    street.sql.execute(sql.SQL("UPDATE {} SET body = 'edited in its part' WHERE id = 1").format(name))
    street.sql.execute(sql.SQL("DELETE FROM {} WHERE id IN (SELECT id FROM {} WHERE id > 1 LIMIT 3)").format(name, name))
    street.sql.execute("UPDATE docs SET id = id + 5000 WHERE id BETWEEN 100 AND 130")
    street.sql.execute("ALTER TABLE docs DETACH PARTITION docs_2")
    street.sql.execute("ALTER TABLE docs ATTACH PARTITION docs_2 FOR VALUES WITH (MODULUS 3, REMAINDER 2)")
    scenery.put(street.sql, PARTED, {(i,): f"after it came back: {i}" for i in range(200, 230)})
    street.settled()
    street.close()


@pytest.mark.story
def test_a_partition_that_is_emptied_by_its_own_name_leaves_no_orphan(database: str) -> None:
    """TRUNCATE of a part fires no trigger of the parent's, so each part has one; those of a detached part go with the others."""
    street = Street(database, PARTED)
    street.reach("open", "fill")
    street.sql.execute("TRUNCATE docs_1")
    street.settled()
    assert len(scenery.texts(street.sql, PARTED)) < ROWS
    street.sql.execute("ALTER TABLE docs DETACH PARTITION docs_2")
    abort(street.store, "docs")
    assert street.sql.execute("SELECT count(*) FROM pg_trigger WHERE tgname LIKE 'transvase%'").fetchone() == (0,)
    street.close()


def test_a_table_from_which_others_inherit_is_not_taken(database: str) -> None:
    """Triggers do not fire for rows of the heirs, so their writes would be lost without a word."""
    with psycopg.connect(database, autocommit=True) as session:
        scenery.lay(session, GROUND, rows=20)
        session.execute("CREATE TABLE heir () INHERITS (docs)")
        store = connect(database)
        with pytest.raises(Unfit, match="inherit"):
            scenery.adopted(store, GROUND)
        session.execute("ALTER TABLE heir NO INHERIT docs")
        assert scenery.adopted(store, GROUND).census.records == 20
        store.close()
