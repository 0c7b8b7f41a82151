"""Mirror on three nodes while one of them is frozen, or stopped and started: what nobody answered for is doubted, and paid."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from transvase.adapters.weaviate.mirror import Mirror
from transvase.core.errors import TransvaseError
from transvase.migrations.sync import Worker
from weaviate_cluster import follower, url_of, whole
from weaviate_independent import Reader, differences, strange_vectors
from weaviate_objects import NEW, OLD, uid
from weaviate_server import Node, three_nodes
from weaviate_walk import ENCODERS, Walk, encoder, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long]

ROWS = 30
FROZEN_S = 8.0
REPLICATED = {"replicationConfig": {"factor": 3}}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Sequence[Node]]:
    with three_nodes() as nodes:
        whole(nodes)
        yield nodes


@dataclass
class Writing:
    """What the writers were told."""

    done: set[int] = field(default_factory=set)
    failed: dict[int, TransvaseError] = field(default_factory=dict)


def written(mirror: Mirror, number: int) -> None:
    """Every third is edited afterwards, every third deleted."""
    mirror.insert({"body": f"inserted {number}", "team": "red"}, uuid=uid(number))
    if number % 3 == 1:
        mirror.update(uid(number), {"body": f"updated {number}"})
    if number % 3 == 2:
        mirror.delete(uid(number))


@contextmanager
def writers(mirror: Mirror, told: Writing, *, start: int) -> Iterator[None]:
    """Two threads, each with numbers of its own."""
    stop = threading.Event()

    def write(number: int) -> None:
        while not stop.is_set():
            try:
                written(mirror, number)
                told.done.add(number)
            except TransvaseError as error:
                told.failed[number] = error
            number += 2
            time.sleep(0.05)

    threads = [threading.Thread(target=write, args=(start + n,)) for n in range(2)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()


@pytest.mark.timeout(400)
def test_nothing_is_lost_while_a_node_is_frozen_and_another_stopped(cluster: Sequence[Node], tmp_path: Path) -> None:
    told = Writing()
    with walked(cluster[0], tmp_path, rows=ROWS, url=f"{url_of(cluster)}&timeout=4", **REPLICATED) as walk:
        walk.adopted()
        walk.opened()
        walk.filled()
        stop = threading.Event()
        paying = threading.Thread(target=Worker(walk.store, walk.alias, encoder).serve, args=(stop,))
        paying.start()
        try:
            with Mirror.connect(walk.url, walk.alias, encoders=ENCODERS) as mirror:
                with writers(mirror, told, start=1_000):
                    time.sleep(1)
                    frozen = follower(cluster)
                    frozen.freeze()
                    time.sleep(FROZEN_S)
                    frozen.thaw()
                    time.sleep(1)
                whole(cluster)
                with writers(mirror, told, start=5_000):
                    time.sleep(0.5)
                    stopped = follower(cluster)
                    stopped.kill()
                    time.sleep(3)
                    stopped.start()
                    stopped.wait()
                    time.sleep(1)
                whole(cluster)
        finally:
            for one in cluster:
                one.thaw()
            stop.set()
            paying.join()
        assert len(told.done) > 20
        _settled(walk)
        there = Reader(walk.application.web).objects(walk.table)
        wanted = {0: "inserted", 1: "updated", 2: None}
        for number in told.done:
            found, word = there.get(uid(number)), wanted[number % 3]
            assert (found and found["properties"]["body"]) == (word and f"{word} {number}"), number
        possible = {uid(number) for number in (*range(ROWS), *told.done, *told.failed)}
        assert there.keys() <= possible
        print(f"{len(told.done)} writes acknowledged, {len(told.failed)} failed: {set(map(str, told.failed.values()))}")


def _settled(walk: Walk) -> None:
    """Nothing is owed, and both sides are the same."""
    end = time.monotonic() + 60
    worker = Worker(walk.store, walk.alias, encoder)
    while walk.store.outbox(walk.alias).owed():
        assert time.monotonic() < end, f"{walk.store.outbox(walk.alias).owed()} keys stay owed"
        worker.pay_up(deadline_s=10)
    seen = walk.store.alias(walk.alias)
    assert seen.shadow is not None
    read = Reader(walk.application.web)
    assert differences(read, seen.live.site, seen.shadow.site) == []
    for side, made_by in ((seen.live, OLD), (seen.shadow, NEW)):
        assert strange_vectors(read, side.site, made_by, side.width) == []
