"""The server is killed and started again under everybody's hands: in the middle of a fill, and of a switch there and back.

Writers through a Mirror and past every one, deleters among them, and readers do not stop for it. While nothing can answer they
are told so; what they are told to be done is done, and no answer is wrong or mixed, then or when the server is back.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pytest
from transvase.core.errors import StoreFailed
from transvase.migrations.reconcile import settle
from transvase.migrations.sync import Worker, beside
from weaviate_crowd import OWN, Crowd, Writer, ended, gathered, past
from weaviate_gallows import Gallows
from weaviate_outage import Outages, gone_on
from weaviate_scores import Searcher
from weaviate_server import Node
from weaviate_walk import Walk, encoder, walked
from weaviate_work import at_work

pytestmark = [pytest.mark.weaviate, pytest.mark.long, pytest.mark.story, pytest.mark.timeout(900)]

ROWS: Final = 200
EVERY_S: Final = 0.2
"""Between two writes, or two searches, of one thread: everybody shares one processor."""
BREATH_S: Final = 1.0
"""How long everybody goes on before and after a move."""
DOWN_S: Final = 1.5
EXCUSED: Final = ("StoreFailed", "rows are owed after", "did not come to an end", "rows were lost since the proof")
"""What a move may say: that the server failed, or that it is written faster than a busy machine pays, or unseen."""
POINTS: Final = (
    ("fill", 250, ""),
    ("cutover", 150, ""),
    ("rollback", 1, "PUT /aliases/"),
    ("cutover", 2, "PUT /aliases/"),
)
"""In which move the server is killed, and at which step of it: while both sides are compared, just before the server's alias is
moved, and just after."""


@dataclass
class Excused:
    """A thread of the application's, whose failures are excused while the server cannot answer, and then alone."""

    work: Callable[[], None]
    failures: list[str]
    outages: Outages
    told: int = 0
    unexcused: list[str] = field(default_factory=list)

    def step(self) -> None:
        asked, before = time.monotonic(), len(self.failures)
        try:
            self.work()
        except StoreFailed as error:
            self.failures.append(str(error))
        failed = self.failures[before:]
        self.told += len(failed)
        if failed and not self.outages.excuse(asked, time.monotonic()):
            self.unexcused += failed


@dataclass
class Town:
    """Everybody at work, and when the server was away."""

    crowd: Crowd
    strangers: list[Writer]
    outages: Outages
    everybody: list[Excused] = field(default_factory=list)

    @contextmanager
    def at_work(self, *whom: Writer | Searcher) -> Iterator[None]:
        some = [Excused(one.step, one.failures if isinstance(one, Writer) else [], self.outages) for one in whom]
        self.everybody += some
        with at_work([one.step for one in some], every_s=EVERY_S):
            yield


@contextmanager
def town(walk: Walk, outages: Outages) -> Iterator[Town]:
    """Two writers with Mirrors, two readers and a worker, all at work; and strangers for later."""
    strangers = [Writer(past(walk), first, ROWS, np.random.default_rng(first), stranger=True) for first in (2 * OWN, 50_000)]
    with gathered(walk, rows=ROWS, more=strangers) as everybody:
        ours = [one for one in everybody.writers if not one.stranger]
        made = Town(everybody, strangers, outages)
        with made.at_work(*ours, *everybody.searchers):
            yield made


@pytest.fixture
def walk(server: Node, tmp_path: Path) -> Iterator[Walk]:
    """About to be filled."""
    with walked(server, tmp_path, rows=ROWS) as made:
        made.adopted()
        made.opened()
        yield made


@pytest.fixture
def operator() -> Iterator[Gallows]:
    with Gallows() as made:
        yield made


def reconciled(walk: Walk) -> None:
    """What the next move would do first: strangers wrote past the last one."""
    worker, shadow = Worker(walk.store, walk.alias, encoder), walk.store.alias(walk.alias).shadow
    assert shadow is not None
    with walk.store.hold(walk.alias), beside(worker):
        settle(walk.store, walk.alias, walk.store.index(walk.alias, shadow.name), worker)


def test_nothing_is_lost_wrong_or_brought_back_when_the_server_is_killed_under_everybody(
    server: Node, operator: Gallows, walk: Walk
) -> None:
    outages = Outages(server, operator)
    with town(walk, outages) as all_:
        for move, at, among in POINTS:
            if move == "cutover":
                walk.proven()
            for one in all_.strangers:
                one.fresh = set()
            process = outages.halt(walk, move, at=at, among=among)
            with all_.at_work(*all_.strangers):
                time.sleep(BREATH_S)
                outages.cut(process, down_s=DOWN_S)
                time.sleep(BREATH_S)
            gone_on(operator, walk, move, excused=EXCUSED)
        time.sleep(BREATH_S)
    reconciled(walk)
    sides = walk.store.alias(walk.alias).kept
    ended(walk, [server], all_.crowd.told(), rows=ROWS, history=all_.crowd.history())
    all_.crowd.unharmed(*(one.name for one in sides))
    assert [said for one in all_.everybody for said in one.unexcused] == []
    assert all(one.told for one in all_.everybody), "each of them met the server while it was away"
