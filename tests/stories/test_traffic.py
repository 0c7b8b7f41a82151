"""Applications at work in every phase: nothing that they write is lost, and nobody waits for a cutover."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import count
from typing import Any, Final

import psycopg
import pytest
import scenery
from psycopg import sql
from scenery import Connection, Ground
from transvase.core.connect import connect
from transvase.core.ports import Store
from transvase.migrations import fill as filling
from transvase.migrations import prove
from transvase.migrations.cutover import cutover
from transvase.migrations.fill import fill
from transvase.migrations.open import open_target
from transvase.migrations.retire import retire
from transvase.migrations.rollback import rollback
from transvase.migrations.sync import Worker, beside

GROUND: Final = Ground()
PARTED: Final = Ground(parts=3)
ROWS: Final = 300
WAIT_S: Final = 120.0

KINDS: Final = 13
"""Of things that a writer does."""

BEFORE_TRIGGER: Final = """
CREATE FUNCTION tidy() RETURNS trigger LANGUAGE plpgsql AS
$$BEGIN NEW.body := replace(NEW.body, 'teh', 'the'); RETURN NEW; END$$;
CREATE TRIGGER tidy BEFORE INSERT OR UPDATE ON docs FOR EACH ROW EXECUTE FUNCTION tidy();
"""


class Street:
    """A table with traffic on it, an operator's store, and a connection for looking on."""

    def __init__(self, url: str, ground: Ground) -> None:
        self.url, self.ground = url, ground
        self.ranges = count(10_000, 10_000)
        """Where each writer's new keys begin."""
        self.store: Store = connect(url)
        self.sql: Connection = psycopg.connect(url, autocommit=True)
        scenery.lay(self.sql, ground, rows=ROWS)
        scenery.adopted(self.store, ground)

    def session(self) -> Connection:
        return psycopg.connect(self.url, autocommit=True)

    def reach(self, *verbs: str) -> None:
        for verb in verbs:
            VERBS[verb](self.store)

    def settled(self) -> None:
        """Nothing is owed, and nothing is missing, orphaned or stale on any kept side."""
        assert scenery.paid(self.store, "docs") == 0
        assert scenery.faults(self.sql, self.ground) == []

    def close(self) -> None:
        self.sql.close()
        self.store.close()


def _proven(store: Store) -> None:
    verdict = prove.prove(store, "docs", encoders=scenery.encoder)
    assert verdict.passed, prove.sentence(verdict)


VERBS: Final[dict[str, Callable[[Store], object]]] = {
    "open": lambda s: open_target(s, "docs", to="new/16", encoders=scenery.encoder),
    "fill": lambda s: fill(s, "docs", encoders=scenery.encoder),
    "prove": _proven,
    "cutover": lambda s: cutover(s, "docs", encoders=scenery.encoder, deadline_s=WAIT_S),
    "rollback": lambda s: rollback(s, "docs", encoders=scenery.encoder, deadline_s=WAIT_S),
    "retire": lambda s: retire(s, "docs"),
}


@pytest.fixture(params=[GROUND, PARTED], ids=["plain", "partitioned"])
def street(request: pytest.FixtureRequest, database: str) -> Iterator[Street]:
    made = Street(database, request.param)
    yield made
    made.close()


@pytest.fixture
def plain(database: str) -> Iterator[Street]:
    made = Street(database, GROUND)
    yield made
    made.close()


