"""The ways in which today's tools lose data, each walked and seen not to lose any.

An application that keeps its old model, a rollback after many writes, a second cutover after that, and a cutover behind
transactions that somebody left open.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from helm import Helm, stocked, vector
from psycopg import errors, sql
from transvase.core.record import digest_of
from transvase.core.retriever import Retriever
from transvase.core.space import Role
from worlds import NEW, OLD, WIDTH, body

pytestmark = pytest.mark.story
COUNT = 60


@pytest.fixture
def live(helm: Helm) -> Helm:
    """The alias after its cutover to NEW, which is as wide as OLD."""
    stocked(helm.world, COUNT)
    helm.reach("live")
    return helm


def search(helm: Helm, text: str) -> tuple[int, float]:
    """Key and score of the first hit, through the front door."""
    with Retriever.connect(helm.url, "docs", encoders={"old": OLD, "new": NEW}) as retriever:
        hit = retriever.search(text, 1)[0]
    return int(hit.key[0]), hit.score


def own_search(helm: Helm, text: str) -> int | None:
    """What the application with the old model finds in its own column, as it always did."""
    rows = helm.sql("SELECT id FROM docs ORDER BY embedding <=> %s::vector LIMIT 1", vector(OLD, text))
    return rows[0][0] if rows else None


def wrong_in_column(helm: Helm) -> list[int]:
    """Rows of the application's table whose own vector is not the old model's vector of their text now."""
    rows = helm.sql("SELECT id, body, embedding FROM docs ORDER BY id")
    return [
        key
        for key, text, held in rows
        if (held is None) != (text is None)
        or (text is not None and float(OLD.encode([text], Role.DOCUMENT).matrix[0] @ held.to_numpy()) < 0.999)
    ]


def wrong_in_side_table(helm: Helm) -> list[object]:
    """Keys whose new vector is missing, left over, stale, or not the new model's; every row is looked at."""
    side = helm.object("status", "docs")["target"]["index"]
    query = sql.SQL("SELECT k1, embedding, digest FROM {}").format(sql.Identifier("transvase_control", side))
    held = {key: (made, digest) for key, made, digest in helm.world.application.execute(query)}
    texts = dict(helm.sql("SELECT id, body FROM docs WHERE body IS NOT NULL"))
    wrong: list[object] = list(held.keys() ^ texts.keys())
    for key in held.keys() & texts.keys():
        made, digest = held[key][0].to_numpy(), held[key][1]
        likeness = float(NEW.encode([texts[key]], Role.DOCUMENT).matrix[0] @ made[:WIDTH])
        if digest != digest_of(texts[key]) or made.shape != (WIDTH + 1,) or made[WIDTH] != 0 or likeness < 0.999:
            wrong.append(key)
    return wrong


def write_much(helm: Helm, tag: str) -> None:
    """Inserts, edits and deletes of an application that knows nothing of vectors any more."""
    with helm.world.application.transaction():
        helm.sql("INSERT INTO docs (id, title, body) SELECT %s + i, 'T', %s || i FROM generate_series(1, 40) i", COUNT * 10, tag)
        helm.sql("UPDATE docs SET body = %s || id WHERE id < 30", tag)
        helm.sql("DELETE FROM docs WHERE id BETWEEN 40 AND 49")
        helm.sql("UPDATE docs SET body = NULL WHERE id BETWEEN 30 AND 32")


def test_rows_that_an_application_with_the_old_model_writes_after_the_cutover_are_found_in_the_new_index(live: Helm) -> None:
    """Today: accepted, found 0 % of the time, never repaired."""
    for number in range(20):
        text = f"written by an old pod {number}"
        live.sql("INSERT INTO docs (id, body, embedding) VALUES (%s, %s, %s::vector)", 500 + number, text, vector(OLD, text))
    for number in range(10):
        text = f"edited by an old pod {number}"
        live.sql("UPDATE docs SET body = %s, embedding = %s::vector WHERE id = %s", text, vector(OLD, text), number)
    assert live.object("status", "docs")["owed"] == 30
    assert live.object("sync", "docs", "--once")["owed"] == 0
    for number in range(20):
        assert search(live, f"written by an old pod {number}") == (500 + number, pytest.approx(1.0, abs=1e-4))
    for number in range(10):
        assert search(live, f"edited by an old pod {number}") == (number, pytest.approx(1.0, abs=1e-4))
    assert wrong_in_side_table(live) == []


