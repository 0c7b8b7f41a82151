"""Applications at work on a table: what each writer does to its own rows, and a street on which several do it at once."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Final

import psycopg
import pytest
import scenery
from scenery import Connection, Ground
from transvase.core.connect import connect
from transvase.core.ports import Store
from transvase.migrations import prove
from transvase.migrations.cutover import cutover
from transvase.migrations.fill import fill
from transvase.migrations.open import open_target
from transvase.migrations.retire import retire
from transvase.migrations.rollback import rollback

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
