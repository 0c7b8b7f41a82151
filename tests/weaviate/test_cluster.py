"""Three nodes, of which one is frozen or stopped in the middle of a switch: it is over when all agree, and not before."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from transvase.adapters.weaviate.switching import agreement, pointing
from transvase.core.errors import NotReady, StoreFailed
from weaviate_cluster import follower, leader, mended, url_of, whole
from weaviate_server import Node, three_nodes
from weaviate_walk import Walk, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long]

ROWS = 40
REPLICATED = {"replicationConfig": {"factor": 3}}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Sequence[Node]]:
    with three_nodes() as nodes:
        yield nodes


@pytest.fixture
def walk(cluster: Sequence[Node], tmp_path: Path) -> Iterator[Walk]:
    mended(cluster)
    with walked(cluster[0], tmp_path, rows=ROWS, url=url_of(cluster), **REPLICATED) as made:
        yield made
        for one in cluster:
            one.thaw()


def searched(node: Node, alias: str, vector: list[float]) -> dict[str, object]:
    """What an application's own query through the alias gets from this node."""
    query = f"{{ Get {{ {alias}(limit: 3, nearVector: {{vector: {vector}}}) {{ body _additional {{ id }} }} }} }}"
    found: dict[str, object] = httpx.post(f"http://127.0.0.1:{node.rest}/v1/graphql", json={"query": query}, timeout=10).json()
    return found


def test_a_switch_on_three_nodes_is_over_when_all_of_them_serve_the_new_side(walk: Walk, cluster: Sequence[Node]) -> None:
    target = walk.ready()
    outcome = walk.cut_over()
    assert 0 < float(str(outcome.figures["switch_s"])) < pointing.AGREE_S
    assert walk.store.behind(walk.alias) == ()
    width = walk.store.alias(walk.alias).live.width
    for node in cluster:
        assert "errors" not in searched(node, walk.server_alias, [0.1] * width)
        assert "errors" in searched(node, walk.server_alias, [0.1] * (width - 1))
    assert walk.named() == target


def test_a_frozen_follower_is_named_and_the_switch_is_recorded_when_it_answers_again(
    walk: Walk, cluster: Sequence[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pointing, "AGREE_S", 3.0)
    target = walk.ready()
    frozen = follower(cluster)
    frozen.freeze()
    with pytest.raises(NotReady) as refused:
        cut_over_patiently(walk)
    assert frozen.name in str(refused.value) or str(frozen.rest) in str(refused.value)
    migration = walk.store.journal.load(walk.alias)
    assert migration is not None
    assert (migration.phase, walk.store.alias(walk.alias).live.name) == ("proven", target)
    frozen.thaw()
    whole(cluster)
    assert walk.cut_over().migration.phase == "live"
    assert walk.store.ledger.doubts(walk.alias) == []


def test_a_stopped_follower_is_named_although_the_cluster_has_forgotten_it(
    walk: Walk, cluster: Sequence[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pointing, "AGREE_S", 2.0)
    walk.ready()
    stopped = follower(cluster)
    stopped.stop()
    with pytest.raises(NotReady, match=stopped.name):
        cut_over_patiently(walk)
    stopped.start()
    stopped.wait()
    whole(cluster)
    assert walk.cut_over().migration.phase == "live"
    assert len(walk.application.all(walk.server_alias)) == ROWS


def test_a_leader_that_freezes_in_the_middle_is_replaced_and_its_late_move_is_put_right(
    walk: Walk, cluster: Sequence[Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The move that it was sent and never answered may take place when it thaws: after we have gone back."""
    monkeypatch.setattr(pointing, "AGREE_S", 3.0)
    walk.ready()
    leads = leader(cluster)
    leads.freeze()
    try:
        with pytest.raises((NotReady, StoreFailed)):
            cut_over_patiently(walk)
    finally:
        leads.thaw()
    whole(cluster)
    assert walk.cut_over().migration.phase == "live"
    walk.rolled_back()
    time.sleep(2)
    assert walk.named() == walk.table
    assert walk.store.alias(walk.alias).live.name == walk.table
    assert walk.store.ledger.doubts(walk.alias) == []


def test_every_answer_through_the_alias_is_whole_and_from_one_side_while_it_is_moved(walk: Walk, cluster: Sequence[Node]) -> None:
    """Readers who use the alias by themselves, on every node: the old side's ids, the new side's, or the server's error."""
    target = walk.ready()
    sides = {name: {str(one["id"]) for one in walk.application.all(name)} for name in (walk.table, target)}
    assert sides[walk.table] == sides[target]
    old, new = (walk.store.alias(walk.alias).live.width, walk.store.alias(walk.alias).live.width + 1)
    stop, seen = threading.Event(), list[tuple[int, bool]]()

    def read(node: Node, width: int) -> None:
        while not stop.is_set():
            answer = searched(node, walk.server_alias, [0.1] * width)
            whole_ = "errors" not in answer and len(answer["data"]["Get"][walk.server_alias]) == 3  # type: ignore[index]
            assert whole_ or "errors" in answer
            seen.append((width, whole_))

    threads = [threading.Thread(target=read, args=(node, width)) for node in cluster for width in (old, new)]
    for thread in threads:
        thread.start()
    walk.cut_over()
    before = len(seen)
    time.sleep(0.5)
    stop.set()
    for thread in threads:
        thread.join()
    assert (old, True) in seen[:before]
    after = seen[before + len(threads) :]
    assert after
    assert all(whole_ == (width == new) for width, whole_ in after)


def test_nodes_that_agree_are_found_to_agree_within_a_fraction_of_a_second(walk: Walk) -> None:
    started = time.monotonic()
    assert agreement.behind(walk.store.connection, patience_s=5.0) == ()
    assert time.monotonic() - started < 5.0


def cut_over_patiently(walk: Walk) -> None:
    """A cutover while a node is gone: what fails for that is tried again, until the switch itself is refused or made."""
    end = time.monotonic() + 90
    while True:
        try:
            walk.cut_over()
        except StoreFailed:
            if time.monotonic() > end:
                raise
            time.sleep(1)
        else:
            return