def test_searches_of_an_application_with_the_old_model_work_until_retire_and_then_fail_loudly(live: Helm) -> None:
    live.sql("INSERT INTO docs (id, body, embedding) VALUES (500, 'by an old pod', %s::vector)", vector(OLD, "by an old pod"))
    live.sql("INSERT INTO docs (id, body) VALUES (501, 'by a new pod')")
    assert live("sync", "docs", "--once") == 0, live.err
    assert own_search(live, "by an old pod") == 500
    assert own_search(live, "by a new pod") == 501, "the old side is kept current by reverse writes"
    assert live("retire", "docs", "--quiet", "0") == 0, live.err
    with pytest.raises(errors.UndefinedColumn, match="embedding"):
        own_search(live, "by an old pod")
    with pytest.raises(errors.UndefinedColumn, match="embedding"):
        live.sql("INSERT INTO docs (id, body, embedding) VALUES (502, 'x', %s::vector)", vector(OLD, "x"))
    live.sql("INSERT INTO docs (id, body) VALUES (503, 'after the end')")
    assert live("sync", "docs", "--once") == 0, live.err
    assert search(live, "after the end")[0] == 503
    assert search(live, "by an old pod")[0] == 500


def test_after_retire_with_drop_the_column_is_gone_and_writes_go_on_being_captured(live: Helm) -> None:
    assert "dropped" in str(live.object("retire", "docs", "--drop")["done"])
    columns = [name for (name,) in live.sql("SELECT attname::text FROM pg_attribute WHERE attrelid = 'public.docs'::regclass")]
    assert "body" in columns
    assert not [name for name in columns if "embedding" in name]
    live.sql("UPDATE docs SET body = 'still kept' WHERE id = 5")
    assert live.object("sync", "docs", "--once")["owed"] == 0
    assert search(live, "still kept")[0] == 5


def test_a_wrong_vector_that_a_stranger_writes_into_the_old_column_is_put_right(live: Helm) -> None:
    """A vector of the new model fits into the old column as it always did; only the worker can see that it is wrong."""
    live.sql("UPDATE docs SET embedding = %s::vector WHERE id = 7", vector(NEW, body(7)))
    live.sql("UPDATE docs SET embedding = NULL WHERE id = 8")
    assert wrong_in_column(live) == [7, 8]
    assert live.object("sync", "docs", "--once")["owed"] == 0
    assert wrong_in_column(live) == []


def test_a_rollback_after_many_writes_has_lost_none_of_them(live: Helm) -> None:
    """Today: every row written since the cutover is left without a live vector."""
    write_much(live, "since the cutover ")
    assert live("rollback", "docs") == 0, live.err
    assert live.object("status", "docs")["live"]["space"] == OLD.space.id
    assert live.object("status", "docs")["owed"] == 0
    assert wrong_in_column(live) == []
    assert search(live, "since the cutover 40") == (COUNT * 10 + 40, pytest.approx(1.0, abs=1e-4))
    assert search(live, body(45))[0] != 45, "what was deleted is not found again"


def test_forward_again_after_a_rollback_nothing_stale_and_nothing_of_the_old_space_goes_live(live: Helm) -> None:
    """Today: old-space and stale vectors go live while the status says 100 %."""
    write_much(live, "since the cutover ")
    assert live("rollback", "docs") == 0, live.err
    live.sql("UPDATE docs SET body = 'since the rollback ' || id WHERE id % 2 = 0 AND body IS NOT NULL")
    live.sql("INSERT INTO docs (id, body, embedding) VALUES (900, 'old pod', %s::vector)", vector(OLD, "old pod"))
    live.sql("DELETE FROM docs WHERE id % 7 = 0")
    seen = live.object("status", "docs")
    assert seen["owed"] > 0
    assert seen["rows"]["done"] < seen["rows"]["total"], "what is owed is not done"
    live.refused("cutover", "docs", status=1, says="not possible while the migration is filled")
    assert live.object("prove", "docs")["passed"] is True
    assert live("cutover", "docs") == 0, live.err
    seen = live.object("status", "docs")
    assert (seen["live"]["space"], seen["owed"]) == (NEW.space.id, 0)
    assert seen["rows"]["done"] == seen["rows"]["total"]
    assert wrong_in_side_table(live) == []
    assert wrong_in_column(live) == []


@pytest.mark.parametrize(
    ("damage", "named"),
    [
        ("DELETE FROM {side} WHERE k1 = 11", "1 missing"),
        ("UPDATE {side} SET digest = sha256('another text') WHERE k1 = 11", "1 stale"),
        ("UPDATE {side} SET k1 = 100011 WHERE k1 = 11", "1 orphaned"),
    ],
)
def test_what_was_lost_behind_our_back_stops_the_proof_and_the_cutover(helm: Helm, damage: str, named: str) -> None:
    stocked(helm.world, COUNT)
    helm.reach("proven")
    side = sql.Identifier("transvase_control", helm.object("status", "docs")["target"]["index"])
    helm.world.application.execute(sql.SQL(damage).format(side=side))
    helm.refused("cutover", "docs", status=1, says=["rows were lost since the proof", named, "(11)"])
    assert helm.object("prove", "docs", status=1)["passed"] is False
    assert named in helm.err
    assert helm.object("status", "docs")["live"]["space"] == OLD.space.id


