"""Writers and deleters do not stop while an operator's verbs run: nothing is lost, doubled, or back at the end.

An independent reader compares both sides object by object when everybody has stopped; and each writer's own memory of what it was
told had been done is held beside what is there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from transvase.adapters.weaviate.mirror import Mirror
from transvase.core.errors import NotReady
from transvase.migrations.reconcile import settle
from transvase.migrations.sync import Worker, beside
from weaviate_independent import Reader, differences, strange_vectors
from weaviate_objects import uid
from weaviate_server import Node
from weaviate_walk import ENCODERS, Walk, encoder, text_of, walked
from weaviate_work import at_work
from weaviate_writers import COMMON, Act, Writer, past, through

pytestmark = [pytest.mark.weaviate, pytest.mark.long, pytest.mark.story, pytest.mark.timeout(300)]

ROWS = 200
EVERY_S = 0.05
"""Between two writes of a writer: the operator, the server and everybody share one processor."""
BREATH_S = 1.0
"""How long everybody writes between two verbs."""
UNSEEN = (
    "did not come to an end",
    "rows were lost since the proof",
    *(f"did not pass: {one}" for one in ("counts", "gaps", "recompute")),
)
"""How a verb refuses that met what somebody wrote after its last walk."""


@pytest.fixture(params=[False, True], ids=["without times", "with times"])
def walk(server: Node, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Walk]:
    with walked(server, tmp_path, rows=ROWS, invertedIndexConfig={"indexTimestamps": request.param}) as made:
        made.adopted()
        made.opened()
        made.filled()
        yield made


def writers(act: Callable[[int], Act], *, count: int, first: int, lasting: bool = False) -> list[Writer]:
    return [Writer(first * (n + 1), act(n), np.random.default_rng(first + n), lasting) for n in range(count)]


def test_whoever_writes_through_a_mirror_writes_on_while_every_verb_runs(walk: Walk) -> None:
    """No verb is refused for it, and no write fails."""
    with ExitStack() as stack:
        mirrors = [stack.enter_context(Mirror.connect(walk.url, walk.alias, encoders=ENCODERS)) for _ in range(2)]
        ours = writers(lambda n: through(mirrors[n % 2]), count=3, first=1_000)
        with at_work([one.step for one in ours], every_s=EVERY_S), beside(Worker(walk.store, walk.alias, encoder)):
            for verb in (walk.proven, walk.cut_over, walk.rolled_back, walk.proven, walk.cut_over):
                busy(ours, verb)
        assert_alike(walk, ours)
        old, before = walk.store.alias(walk.alias).shadow, [one.steps for one in ours]
        with at_work([one.step for one in ours], every_s=EVERY_S):
            busy(ours, lambda: walk.retired(drop=True, quiet_s=0.0))
    assert old is not None
    assert walk.application.web.get(f"/v1/schema/{old.name}").status_code == 404
    assert all(one.steps > was + 10 for one, was in zip(ours, before, strict=True))
    assert_alike(walk, ours)


def test_whatever_strangers_write_while_the_verbs_run_is_found_by_reconciling(walk: Walk, server: Node) -> None:
    """A verb may say that somebody writes unseen all the time, and that is all that it may say: it is made when they pause."""
    with ExitStack() as stack:
        clients = [stack.enter_context(server.client()) for _ in range(2)]
        strangers = writers(lambda n: past(walk, clients[n]), count=2, first=50_000, lasting=True)
        mirror = stack.enter_context(Mirror.connect(walk.url, walk.alias, encoders=ENCODERS))
        ours = writers(lambda _: through(mirror), count=1, first=1_000)
        everybody = [*ours, *strangers]
        for verb in (walk.proven, walk.cut_over, walk.rolled_back, walk.proven, walk.cut_over):
            with at_work([one.step for one in ours], every_s=0.25):
                with at_work([one.step for one in strangers], every_s=0.5):
                    done = busy(everybody, lambda verb=verb: permitted(verb))
                if not done:
                    verb()
        assert sum(one.refused for one in strangers) >= 2, "each switch met somebody with vectors of the other side"
        reconciled(walk)
        assert_alike(walk, everybody)
        with at_work([one.step for one in everybody], every_s=0.1):
            busy(everybody, lambda: walk.retired(drop=True, quiet_s=0.0))
    assert_alike(walk, everybody)


@pytest.mark.parametrize("times", [False, True], ids=["without times", "with times"])
def test_strangers_who_never_pause_keep_no_verb_from_its_end(server: Node, tmp_path: Path, times: bool) -> None:
    """Five writes, edits and deletions a second past every Mirror, from before the fill on; nobody pays but the verbs."""
    with ExitStack() as stack:
        walk = stack.enter_context(walked(server, tmp_path, rows=500, invertedIndexConfig={"indexTimestamps": times}))
        walk.adopted()
        clients = [stack.enter_context(server.client()) for _ in range(2)]
        strangers = writers(lambda n: past(walk, clients[n]), count=2, first=50_000, lasting=True)
        verbs = (walk.filled, walk.proven, walk.cut_over, walk.rolled_back, walk.proven, walk.cut_over)
        with at_work([one.step for one in strangers], every_s=0.4):
            busy(strangers, walk.opened)
            refused = [repeated(strangers, verb) for verb in verbs]
        assert sum(one.steps for one in strangers) > 50
        assert max(refused) <= 2, refused
        reconciled(walk)
        assert_alike(walk, strangers, rows=500)


def repeated(writers: list[Writer], verb: Callable[[], object]) -> int:
    """How often it was refused before it came to its end."""
    for refused in range(4):
        if busy(writers, lambda: permitted(verb)):
            return refused
    pytest.fail("refused again and again")


@pytest.mark.parametrize("walk", [True], indirect=True, ids=["with times"])
def test_a_switch_comes_about_under_writers_of_the_same_few_objects_who_never_pause(walk: Walk) -> None:
    """Their writes cross with each other and with every payment; nobody pays but the switch, and no row need be allowed."""
    with ExitStack() as stack:
        mirrors = [stack.enter_context(Mirror.connect(walk.url, walk.alias, encoders=ENCODERS)) for _ in range(2)]
        steps = [same_few(mirrors[n % 2], by=n) for n in range(3)]
        with at_work(steps):
            walk.proven()
            until(lambda: walk.store.outbox(walk.alias).owed(underway=False) > 1, "their writes cross")
            assert walk.cut_over().figures["owed"] == 0
            until(lambda: walk.store.outbox(walk.alias).owed(underway=False) > 1, "they go on")
            assert walk.rolled_back().figures["owed"] == 0
    assert Worker(walk.store, walk.alias, encoder).drain(deadline_s=30) == 0
    alias = walk.store.alias(walk.alias)
    assert alias.shadow is not None
    assert differences(Reader(walk.application.web), alias.live.name, alias.shadow.name) == []


def same_few(mirror: Mirror, *, by: int) -> Callable[[], None]:
    """Writes one of the common objects anew, each time."""
    drawn, steps = np.random.default_rng(by), count()

    def step() -> None:
        mirror.replace(uid(int(drawn.integers(COMMON))), {"body": f"of {by}, step {next(steps)}", "team": "red"})

    return step


def until(holds: Callable[[], bool], what: str) -> None:
    """Wait until it holds."""
    end = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < end, f"not seen: {what}"
        time.sleep(0.05)


def busy(writers: list[Writer], verb: Callable[[], object]) -> object:
    """Everybody writes before the verb, during it and after it."""
    for one in writers:
        one.fresh = set()
    time.sleep(BREATH_S)
    done = verb()
    time.sleep(BREATH_S)
    return done


def permitted(verb: Callable[[], object]) -> bool:
    """False where it was refused for what is written unseen while it looks."""
    try:
        verb()
    except (NotReady, AssertionError) as error:
        if not any(said in str(error) for said in UNSEEN):
            raise
        return False
    return True


def reconciled(walk: Walk) -> None:
    """What the next verb would do first, with nobody writing."""
    worker, shadow = Worker(walk.store, walk.alias, encoder), walk.store.alias(walk.alias).shadow
    assert shadow is not None
    with walk.store.hold(walk.alias), beside(worker):
        settle(walk.store, walk.alias, walk.store.index(walk.alias, shadow.name), worker)


def assert_alike(walk: Walk, writers: list[Writer], *, rows: int = ROWS) -> None:
    """Nothing is owed; the sides that are kept hold the same, with the right vectors, and everything that writers know of."""
    assert Worker(walk.store, walk.alias, encoder).drain(deadline_s=30) == 0
    alias, reader = walk.store.alias(walk.alias), Reader(walk.application.web)
    if alias.shadow is not None:
        assert differences(reader, alias.live.name, alias.shadow.name) == []
    for side in alias.kept:
        assert strange_vectors(reader, side.name, encoder(str(side.encoder)), side.width) == []
    there = {key: one["properties"]["body"] for key, one in reader.objects(alias.live.name).items()}
    known = {key: body for one in writers for key, body in one.known.items()}
    laid = {uid(number): text_of(number) for number in range(COMMON, rows)}
    common = {uid(number) for number in range(COMMON)}
    wanted = {key: body for key, body in (laid | known).items() if body is not None}
    assert {key: body for key, body in there.items() if key not in common} == wanted
