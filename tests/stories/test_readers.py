"""Readers at every rest and across every move: what they see is of one side, and nobody waits for a cutover."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import psycopg
import pytest
import scenery
from driving import GROUND, ROWS, WAIT_S, Street, until
from psycopg import sql
from transvase.migrations.cutover import cutover
from transvase.migrations.rollback import rollback


@pytest.fixture
def plain(database: str) -> Iterator[Street]:
    made = Street(database, GROUND)
    yield made
    made.close()


@pytest.mark.story
def test_a_repeatable_reader_older_than_the_fill_keeps_the_old_side_whole(plain: Street) -> None:
    """Across fill and cutover it sees the index as it was; the next transaction sees the new one."""
    plain.reach("open")
    before = scenery.shown(plain.sql, plain.ground)
    with plain.session() as reader:
        with reader.transaction():
            reader.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            assert same(scenery.shown(reader, plain.ground), before)
            scenery.put(plain.sql, plain.ground, {(5,): "edited behind the reader's back"})
            plain.reach("fill", "prove", "cutover")
            assert same(scenery.shown(reader, plain.ground), before)
        after = scenery.shown(reader, plain.ground)
    assert after.keys() == before.keys()
    assert {space for space, _ in after.values()} == {scenery.encoder("new/16").space.id}
    plain.settled()


def same(left: dict[Any, Any], right: dict[Any, Any]) -> bool:
    """Same keys, Spaces and vectors."""
    return left.keys() == right.keys() and all(left[k][0] == right[k][0] and (left[k][1] == right[k][1]).all() for k in left)


@pytest.mark.story
def test_nobody_waits_for_a_cutover_behind_an_open_read_transaction(plain: Street) -> None:
    """A reader sits in its transaction; the alias moves forth and back, others go on, and no session waits for a table's lock."""
    plain.reach("open", "fill", "prove")
    stop, waiting, finished = threading.Event(), list[Any](), {"reads": 0, "writes": 0}

    def look() -> None:
        with plain.session() as c:
            while not stop.is_set():
                waiting.extend(
                    c.execute("SELECT relation::regclass, mode FROM pg_locks WHERE NOT granted AND locktype = 'relation'")
                )

    def read() -> None:
        query = sql.SQL("SELECT id FROM {} ORDER BY id LIMIT 5").format(GROUND.view)
        with plain.session() as c:
            while not stop.is_set():
                c.execute(query)
                finished["reads"] += 1

    def write() -> None:
        with plain.session() as c:
            while not stop.is_set():
                c.execute("UPDATE docs SET team = 'x' WHERE id = 1")
                finished["writes"] += 1
                stop.wait(0.002)

    with plain.session() as idle, ThreadPoolExecutor(3) as pool:
        runs = [pool.submit(act) for act in (look, read, write)]
        idle.execute("BEGIN")
        idle.execute(sql.SQL("SELECT count(*) FROM {}").format(GROUND.view))
        for move in (cutover, rollback):
            seen = dict(finished)
            outcome = move(plain.store, "docs", encoders=scenery.encoder)
            assert outcome.figures["waited_s"] == 0.0
            until(lambda seen=seen: all(finished[what] > seen[what] + 3 for what in seen) or any(run.done() for run in runs))
        idle.execute("COMMIT")
        stop.set()
        for run in runs:
            run.result(WAIT_S)
    assert waiting == []


@pytest.mark.story
def test_prepared_statements_live_on_over_the_cutover(plain: Street) -> None:
    """A plan that was kept by a session reads the new side after the switch; with a vector of the old one it is refused."""
    plain.reach("open", "fill", "prove")
    search = sql.SQL("SELECT id, space FROM {} ORDER BY embedding <=> %s::vector LIMIT 1").format(GROUND.view)
    spaces = sql.SQL("SELECT DISTINCT space FROM {} WHERE id < %s").format(GROUND.view)
    old, new = (scenery.held_by(plain.sql, GROUND, side)[(42,)][1] for side in scenery.sides(plain.sql, "docs"))
    with plain.session() as c:
        c.prepare_threshold = 0

        def ask(vector: Any) -> Any:
            return c.execute(search, (scenery.literal(vector),)).fetchone()

        for _ in range(8):  # more often than a server needs to turn to a generic plan
            assert ask(old) == (42, scenery.encoder("old/16").space.id)
            assert len(c.execute(spaces, (50,)).fetchall()) == 1
        plain.reach("cutover")
        assert ask(new) == (42, scenery.encoder("new/16").space.id)
        assert c.execute(spaces, (50,)).fetchall() == [(scenery.encoder("new/16").space.id,)]
        with pytest.raises(psycopg.errors.DataException, match="different vector dimensions"):
            ask(old)
        plain.reach("rollback")
        assert ask(old) == (42, scenery.encoder("old/16").space.id)


