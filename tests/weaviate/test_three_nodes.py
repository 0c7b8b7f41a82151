"""Three nodes, a whole move there, back and there again, a follower frozen and then stopped on the way, and everybody at work.

Writers speak through Mirrors, readers through Retrievers, each with a store of its own, and a worker pays. Every answer is
recomputed: its scores are those of one Space, the one that it names. In the end every object is what its writer was told.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import pytest
from weaviate_cluster import follower, frozen, mended, stopped, url_of, whole
from weaviate_crowd import ALLOWED, crowd, ended, patiently
from weaviate_server import Node, three_nodes
from weaviate_walk import Walk, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long, pytest.mark.story]

ROWS: Final = 400
"""So many that those which are written meanwhile are few among the neighbours by which a proof measures recall."""


@pytest.fixture(scope="module")
def cluster() -> Iterator[Sequence[Node]]:
    with three_nodes() as nodes:
        yield nodes


@pytest.fixture
def walk(cluster: Sequence[Node], tmp_path: Path) -> Iterator[Walk]:
    whole(cluster)
    with walked(cluster[0], tmp_path, rows=ROWS, url=url_of(cluster), replicationConfig={"factor": 3}) as made:
        made.allowed = ALLOWED
        made.adopted()
        made.opened()
        yield made
        mended(cluster)


def test_nothing_is_lost_mixed_doubled_or_brought_back_while_a_node_stands_still_or_is_away(
    walk: Walk, cluster: Sequence[Node]
) -> None:
    late = follower(cluster)
    with crowd(walk, rows=ROWS) as everybody:
        with frozen(late, 2.0):
            patiently(walk.filled)
        whole(cluster)
        patiently(walk.proven)
        with frozen(late, 3.0):
            patiently(walk.cut_over)
        target = walk.named()
        whole(cluster)
        with stopped(late, 3.0) as aside:
            back = aside.submit(patiently, walk.rolled_back)
        back.result()
        assert walk.named() == walk.table
        whole(cluster)
        patiently(walk.proven)
        patiently(walk.cut_over)
        time.sleep(1.5)
    ended(walk, cluster, everybody.told(), rows=ROWS, history=everybody.history())
    everybody.unharmed(walk.table, target)