def test_a_vector_of_the_wrong_text_stops_the_proof_although_every_count_is_right(helm: Helm) -> None:
    """Counts and digests agree; only encoding again shows it."""
    stocked(helm.world, COUNT)
    helm.reach("filled")
    side = sql.Identifier("transvase_control", helm.object("status", "docs")["target"]["index"])
    change = sql.SQL("UPDATE {side} a SET embedding = b.embedding FROM {side} b WHERE a.k1 = 11 AND b.k1 = 12").format(side=side)
    helm.world.application.execute(change)
    found = helm.object("prove", "docs", status=1)
    failed = {finding["check"]: finding["detail"] for finding in found["findings"] if not finding["passed"]}
    assert list(failed) == ["recompute"]
    assert "(11)" in failed["recompute"]


class Watch:
    """Looks at the server all the while: who waits for a lock, and how long each of the application's statements took."""

    def __init__(self, helm: Helm) -> None:
        self.helm = helm
        self.waiting: list[tuple[object, ...]] = []
        self.looks = 0
        self.took: list[float] = []
        self.errors: list[BaseException] = []
        self._over = threading.Event()

    @contextmanager
    def kept(self) -> Iterator[None]:
        threads = [threading.Thread(target=self._run, args=(act,)) for act in (self._look, self._read, self._write)]
        for thread in threads:
            thread.start()
        try:
            yield
        finally:
            self._over.set()
            for thread in threads:
                thread.join(timeout=30)

    def _run(self, act: Callable[[psycopg.Connection], None]) -> None:
        try:
            with psycopg.connect(self.helm.url, autocommit=True) as connection:
                while not self._over.is_set():
                    act(connection)
        except BaseException as error:
            self.errors.append(error)

    def _look(self, connection: psycopg.Connection) -> None:
        self.waiting += connection.execute(
            "SELECT pid, state, wait_event, query FROM pg_stat_activity WHERE datname = current_database()"
            " AND wait_event_type = 'Lock'"
        ).fetchall()
        self.looks += 1

    def _read(self, connection: psycopg.Connection) -> None:
        self._timed(connection, "SELECT count(*), min(space) FROM transvase.docs")

    def _write(self, connection: psycopg.Connection) -> None:
        self._timed(connection, "UPDATE docs SET team = clock_timestamp()::text WHERE id = 3")

    def _timed(self, connection: psycopg.Connection, statement: str) -> None:
        started = time.monotonic()
        connection.execute(statement)
        self.took.append(time.monotonic() - started)
        time.sleep(0.005)


@contextmanager
def left_open(helm: Helm, isolation: psycopg.IsolationLevel) -> Iterator[psycopg.Connection]:
    """A transaction that has read through the view and been left idle."""
    with psycopg.connect(helm.url) as connection:
        connection.isolation_level = isolation
        connection.execute("SELECT count(*) FROM transvase.docs")
        yield connection
        connection.rollback()


@pytest.mark.parametrize("isolation", [psycopg.IsolationLevel.READ_COMMITTED, psycopg.IsolationLevel.REPEATABLE_READ])
def test_nobody_waits_for_a_cutover_or_a_rollback_behind_an_open_read_transaction(
    helm: Helm, isolation: psycopg.IsolationLevel
) -> None:
    """Today: readers and writers stall until the open transaction ends, or the lock timeout."""
    stocked(helm.world, COUNT)
    helm.reach("proven")
    watch = Watch(helm)
    with left_open(helm, isolation) as reader, watch.kept():
        forth = helm.object("cutover", "docs")
        inside = reader.execute("SELECT count(*), min(space), max(space) FROM transvase.docs").fetchone()
        back = helm.object("rollback", "docs")
        assert reader.info.transaction_status == psycopg.pq.TransactionStatus.INTRANS, "it was open all the while"
    assert watch.errors == []
    assert watch.waiting == []
    assert watch.looks >= 20
    assert len(watch.took) >= 10
    assert max(watch.took) < 1.0, "each statement of the others completed at its usual pace"
    assert (forth["waited_s"], back["waited_s"]) == (0.0, 0.0)
    expected = OLD if isolation is psycopg.IsolationLevel.REPEATABLE_READ else NEW
    assert inside == (COUNT, expected.space.id, expected.space.id), "one snapshot sees one side, whole"


def test_a_writer_whose_transaction_spans_the_cutover_is_not_waited_for_and_not_lost(helm: Helm) -> None:
    stocked(helm.world, COUNT)
    helm.reach("proven")
    with psycopg.connect(helm.url) as writer:
        writer.execute("UPDATE docs SET body = 'committed late' WHERE id = 9")
        writer.execute("INSERT INTO docs (id, body) VALUES (700, 'inserted late')")
        writer.execute("DELETE FROM docs WHERE id = 10")
        started = time.monotonic()
        assert helm("cutover", "docs") == 0, helm.err
        assert time.monotonic() - started < 10
        writer.commit()
    assert helm.object("status", "docs")["owed"] == 3
    assert helm.object("sync", "docs", "--once")["owed"] == 0
    assert search(helm, "committed late")[0] == 9
    assert search(helm, "inserted late")[0] == 700
    assert wrong_in_side_table(helm) == []
