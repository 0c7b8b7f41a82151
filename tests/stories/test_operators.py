"""Several operators and several workers at once: one is let in, the others are told who is there; and no debt is paid twice."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Final

import psycopg
import pytest
import scenery
from psycopg import sql
from scenery import Connection, Ground
from transvase.cli.main import main
from transvase.core.connect import connect
from transvase.core.errors import Busy, EncoderFailed, IllegalMove, Moved, TransvaseError
from transvase.core.migration import Phase
from transvase.core.ports import Store, Switch
from transvase.core.space import Role, Space, Vectors
from transvase.migrations import fill as filling
from transvase.migrations import prove, throttle
from transvase.migrations.abort import abort
from transvase.migrations.cutover import cutover
from transvase.migrations.fill import fill
from transvase.migrations.migrate import migrate
from transvase.migrations.open import open_target
from transvase.migrations.pause import pause, resume
from transvase.migrations.retire import retire
from transvase.migrations.rollback import rollback
from transvase.migrations.status import status
from transvase.migrations.sync import Worker

GROUND: Final = Ground()
ROWS: Final = 200
WAIT_S: Final = 120.0
"""Longer than anything here takes: what does not come by then does not come."""

VERBS: Final[dict[str, Callable[[Store], object]]] = {
    "adopt": lambda s: scenery.adopted(s, GROUND),
    "open": lambda s: open_target(s, "docs", to="new/16", encoders=scenery.encoder),
    "fill": lambda s: fill(s, "docs", encoders=scenery.encoder),
    "prove": lambda s: prove.prove(s, "docs", encoders=scenery.encoder),
    "cutover": lambda s: cutover(s, "docs", encoders=scenery.encoder),
    "rollback": lambda s: rollback(s, "docs", encoders=scenery.encoder),
    "retire": lambda s: retire(s, "docs"),
    "abort": lambda s: abort(s, "docs"),
    "migrate": lambda s: migrate(s, "docs", encoders=scenery.encoder, to="new/16"),
}

HOLDER: Final = """
import sys, time
from transvase.core.connect import connect
with connect(sys.argv[1]).hold("docs"):
    print("held", flush=True)
    time.sleep(600)
"""


class Place:
    """A database with an adopted table, and as many stores on it as there are operators."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.sql: Connection = psycopg.connect(url, autocommit=True)
        self.stores: list[Store] = []
        scenery.lay(self.sql, GROUND, rows=ROWS)
        scenery.adopted(self.store(), GROUND)

    def store(self) -> Store:
        self.stores.append(connect(self.url))
        return self.stores[-1]

    def reach(self, *verbs: str) -> None:
        for verb in verbs:
            VERBS[verb](self.stores[0])

    def phase(self) -> Phase:
        migration = self.stores[0].journal.load("docs")
        assert migration is not None
        return migration.phase

    def close(self) -> None:
        for store in self.stores:
            store.close()
        self.sql.close()


@pytest.fixture
def place(database: str) -> Iterator[Place]:
    made = Place(database)
    yield made
    made.close()


def together(*acts: Callable[[], object]) -> list[object]:
    """Begin all of them at one moment; what each returned, or the error of ours that it raised."""
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], object]) -> object:
        start.wait(timeout=WAIT_S)
        try:
            return act()
        except TransvaseError as error:
            return error

    with ThreadPoolExecutor(len(acts)) as pool:
        return list(pool.map(run, acts))


def test_every_verb_is_refused_while_another_operator_holds_the_alias(place: Place) -> None:
    """Busy names the other one, and nothing has changed afterwards."""
    place.reach("open")
    before = place.stores[0].journal.history("docs")
    with place.stores[0].hold("docs"):
        ends = together(*(lambda verb=verb: verb(place.store()) for verb in VERBS.values()))
    for name, end in zip(VERBS, ends, strict=True):
        assert isinstance(end, Busy), f"{name}: {end!r}"
        assert "another operator is at work on 'docs'" in str(end)
        assert "pid" in end.holder
    assert place.stores[0].journal.history("docs") == before
    assert place.phase() is Phase.SHADOWING


