"""A server with its hands full, a proxy that asks to wait, a cluster without a leader: a fill waits, says why, and goes on."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from email.utils import formatdate
from pathlib import Path
from typing import Final

import grpc
import pytest
from transvase.adapters.weaviate import connect
from transvase.adapters.weaviate.objects import reading
from transvase.adapters.weaviate.ports import filling
from transvase.adapters.weaviate.wire.address import Address
from transvase.adapters.weaviate.wire.connection import Connection
from transvase.adapters.weaviate.wire.credentials import Credentials
from transvase.adapters.weaviate.wire.failures import Kind, asked_s, in_doubt, kind_of, passing, retrying
from transvase.core.errors import StoreFailed, TransvaseError
from transvase.migrations import throttle
from transvase.migrations.fill import fill
from transvase.migrations.status import status
from weaviate.proto.v1 import base_search_pb2, batch_pb2, search_get_pb2
from weaviate_busy import No, gate_before, plain_http_429
from weaviate_cluster import leader, url_of, whole
from weaviate_gallows import small
from weaviate_ground import self_provided
from weaviate_independent import Reader, differences
from weaviate_server import Node, needed, node, place, running, three_nodes
from weaviate_walk import Walk, encoder, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long]

ROWS: Final = 60
WAIT_S: Final = 120.0


def search(name: str, width: int = 3) -> search_get_pb2.SearchRequest:
    near = base_search_pb2.NearVector(vector_bytes=b"\0\0\x80?" * width)
    return search_get_pb2.SearchRequest(collection=name, limit=1, near_vector=near, uses_123_api=True, uses_127_api=True)


def batch(name: str, *, width: int, size: int) -> batch_pb2.BatchObjectsRequest:
    vector = b"\0\0\x80?" * width
    return batch_pb2.BatchObjectsRequest(
        objects=[
            batch_pb2.BatchObject(collection=name, uuid=f"00000000-0000-4000-8000-{i:012x}", vector_bytes=vector)
            for i in range(size)
        ]
    )


def failure(call: Callable[[], object]) -> TransvaseError | None:
    try:
        call()
    except TransvaseError as error:
        return error
    return None


# ---------------------------------------------------------------- what is said


def test_a_server_that_takes_no_more_searches_says_so() -> None:
    with place() as folder:
        one = node(needed(), folder=folder)
        one.env.update(MAXIMUM_CONCURRENT_GET_REQUESTS="1")
        with running([one]), ThreadPoolExecutor(24) as pool:
            connection = Connection(Address.parse(one.url), Credentials())
            connection.rest("POST", "/schema", body={"class": "Full", "vectorConfig": {"default": self_provided()}})
            connection.batch(batch("Full", width=3, size=200))
            kinds, end = set[Kind | None](), time.monotonic() + WAIT_S
            while not kinds and time.monotonic() < end:  # two have to meet
                answers = pool.map(lambda _: failure(lambda: connection.search(search("Full"), index="Full")), range(400))
                kinds = {kind_of(error) for error in answers if error is not None}
            assert kinds == {Kind.BUSY}
            connection.close()


def test_a_server_that_has_no_memory_left_says_so() -> None:
    with place() as folder:
        one = node(needed(), folder=folder)
        one.env.update(GOMEMLIMIT="40MiB")
        with running([one]):
            connection = Connection(Address.parse(one.url), Credentials())
            body = {"class": "Full", "vectorConfig": {"default": self_provided()}}
            retrying("the collection", lambda: connection.rest("POST", "/schema", body=body), budget_s=WAIT_S)
            full, end = None, time.monotonic() + WAIT_S
            while full is None and time.monotonic() < end:  # it counts what it has from time to time
                full = failure(lambda: connection.batch(batch("Full", width=3_000, size=2_000)))
            assert full is not None
            assert (kind_of(full), passing(full), in_doubt(full)) == (Kind.BUSY, True, False), full
            connection.close()


@pytest.mark.parametrize(("told", "seconds"), [("7", 7.0), ("soon", None), (None, None), ("-3", 0.0)])
def test_seconds_to_wait_are_read(told: str | None, seconds: float | None) -> None:
    assert asked_s(told) == seconds


def test_a_moment_to_wait_for_is_read() -> None:
    assert asked_s(formatdate(time.time() + 3_600, usegmt=True)) == pytest.approx(3_600, abs=60)


def test_a_proxy_that_knows_nothing_of_grpc_is_understood() -> None:
    with plain_http_429(after="7") as port:
        connection = Connection(Address.parse(f"weaviate://127.0.0.1:{port}?grpc={port}&timeout=5"), Credentials())
        error = failure(lambda: connection.search(search("Docs")))
        connection.close()
    assert isinstance(error, StoreFailed)
    assert (kind_of(error), in_doubt(error)) == (Kind.BUSY, False), error
    assert error.after_s is None, "gRPC's library keeps the header of such an answer to itself"


def test_both_ways_in_tell_how_long_to_wait(server: Node) -> None:
    with gate_before(server) as gate:
        connection = Connection(Address.parse(gate.url), Credentials())
        assert connection.rest("GET", "/meta")["version"]
        gate.no = No(after="3")
        for call in (lambda: connection.rest("GET", "/meta"), lambda: connection.search(search("Docs"))):
            error = failure(call)
            assert isinstance(error, StoreFailed)
            assert (kind_of(error), error.after_s) == (Kind.BUSY, 3.0), error
        connection.close()


def test_a_cluster_without_a_leader_says_so_and_leaves_a_doubt() -> None:
    with three_nodes() as nodes:
        whole(nodes)
        leads = leader(nodes)
        left, other = (one for one in nodes if one is not leads)
        connection = Connection(Address.parse(f"{left.url}&timeout=60"), Credentials())
        leads.kill()
        other.kill()
        error, end = failure(lambda: moved(connection)), time.monotonic() + 2 * WAIT_S
        while error is not None and kind_of(error) is Kind.TIMED_OUT and time.monotonic() < end:
            error = failure(lambda: moved(connection))  # what was begun while the leader was believed in hears nothing at all
        assert error is not None
        assert (kind_of(error), passing(error), in_doubt(error)) == (Kind.LEADERLESS, True, True), error
        connection.close()


def moved(connection: Connection) -> None:
    connection.rest("PUT", "/aliases/Nowhere", body={"class": "Nothing"})


# ---------------------------------------------------------------- what a fill makes of it


@pytest.fixture
def walk(server: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Walk]:
    impatient(monkeypatch)
    with walked(server, tmp_path, rows=ROWS) as made:
        made.adopted()
        made.opened()
        yield made


def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small batches, and little silence before somebody is told."""
    small(monkeypatch.setattr)
    monkeypatch.setattr(filling, "PATIENCE_S", 0.2)
    monkeypatch.setattr(reading, "PATIENCE_S", 0.2)
    monkeypatch.setattr(throttle, "NOTED_S", 0.0)