class Traffic:
    """One writer, who owns the keys that leave its remainder; it does everything that an application can do to a table."""

    def __init__(self, street: Street, *, number: int, of: int) -> None:
        self.street, self.number, self.of = street, number, of
        self.sql = street.session()
        self.chance = random.Random(number)
        self.fresh = next(street.ranges) * of + number
        self.done: dict[str, int] = {}
        self.failures: list[BaseException] = []

    def key(self) -> int:
        return self.chance.randrange(ROWS // self.of) * self.of + self.number

    def new(self) -> int:
        self.fresh += self.of
        return self.fresh

    def text(self) -> str:
        return f"teh text {self.chance.random()} of writer {self.number}"

    def insert(self) -> None:
        self.sql.execute("INSERT INTO docs (id, body) VALUES (%s, %s)", (self.new(), self.text()))

    def insert_many(self) -> None:
        self.sql.execute(
            "INSERT INTO docs (id, body) SELECT g, 'many ' || g FROM unnest(%s::bigint[]) g", ([self.new() for _ in range(5)],)
        )

    def upsert(self) -> None:
        query = "INSERT INTO docs (id, body) VALUES (%s, %s) ON CONFLICT (id) DO UPDATE SET body = EXCLUDED.body"
        self.sql.execute(query, (self.key(), self.text()))
        self.sql.execute("INSERT INTO docs (id, body) VALUES (%s, 'ignored') ON CONFLICT DO NOTHING", (self.key(),))

    def edit(self) -> None:
        self.sql.execute("UPDATE docs SET body = %s WHERE id = %s", (self.text(), self.key()))

    def edit_beside(self) -> None:
        self.sql.execute("UPDATE docs SET team = 'moved' WHERE id = %s", (self.key(),))

    def edit_many(self) -> None:
        query = "UPDATE docs SET body = body || '.' WHERE id %% %s = %s AND id BETWEEN %s AND %s"
        low = self.key()
        self.sql.execute(query, (self.of, self.number, low, low + 30))

    def blank(self) -> None:
        self.sql.execute("UPDATE docs SET body = NULL WHERE id = %s", (self.key(),))

    def rekey(self) -> None:
        self.sql.execute("UPDATE docs SET id = %s WHERE id = %s", (self.new(), self.key()))

    def delete(self) -> None:
        self.sql.execute("DELETE FROM docs WHERE id = %s", (self.key(),))

    def delete_and_bring_back(self) -> None:
        key = self.key()
        with self.sql.transaction():
            self.sql.execute("DELETE FROM docs WHERE id = %s", (key,))
            self.sql.execute("INSERT INTO docs (id, body) VALUES (%s, %s)", (key, self.text()))

    def copy(self) -> None:
        with self.sql.cursor().copy("COPY docs (id, body) FROM STDIN") as copy:
            for _ in range(4):
                copy.write_row((self.new(), self.text()))

    def as_replica(self) -> None:
        with self.sql.transaction():
            self.sql.execute("SET LOCAL session_replication_role = replica")
            self.sql.execute("UPDATE docs SET body = %s WHERE id = %s", (self.text(), self.key()))
            self.sql.execute("INSERT INTO docs (id, body) VALUES (%s, %s)", (self.new(), self.text()))

    def half_undone(self) -> None:
        with self.sql.transaction():
            self.sql.execute("UPDATE docs SET body = %s WHERE id = %s", (self.text(), self.key()))
            with self.sql.transaction(force_rollback=True):
                self.sql.execute("DELETE FROM docs WHERE id %% %s = %s", (self.of, self.number))

    def reload(self) -> None:
        with self.sql.transaction():
            kept = self.sql.execute("SELECT id, body FROM docs").fetchall()
            self.sql.execute("TRUNCATE docs")
            with self.sql.cursor().copy("COPY docs (id, body) FROM STDIN") as copy:
                for row in kept[:: 2 if len(kept) > 2 * ROWS else 1]:
                    copy.write_row(row)

    def drive(self, stop: threading.Event) -> None:
        acts = [
            self.insert, self.insert_many, self.upsert, self.edit, self.edit_beside, self.edit_many, self.blank, self.rekey,
            self.delete, self.delete_and_bring_back, self.copy, self.as_replica, self.half_undone,
        ]  # fmt: skip
        try:
            while not stop.is_set():
                self.chance.shuffle(acts)
                for act in acts:
                    act()
                    self.done[act.__name__] = self.done.get(act.__name__, 0) + 1
                    if stop.wait(self.chance.random() * 0.3):  # a breath, in which what is owed can be paid
                        break
        except BaseException as error:  # the test shows it
            self.failures.append(error)
        finally:
            self.sql.close()


@contextmanager
def driving(street: Street, *, writers: int) -> Iterator[list[Traffic]]:
    """Writers at work until the body ends; then each must have done something of every kind, and met no error."""
    stop = threading.Event()
    traffic = [Traffic(street, number=i, of=writers) for i in range(writers)]
    threads = [threading.Thread(target=one.drive, args=(stop,)) for one in traffic]
    for thread in threads:
        thread.start()
    try:
        yield traffic
    finally:
        stop.set()
        for thread in threads:
            thread.join(WAIT_S)
    assert [failure for one in traffic for failure in one.failures] == []
    assert all(len(one.done) == KINDS for one in traffic), [one.done for one in traffic]


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
            until(lambda b=before: all(one.failures or sum(one.done.values()) >= n + 6 for one, n in zip(traffic, b, strict=True)))
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


def until(done: Callable[[], object]) -> None:
    """Wait for it."""
    for _ in range(int(WAIT_S / 0.02)):
        if done():
            return
        threading.Event().wait(0.02)
    pytest.fail("it never came")


def waits_for(connection: Connection, pid: int) -> bool:
    """Whether some session waits for a lock of that one."""
    query = "SELECT count(*) FROM pg_stat_activity WHERE %s = ANY (pg_blocking_pids(pid))"
    return connection.execute(query, (pid,)).fetchone() != (0,)