def test_of_two_processes_one_works_and_the_other_ends_with_status_1(place: Place, capfd: pytest.CaptureFixture[str]) -> None:
    """A holder that is killed lets go by that: the same command then does its work."""
    place.reach("open")
    with subprocess.Popen([sys.executable, "-c", HOLDER, place.url], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        assert main(["--store", place.url, "abort", "docs"]) == 1
        assert "another operator is at work on 'docs'" in capfd.readouterr().err
        assert place.phase() is Phase.SHADOWING
        holder.send_signal(signal.SIGKILL)
    assert main(["--store", place.url, "abort", "docs"]) == 0
    assert place.phase() is Phase.ABORTED


def test_of_two_cutovers_at_once_one_switches(place: Place) -> None:
    """The other is refused, and the alias has moved once."""
    place.reach("open", "fill", "prove")
    generation = place.stores[0].alias("docs").generation
    other = place.store()
    ends = together(lambda: VERBS["cutover"](place.stores[0]), lambda: VERBS["cutover"](other))
    refused = [end for end in ends if isinstance(end, TransvaseError)]
    assert len(refused) == 1
    assert isinstance(refused[0], Busy | IllegalMove)
    alias = place.stores[0].alias("docs")
    assert alias.live.encoder == "new/16"
    assert alias.generation == generation + 1
    assert place.phase() is Phase.LIVE
    assert scenery.faults(place.sql, GROUND) == []


def test_of_switches_that_read_the_same_generation_one_takes_place(place: Place) -> None:
    """Without the operator's lock, the alias' row itself lets one through and tells the others that it has moved."""
    place.reach("open", "fill")
    alias = place.stores[0].alias("docs")
    assert alias.shadow is not None
    stores, to, seen = [place.store() for _ in range(4)], alias.shadow.name, alias.generation
    ends = together(*(lambda s=store: s.point("docs", to, expect=seen, allow_owed=0) for store in stores))
    assert sum(isinstance(end, Switch) for end in ends) == 1
    assert sum(isinstance(end, Moved) for end in ends) == 3
    assert scenery.sides(place.sql, "docs") == (to, alias.live.name)


def test_of_two_records_of_the_same_version_one_is_kept(place: Place) -> None:
    """Neither can overwrite what it has not read; a second migration cannot begin beside an open one."""
    place.reach("open")
    journal = place.stores[0].journal
    found = journal.load("docs")
    assert found is not None
    changed = [replace(found, version=found.version + 1, paused=paused) for paused in (True, False)]
    ends = together(*(lambda c=c: place.store().journal.save(c, expect=found.version) for c in changed))
    assert [type(end) for end in ends].count(Moved) == 1
    with pytest.raises(Moved):
        journal.save(replace(found, attempt=found.attempt + 1, version=0), expect=None)


class Watched:
    """The encoder ``new/16``, which waits at every batch until it may go on."""

    def __init__(self) -> None:
        self.inner = scenery.encoder("new/16")
        self.name, self.space = self.inner.name, self.inner.space
        self.arrived, self.may = threading.Semaphore(0), threading.Semaphore(0)

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        self.arrived.release()
        assert self.may.acquire(timeout=WAIT_S)
        return self.inner.encode(texts, role)

    def tokens(self, texts: Sequence[str]) -> list[int]:
        return self.inner.tokens(texts)

    def of(self, enc: str) -> Watched | scenery.HashEncoder:
        return self if enc == self.name else scenery.encoder(enc)

    space: Space


def test_a_fill_stands_still_while_it_is_paused_and_goes_on_when_resumed(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another operator pauses it, needing no hold; ``status`` says why it waits; writes made meanwhile are not lost."""
    monkeypatch.setattr(filling, "BATCH", 40)
    monkeypatch.setattr(throttle, "LOOK_S", 0.0)
    place.reach("open")
    slow, waits, other = Watched(), threading.Semaphore(0), place.store()

    def progress(what: str, _done: int, _total: int) -> None:
        if what.startswith("waiting: paused"):
            waits.release()

    with ThreadPoolExecutor(1) as pool:
        run = pool.submit(fill, place.stores[0], "docs", encoders=slow.of, progress=progress)
        assert slow.arrived.acquire(timeout=WAIT_S)  # the first batch is at the encoder
        pause(other, "docs")
        slow.may.release()
        assert waits.acquire(timeout=WAIT_S)
        seen = status(other, "docs")
        assert "paused by an operator" in str(seen.throttled_by)
        scenery.put(place.sql, GROUND, {GROUND.key_of(i): f"edited in the pause: {i}" for i in range(0, ROWS, 9)})
        for _ in range(20):
            assert waits.acquire(timeout=WAIT_S)
        assert status(other, "docs").done <= 40
        assert not run.done()
        resume(other, "docs")
        slow.may.release(1_000)
        assert run.result(timeout=WAIT_S).migration.phase is Phase.FILLED
    assert scenery.paid(other, "docs") == 0
    assert scenery.faults(place.sql, GROUND) == []


class Choking:
    """The encoder ``new/16``, which cannot take one word."""

    def __init__(self) -> None:
        self.inner = scenery.encoder("new/16")
        self.name, self.space = self.inner.name, self.inner.space

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        if any("poison" in text for text in texts):
            raise EncoderFailed(self.name, "poison")
        return self.inner.encode(texts, role)

    def tokens(self, texts: Sequence[str]) -> list[int]:
        return self.inner.tokens(texts)

    def of(self, enc: str) -> Choking | scenery.HashEncoder:
        return self if enc == self.name else scenery.encoder(enc)


def test_a_text_that_cannot_be_encoded_and_is_edited_again_and_again_keeps_nobody_waiting(place: Place) -> None:
    """Its many entries are the oldest of the outbox, and all that come behind them are paid all the same."""
    place.reach("open", "fill")
    for i in range(400):
        place.sql.execute("UPDATE docs SET body = %s WHERE id = 1", (f"poison {i}",))
    scenery.put(place.sql, GROUND, {GROUND.key_of(n): f"behind it: {n}" for n in range(50, 90)})
    worker = Worker(place.store(), "docs", Choking().of)
    assert worker.drain(deadline_s=WAIT_S) == 1
    assert worker.poisoned == ((1,),)
    place.sql.execute("UPDATE docs SET body = 'wholesome' WHERE id = 1")
    assert worker.drain(deadline_s=WAIT_S) == 0
    assert scenery.faults(place.sql, GROUND) == []


@pytest.mark.parametrize("workers", [2, 4])
def test_workers_at_once_pay_each_debt_once_and_rightly(place: Place, workers: int) -> None:
    """However they overlap, every changed row is written to the side table exactly once, and nothing stays owed."""
    place.reach("open", "fill")
    alias = place.stores[0].alias("docs")
    assert alias.shadow is not None
    side = sql.Identifier("transvase_control", alias.shadow.name)
    place.sql.execute("CREATE TABLE written (key bigint, what text)")
    place.sql.execute(
        "CREATE FUNCTION log_it() RETURNS trigger LANGUAGE plpgsql AS"
        " $$BEGIN INSERT INTO public.written VALUES (coalesce(NEW.k1, OLD.k1), TG_OP); RETURN NULL; END$$"
    )
    place.sql.execute(
        sql.SQL("CREATE TRIGGER log_it AFTER INSERT OR UPDATE OR DELETE ON {} FOR EACH ROW EXECUTE FUNCTION log_it()").format(
            side
        )
    )
    for i in range(3):  # three debts of every key
        scenery.put(place.sql, GROUND, {GROUND.key_of(n): f"edit {i} of {n}" for n in range(50, 350)})
    scenery.take(place.sql, GROUND, [GROUND.key_of(n) for n in range(30)])
    made = [Worker(place.store(), "docs", scenery.encoder) for _ in range(workers)]
    ends = together(*(lambda w=worker: w.drain(deadline_s=WAIT_S) for worker in made))
    assert ends == [0] * workers
    written = place.sql.execute("SELECT what, key, count(*) FROM written GROUP BY 1, 2 ORDER BY 1, 2").fetchall()
    assert all(times == 1 for _, _, times in written), [row for row in written if row[2] > 1][:5]
    expected = (
        [("DELETE", n) for n in range(30)] + [("INSERT", n) for n in range(200, 350)] + [("UPDATE", n) for n in range(50, 200)]
    )
    assert [(what, key) for what, key, _ in written] == expected
    assert scenery.faults(place.sql, GROUND) == []