@pytest.mark.story
@pytest.mark.parametrize(
    ("no", "said"),
    [
        (No(after="2"), "asks to wait"),
        (No(), "asks to wait"),
        (No(503, grpc.StatusCode.UNAVAILABLE), "asks to wait|broke off"),
        (No(504, grpc.StatusCode.DEADLINE_EXCEEDED, silent_s=4.0), "no answer in time"),
    ],
    ids=["429 with Retry-After", "429", "503", "silence"],
)
def test_a_fill_behind_a_gate_that_closes_waits_and_says_why_and_goes_on(walk: Walk, server: Node, no: No, said: str) -> None:
    with gate_before(server) as gate:
        store = connect(f"{gate.url}&journal={walk.url.partition('journal=')[2]}")
        try:
            lines = held_up(walk, lambda: setattr(gate, "no", no), lambda: setattr(gate, "no", None), by=(store, said))
        finally:
            store.close()
        assert gate.noes > 1
    if no.after:
        assert any("(again in 2 s)" in line for line in lines), lines


def held_up(walk: Walk, shut: Callable[[], None], opened: Callable[[], None], *, by: tuple[object, str]) -> list[str]:
    """Fill by this store, which is held up after its first batch and let go once it has been seen to wait; what it said."""
    store, why = by
    lines, waits, begun = list[str](), threading.Event(), threading.Event()

    def progress(what: str, _done: int, _total: int) -> None:
        lines.append(what)
        if what == "filling" and not begun.is_set():
            begun.set()
            shut()
        if what.startswith("waiting") and re.search(why, what):
            waits.set()

    with ThreadPoolExecutor(1) as pool:
        filled = pool.submit(fill, store, walk.alias, encoders=encoder, progress=progress)  # type: ignore[arg-type]
        assert waits.wait(WAIT_S), lines
        end = time.monotonic() + WAIT_S
        while not re.search(why, str(status(walk.store, walk.alias).throttled_by)):
            assert time.monotonic() < end, "nobody else is told why it waits"
            time.sleep(0.1)
        assert not filled.done()
        opened()
        outcome = filled.result(WAIT_S)
    assert outcome.migration.phase == "filled"
    assert_whole(walk)
    return lines


