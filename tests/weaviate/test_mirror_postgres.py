"""Mirror and a whole migration with the ledger in Postgres: the same calls, and a writer that is killed."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import weaviate_postgres
from transvase.adapters.weaviate import connect
from transvase.adapters.weaviate.mirror import Mirror
from transvase.core.errors import Busy
from transvase.migrations.sync import Worker
from weaviate_independent import Reader, differences, strange_vectors
from weaviate_mirrors import Whole
from weaviate_objects import NEW, OLD, uid
from weaviate_postgres import embedded
from weaviate_server import Node
from weaviate_walk import ENCODERS, Walk, encoder, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long]

ROWS = 40


@pytest.fixture(scope="module")
def ledger() -> Iterator[str]:
    with embedded() as url:
        yield url


@pytest.fixture
def walk(server: Node, ledger: str, tmp_path: Path) -> Iterator[Walk]:
    with walked(server, tmp_path, rows=ROWS, journal=ledger) as made:
        yield made


def assert_alike(walk: Walk) -> None:
    """The same on both sides, each with its own vectors, and nothing owed."""
    assert Worker(walk.store, walk.alias, encoder).pay_up(deadline_s=60) == 0
    assert walk.store.outbox(walk.alias).owed() == 0
    seen = walk.store.alias(walk.alias)
    assert seen.shadow is not None
    read = Reader(walk.application.web)
    assert differences(read, seen.live.site, seen.shadow.site) == []
    for side in (seen.live, seen.shadow):
        assert strange_vectors(read, side.site, OLD if side.encoder == "old" else NEW, side.width) == []


def test_every_call_reaches_both_sides_in_every_phase(walk: Walk) -> None:
    walk.adopted()
    with Mirror.connect(walk.url, walk.alias, encoders=ENCODERS) as mirror:
        for step, move in enumerate((walk.opened, walk.filled, walk.proven, walk.cut_over, walk.rolled_back)):
            move()
            number = 100 + 10 * step
            mirror.insert({"body": f"inserted {number}", "team": "red"}, uuid=uid(number))
            mirror.insert_many([Whole(uid(number + n), {"body": f"one of many {n} {step}"}) for n in range(1, 6)])
            mirror.update(uid(number + 1), {"body": f"updated {number}"})
            mirror.replace(uid(number + 2), {"body": f"replaced {number}"})
            assert mirror.delete(uid(number + 3))
            assert not mirror.delete(uid(number + 3))
            with mirror.batch.dynamic() as batch:
                batch.add_object({"body": f"of a batch {step}"}, uuid=uid(number + 6))
        assert_alike(walk)
        there = Reader(walk.application.web).objects(walk.table)
        assert len(there) == ROWS + 5 * 6
        assert there[uid(121)]["properties"]["body"] == "updated 120"


def test_two_operators_of_one_ledger_on_two_hosts_are_kept_apart(walk: Walk) -> None:
    walk.adopted()
    other = connect(walk.url)
    try:
        with walk.store.hold(walk.alias), pytest.raises(Busy, match="operator"), other.hold(walk.alias):
            pass
    finally:
        other.close()


@pytest.mark.timeout(300)
def test_writers_that_are_killed_lose_nothing_that_was_acknowledged(walk: Walk) -> None:
    """Two processes write without a pause beside a worker and a fill, then a cutover, and are killed somewhere in a write."""
    walk.adopted()
    walk.opened()
    done: set[int] = set()
    begun: set[int] = set()
    stop = threading.Event()
    paying = threading.Thread(target=Worker(walk.store, walk.alias, encoder).serve, args=(stop,))
    paying.start()
    try:
        for turn, move in enumerate((walk.filled, walk.cut_over)):
            if turn:
                walk.proven()
            writers = [_writer(walk, 2 * turn + 1 + n) for n in range(2)]
            said = [one.stdout.readline().split() for one in writers for _ in range(6) if one.stdout is not None]
            try:
                move()
            finally:
                for one in writers:
                    one.kill()
            for one in writers:
                said += [line.split() for line in one.communicate()[0].splitlines()]
            done |= {int(number) for what, number in said if what == "done"}
            begun |= {int(number) for what, number in said if what == "begun"}
    finally:
        stop.set()
        paying.join()
    assert len(done) > 40
    time.sleep(2.5)
    assert_alike(walk)
    there = Reader(walk.application.web).objects(walk.table)
    for number in begun:
        found = there.get(uid(number))
        body = found and found["properties"]["body"]
        wanted = {0: f"inserted {number}", 1: f"updated {number}", 2: None}[number % 3]
        if number in done:
            assert body == wanted, number
        else:
            assert body in (None, f"inserted {number}", wanted), number
    assert len(there) == ROWS + sum(uid(number) in there for number in begun)


def _writer(walk: Walk, number: int) -> subprocess.Popen[str]:
    program = [sys.executable, weaviate_postgres.__file__, walk.url, walk.alias, str(number)]
    return subprocess.Popen(program, stdout=subprocess.PIPE, text=True)
