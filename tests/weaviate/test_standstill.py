"""Three nodes, one of which stands still, is killed or stopped while a Retriever searches: nobody who searches notices.

It is the leader, who alone knows which side is live, or the host that the Retriever asks first, or both in one; outside of a
cutover and in the middle of one. The deadlines are the usual ones, a minute for each request.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import pytest
from transvase.adapters.weaviate.switching import pointing, watch
from transvase.core.errors import NotReady, StoreFailed
from transvase.core.retriever import Retriever
from weaviate_cluster import chosen, mended, url_of, whole
from weaviate_objects import uid
from weaviate_server import Node, three_nodes
from weaviate_walk import ENCODERS, Walk, text_of, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long, pytest.mark.story]

ROWS: Final = 40
STILL_S: Final = 14.0
"""Longer than an election takes, which begins after some five seconds and took ten."""
LONGEST_S: Final = 5.0
"""Of one search, on a machine where everything else happens too; one that waited for the leader took 12 s and more."""
WAIT_S: Final = 90.0


@dataclass
class Searching:
    """Somebody who searches over and over: when each search ended, how long it took, and which side answered."""

    retriever: Retriever
    ended: list[tuple[float, float, str]] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def step(self) -> None:
        begun = time.monotonic()
        try:
            found = self.retriever.answer(text_of(5), 1)
        except Exception as error:  # every one is to be seen, and the search goes on
            self.errors.append(f"{time.monotonic() - begun:.1f} s, {type(error).__name__}: {error}")
            return
        assert found.hits[0].key == (uid(5),)
        self.ended.append((time.monotonic(), time.monotonic() - begun, found.index))

    def until(self, index: str) -> None:
        """Return when the side has answered."""
        end, seen = time.monotonic() + WAIT_S, len(self.ended)
        while index not in [side for _, _, side in self.ended[seen:]]:
            assert time.monotonic() < end, f"{index} does not come to answer"
            time.sleep(0.05)

    def unmoved(self, since: float) -> None:
        """No search failed, none waited, and there were some after ``since``."""
        assert self.errors == []
        assert max(seconds for _, seconds, _ in self.ended) < LONGEST_S
        assert sum(at > since for at, _, _ in self.ended) > 20


@contextmanager
def searching(hosts: Sequence[Node], alias: str) -> Iterator[Searching]:
    """A Retriever of these hosts at work in a thread."""
    with Retriever.connect(url_of(hosts), alias, encoders=ENCODERS) as retriever:
        one, stop = Searching(retriever), threading.Event()
        one.step()

        def run() -> None:
            while not stop.wait(0.1):
                one.step()

        thread = threading.Thread(target=run)
        thread.start()
        try:
            yield one
        finally:
            stop.set()
            thread.join()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Sequence[Node]]:
    with three_nodes() as nodes:
        yield nodes


@pytest.fixture(scope="module")
def ready(cluster: Sequence[Node], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    whole(cluster)
    folder = tmp_path_factory.mktemp("standstill")
    with walked(cluster[0], folder, rows=ROWS, url=url_of(cluster), replicationConfig={"factor": 3}) as made:
        made.application.sink(made.table)
        made.ready()
        yield made
        mended(cluster)


@pytest.fixture
def walk(ready: Walk, cluster: Sequence[Node]) -> Walk:
    mended(cluster)
    return ready


@pytest.mark.parametrize("how", ["freeze", "kill", "stop"])
@pytest.mark.parametrize("who", ["the leader", "the first host", "the leader, who is the first host"])
def test_searches_go_on_while_a_node_stands_still_or_is_gone(walk: Walk, cluster: Sequence[Node], who: str, how: str) -> None:
    gone, hosts = chosen(cluster, who)
    with searching(hosts, walk.alias) as one:
        time.sleep(1)
        since = time.monotonic()
        getattr(gone, how)()
        time.sleep(STILL_S)
        mended(cluster)
        time.sleep(1)
    one.unmoved(since)


def test_searches_go_on_through_a_switch_whose_leader_stands_still(
    walk: Walk, cluster: Sequence[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The leader freezes just before it is to move the alias; another one does it, ten seconds later."""
    monkeypatch.setattr(pointing, "AGREE_S", 3.0)
    moved, (leads, hosts) = other(walk), chosen(cluster, "the leader")

    def put(*given: Any) -> None:
        leads.freeze()
        return real(*given)

    real = pointing._put
    with searching(hosts, walk.alias) as one:
        since = time.monotonic()
        monkeypatch.setattr(pointing, "_put", put)
        with suppress(NotReady, StoreFailed):
            switched(walk)
        monkeypatch.setattr(pointing, "_put", real)
        mended(cluster)
        patiently(walk, moved)
        one.until(moved)
    one.unmoved(since)


def test_searches_follow_a_switch_while_their_first_host_stands_still(
    walk: Walk, cluster: Sequence[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The switch is not over before that host answers, and everybody else serves the other side: so does who searches."""
    monkeypatch.setattr(pointing, "AGREE_S", 3.0)
    moved, (first, hosts) = other(walk), chosen(cluster, "the first host")
    with searching(hosts, walk.alias) as one, ThreadPoolExecutor(1) as pool:
        since = time.monotonic()
        first.freeze()
        move = pool.submit(patiently, walk, moved)
        one.until(moved)
        assert not move.done()
        first.thaw()
        move.result()
    one.unmoved(since)


def test_who_hears_of_no_switch_is_told_by_the_side_that_is_gone(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long what was seen last holds, it ends with the side itself."""
    monkeypatch.setattr(watch, "EVERY_S", 3_600.0)
    patiently(walk, walk.table)
    live, moved = walk.table, other(walk)
    with Retriever.connect(walk.url, walk.alias, encoders=ENCODERS) as retriever:
        assert retriever.answer(text_of(5), 1).index == live
        patiently(walk, moved)
        assert retriever.answer(text_of(5), 1).index == live, "nobody told it"
        walk.store.retire(walk.alias, live, drop=True)
        assert [retriever.answer(text_of(5), 1).index for _ in range(3)] == [moved] * 3


def other(walk: Walk) -> str:
    """The side that is not live."""
    shadow = walk.store.alias(walk.alias).shadow
    assert shadow is not None
    return shadow.name


def switched(walk: Walk) -> None:
    """The alias on the other side, there or back."""
    migration = walk.store.journal.load(walk.alias)
    assert migration is not None
    if migration.phase == "live":
        walk.rolled_back()
    else:
        if migration.phase == "filled":
            walk.proven()
        walk.cut_over()


def patiently(walk: Walk, to: str) -> None:
    """The same word again until it is recorded that this side is live."""
    end = time.monotonic() + WAIT_S
    while True:
        migration = walk.store.journal.load(walk.alias)
        assert migration is not None
        if (migration.phase == "live") == (to == migration.target):
            return
        try:
            switched(walk)
        except (NotReady, StoreFailed):
            if time.monotonic() > end:
                raise
            time.sleep(0.5)