def assert_whole(walk: Walk) -> None:
    alias, reader = walk.store.alias(walk.alias), Reader(walk.application.web)
    assert alias.shadow is not None
    assert differences(reader, alias.live.name, alias.shadow.name) == []
    assert len(reader.objects(alias.shadow.name)) == ROWS
    assert (walk.store.outbox(walk.alias).owed(), status(walk.store, walk.alias).throttled_by) == (0, None)


@pytest.mark.story
def test_a_fill_comes_through_a_server_that_others_keep_busy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server answers one search at a time, and four others ask for more."""
    impatient(monkeypatch)
    monkeypatch.setattr(throttle, "LONGEST_S", 1.0)
    with place() as folder:
        one = node(needed(), folder=folder)
        one.env.update(MAXIMUM_CONCURRENT_GET_REQUESTS="1")
        with running([one]), walked(one, tmp_path, rows=ROWS) as walk:
            walk.adopted()
            walk.opened()
            stop, refused = threading.Event(), list[int]()

            def ask() -> None:
                others = Connection(Address.parse(one.url), Credentials())
                while not stop.wait(0.01):
                    if failure(lambda: others.search(search(walk.table, walk.width(walk.table)), index=walk.table)):
                        refused.append(1)
                others.close()

            with ThreadPoolExecutor(4) as pool:
                asking = [pool.submit(ask) for _ in range(4)]
                try:
                    walk.filled()
                finally:
                    stop.set()
                for one_ in asking:
                    one_.result()
            assert refused
            assert_whole(walk)


@pytest.mark.story
def test_a_fill_goes_on_by_itself_while_the_leader_is_gone_and_comes_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient(monkeypatch)
    with three_nodes() as nodes:
        whole(nodes)
        leads = leader(nodes)
        hosts: Sequence[Node] = [leads, *(one for one in nodes if one is not leads)]
        with walked(hosts[1], tmp_path, rows=ROWS, url=url_of(hosts), replicationConfig={"factor": 3}) as walk:
            walk.adopted()
            walk.opened()
            store = connect(f"{walk.url}&timeout=5")
            seen = Gone(leads)
            with ThreadPoolExecutor(1) as pool:
                filled = pool.submit(fill, store, walk.alias, encoders=encoder, progress=seen)
                assert seen.gone.wait(WAIT_S), seen.lines
                assert seen.met.wait(2 * WAIT_S), seen.lines
                leads.start()
                leads.wait()
                assert filled.result(3 * WAIT_S).migration.phase == "filled"
            store.close()
            whole(nodes)
            assert_whole(walk)


class Gone:
    """The progress of a fill: kills the leader when the first batch is written, and tells when the fill has met that."""

    def __init__(self, leads: Node) -> None:
        self.leads, self.lines = leads, list[str]()
        self.gone, self.met = threading.Event(), threading.Event()
        self._before = 0

    def __call__(self, what: str, done: int, _total: int) -> None:
        self.lines.append(f"{what} {done}")
        if what == "filling" and done and not self.gone.is_set():
            self.leads.kill()
            self._before = done
            self.gone.set()
        elif self.gone.is_set() and (what.startswith("waiting") or what != "filling" or done > self._before):
            self.met.set()  # it waits, or goes on without
