"""Stores are closed while threads of theirs work: whoever is at it ends with an answer or an error of ours, and nothing hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from transvase.adapters.weaviate.mirror import Mirror
from transvase.core.errors import TransvaseError
from transvase.core.retriever import Retriever
from weaviate_objects import uid
from weaviate_server import Node
from weaviate_walk import ENCODERS, Walk, text_of, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.story, pytest.mark.timeout(300)]

ROWS = 50
ROUNDS = 8


@pytest.fixture
def walk(server: Node, tmp_path: Path) -> Iterator[Walk]:
    with walked(server, tmp_path, rows=ROWS) as made:
        made.adopted()
        made.opened()
        made.filled()
        yield made


def over_and_over(act: Callable[[], object], worked: threading.Semaphore) -> BaseException:
    """Do it until it fails; the failure."""
    while True:
        try:
            act()
        except BaseException as error:  # what it is, is what the test asks
            return error
        worked.release()


@pytest.mark.filterwarnings("error::pytest.PytestUnhandledThreadExceptionWarning")
def test_whoever_works_on_a_store_that_is_closed_ends_with_an_error_of_ours(walk: Walk) -> None:
    drawn = np.random.default_rng(3)
    for turn in range(ROUNDS):
        mirror = Mirror.connect(walk.url, walk.alias, encoders=ENCODERS)
        retriever = Retriever.connect(walk.url, walk.alias, encoders=ENCODERS)
        acts = [*(writing(mirror, uid(n), turn) for n in range(3)), *[lambda found=retriever: found.search(text_of(7), 2)] * 2]
        worked = threading.Semaphore(0)
        with ThreadPoolExecutor(len(acts)) as pool:
            working = [pool.submit(over_and_over, act, worked) for act in acts]
            assert all(worked.acquire(timeout=60) for _ in acts)
            time.sleep(float(drawn.random()) * 0.3)
            mirror.close()
            retriever.close()
            ends = [one.result(60) for one in working]
        assert [error for error in ends if not isinstance(error, TransvaseError)] == [], ends


def writing(mirror: Mirror, key: UUID, turn: int) -> Callable[[], object]:
    return lambda: mirror.replace(key, {"body": f"{key} in turn {turn}", "team": "red"})