@pytest.fixture
def reader_role(plain: Street) -> Iterator[str]:
    """A role with SELECT on the table and nothing else."""
    name = f"reader_{plain.sql.info.dbname}"
    plain.sql.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(name)))
    plain.sql.execute(sql.SQL("GRANT SELECT ON docs TO {}").format(sql.Identifier(name)))
    yield name
    plain.sql.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(name)))
    plain.sql.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(name)))


ROAD: Final = ("open", "fill", "prove", "cutover", "rollback", "prove", "cutover", "retire")


@pytest.mark.story
def test_grants_survive_every_move(plain: Street, reader_role: str) -> None:
    """Who may read the table may read the view at every rest; who may not, may not; and nobody else may write to either."""
    with plain.session() as c:
        c.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(reader_role)))
        for verb in ROAD:
            plain.reach(verb)
            seen = scenery.shown(c, plain.ground)
            assert len(seen) == ROWS, verb
            live = scenery.sides(plain.sql, "docs")[0]
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                c.execute("UPDATE transvase_control.alias SET live = live")
            if not live.startswith("public."):
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    c.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier("transvase_control", live)))
        c.execute("RESET ROLE")
        c.execute(sql.SQL("REVOKE SELECT ON docs FROM {}").format(sql.Identifier(reader_role)))
        c.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(reader_role)))
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            scenery.shown(c, plain.ground)


@pytest.mark.story
def test_an_application_without_rights_on_our_tables_can_write(plain: Street, reader_role: str) -> None:
    """The capture runs with its owner's rights: nothing need be granted before ``open``."""
    plain.sql.execute(sql.SQL("GRANT INSERT, UPDATE, DELETE ON docs TO {}").format(sql.Identifier(reader_role)))
    plain.reach("open", "fill")
    with plain.session() as c:
        c.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(reader_role)))
        scenery.put(c, plain.ground, {(i,): f"by a plain role: {i}" for i in range(0, 2 * ROWS, 7)})
        scenery.take(c, plain.ground, [(i,) for i in range(3, 40)])
    plain.settled()


@pytest.mark.story
def test_an_application_cannot_pass_itself_off_as_the_worker(plain: Street, reader_role: str) -> None:
    """What the worker says of itself counts only from somebody who belongs to the owner."""
    plain.sql.execute(sql.SQL("GRANT INSERT, UPDATE, DELETE ON docs TO {}").format(sql.Identifier(reader_role)))
    plain.reach("open", "fill")
    with plain.session() as c:
        c.execute(sql.SQL("SET SESSION AUTHORIZATION {}").format(sql.Identifier(reader_role)))
        c.execute("SELECT set_config('transvase.paying', 'on', false)")
        scenery.put(c, plain.ground, {(0,): "written under a false name"})
    assert plain.sql.execute("SELECT count(*) FROM transvase_control.outbox_1").fetchone() == (1,)
    plain.settled()


@pytest.mark.story
def test_row_level_security_holds_through_the_view_and_in_the_side_table(plain: Street, reader_role: str) -> None:
    """Who sees a third of the rows sees a third of the vectors, whichever side is live, and none of the others' directly."""
    plain.sql.execute("ALTER TABLE docs ENABLE ROW LEVEL SECURITY")
    policy = sql.SQL("CREATE POLICY own_team ON docs FOR SELECT TO {} USING (team = 'sales')")
    plain.sql.execute(policy.format(sql.Identifier(reader_role)))
    allowed = {(row[0],) for row in plain.sql.execute("SELECT id FROM docs WHERE team = 'sales'")}
    assert 0 < len(allowed) < ROWS
    with plain.session() as c:
        c.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(reader_role)))
        for verb in ROAD:
            plain.reach(verb)
            assert scenery.shown(c, plain.ground).keys() == allowed, verb
            for side in filter(None, scenery.sides(plain.sql, "docs")):
                if not side.startswith("public.") and verb != "open":
                    assert scenery.side_rows(c, plain.ground, side).keys() == allowed, f"{verb}, {side}"
