"""Three nodes, one of which stands still or is away while the alias moves: the leader, or the host that everybody asks first.

Writers speak through Mirrors and past them, readers through Retrievers, and a worker pays; nobody pauses for it. Or the
operator is killed meanwhile, and the same word is typed again.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Any, Final

import numpy as np
import pytest
from transvase.adapters.weaviate import connect
from transvase.adapters.weaviate.switching import pointing
from weaviate_cluster import chosen, mended, url_of, whole
from weaviate_crowd import ALLOWED, OWN, Writer, crowd, ended, past, patiently
from weaviate_gallows import Gallows, small, stands
from weaviate_objects import applied
from weaviate_server import Node, three_nodes
from weaviate_walk import Walk, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long, pytest.mark.story, pytest.mark.timeout(900)]

ROWS: Final = 200
BUSY_S: Final = 300.0
"""How long a cutover may take until it moves the alias, on a machine on which everybody else is at work too."""
STILL_S: Final = {"stop": 3.0, "freeze": 14.0}
"""Frozen longer than an election takes, which begins after some five seconds and took ten."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Sequence[Node]]:
    with three_nodes() as nodes:
        yield nodes


@pytest.fixture(scope="module")
def ready(cluster: Sequence[Node], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Walk]:
    with pytest.MonkeyPatch.context() as patch:
        small(patch.setattr)
        whole(cluster)
        folder = tmp_path_factory.mktemp("away")
        with walked(cluster[0], folder, rows=ROWS, url=url_of(cluster), replicationConfig={"factor": 3}) as made:
            made.allowed = ALLOWED
            made.adopted()
            made.opened()
            made.filled()
            yield made
            mended(cluster)


@dataclass(frozen=True)
class Scene:
    """A node that is to go, and a walk whose operator, readers and writers know the hosts in a certain order."""

    walk: Walk
    gone: Node
    cluster: Sequence[Node]
    target: str
    number: int
    """Each has keys of its own."""

    def away(self, how: str) -> None:
        """Freeze or stop the node."""
        (self.gone.freeze if how == "freeze" else self.gone.stop)()

    @contextmanager
    def crowd(self) -> Iterator[Stranger]:
        """Everybody, and a stranger; in the end everything is there as they know it, and what others wrote before."""
        first = 3 * OWN * self.number
        stranger = Stranger(past(self.walk), first + OWN, ROWS, np.random.default_rng(first), stranger=True)
        with crowd(self.walk, rows=ROWS, first=first, more=[stranger]) as everybody:
            try:
                yield stranger
            finally:
                _KNOWN.update(everybody.told())
        _KNOWN.update(everybody.told())
        print(everybody)
        ended(self.walk, self.cluster, _KNOWN, rows=ROWS, history=everybody.history())
        everybody.unharmed(self.walk.table, self.target)


_KNOWN: Final[dict[int, set[str | None]]] = {}
"""What those who were at work before have told."""
_numbers = count()


@dataclass
class Stranger(Writer):
    """A writer past Mirror, who pauses while both sides are compared: otherwise that would not end."""

    pausing: threading.Event = field(default_factory=threading.Event)
    at_it: threading.Lock = field(default_factory=threading.Lock)

    def step(self) -> None:
        with self.at_it:
            if not self.pausing.is_set():
                super().step()

    def pause(self) -> None:
        """Return when nothing of it is under way."""
        self.pausing.set()
        with self.at_it:
            self.fresh = set()

    def go_on(self) -> None:
        """Write again."""
        self.pausing.clear()


@pytest.fixture
def scene(ready: Walk, cluster: Sequence[Node], request: pytest.FixtureRequest) -> Iterator[Scene]:
    """Proven, on the old side, the cluster whole."""
    mended(cluster)
    gone, hosts = chosen(cluster, request.param)
    stays = next(one for one in hosts if one is not gone)
    url = f"{url_of(hosts)}&journal={ready.url.partition('&journal=')[2]}"
    with applied(stays) as application, closing(connect(url)) as store:
        walk = replace(ready, application=application, url=url, store=store)
        patiently(lambda: back(walk))
        walk.proven()
        shadow = walk.store.alias(walk.alias).shadow
        assert shadow is not None
        yield Scene(walk, gone, cluster, shadow.name, next(_numbers))


def back(walk: Walk) -> None:
    """The old side live, where it is not."""
    if _phase(walk) == "live":
        walk.rolled_back()


def forward(walk: Walk) -> None:
    """The new side live, where it is not."""
    if _phase(walk) != "live":
        walk.cut_over()


def _phase(walk: Walk) -> str:
    migration = walk.store.journal.load(walk.alias)
    assert migration is not None
    return str(migration.phase)


@dataclass
class Gate:
    """The operator waits here for a node to be away: before the alias is moved the first time, or after it."""

    patch: pytest.MonkeyPatch
    after: bool
    reached: threading.Event = field(default_factory=threading.Event)
    open: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        real = pointing._put

        def put(*given: Any) -> None:
            if self.after:
                real(*given)
            if not self.reached.is_set():
                self.reached.set()
                assert self.open.wait(BUSY_S)
            if not self.after:
                real(*given)

        self.patch.setattr(pointing, "_put", put)


@pytest.fixture(scope="module")
def operator() -> Iterator[Gallows]:
    with Gallows() as made:
        yield made


@pytest.mark.parametrize(
    ("scene", "how", "after"),
    [
        ("the leader", "stop", False),
        ("the first host", "stop", True),
        ("the leader, who is the first host", "freeze", False),
        ("the first host", "freeze", True),
    ],
    indirect=["scene"],
)
def test_a_node_that_is_away_for_a_part_of_a_cutover_harms_nobody(
    scene: Scene, how: str, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It goes just before the alias is moved, or just after it. The way back is gone with all nodes there."""
    walk, gate = scene.walk, Gate(monkeypatch, after)
    with scene.crowd() as stranger, ThreadPoolExecutor(1) as aside:
        time.sleep(1)
        stranger.pause()
        move = aside.submit(patiently, walk.cut_over)
        assert gate.reached.wait(BUSY_S), move
        stranger.go_on()
        scene.away(how)
        gate.open.set()
        time.sleep(STILL_S[how])
        mended(scene.cluster)
        print(f"{how} {scene.gone.name}: the cutover said {move.result()}")
        assert walk.named() == scene.target
        stranger.pause()
        patiently(walk.rolled_back)
        time.sleep(0.5)


@pytest.mark.parametrize(
    ("scene", "how", "at"),
    [("the leader", "stop", "_put"), ("the first host", "freeze", "after _put")],
    indirect=["scene"],
)
def test_an_operator_who_is_killed_in_a_cutover_while_a_node_is_away_types_the_same_word_again(
    scene: Scene, operator: Gallows, how: str, at: str
) -> None:
    """As long as the node is away the word ends with a refusal, and afterwards it is done."""
    walk = scene.walk
    with scene.crowd() as stranger:
        time.sleep(1)
        stranger.pause()
        process = operator.begin(walk, "cutover", at=at, by=signal.SIGSTOP)
        try:
            stands(process, at, within_s=BUSY_S)
            stranger.go_on()
            scene.away(how)
            time.sleep(1)
        finally:
            os.kill(process, signal.SIGKILL)
        assert operator.ended().signal == signal.SIGKILL
        stranger.pause()
        said = operator.make(walk, "cutover").said
        assert said.startswith(("NotReady", "StoreFailed")), said
        mended(scene.cluster)
        patiently(lambda: forward(walk))
        assert walk.named() == scene.target
        patiently(walk.rolled_back)
        time.sleep(0.5)
