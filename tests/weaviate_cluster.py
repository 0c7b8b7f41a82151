"""A cluster of three as its tests speak of it: its address, who leads, who follows, and whether all are together again."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import httpx
import pytest
from weaviate_server import Node


def url_of(nodes: Sequence[Node]) -> str:
    hosts = ",".join(f"127.0.0.1:{one.rest}" for one in nodes)
    return f"weaviate://{hosts}?grpc={','.join(str(one.grpc) for one in nodes)}"


def statistics(node: Node) -> list[dict[str, object]]:
    found: list[dict[str, object]] = httpx.get(f"http://127.0.0.1:{node.rest}/v1/cluster/statistics", timeout=20).json()[
        "statistics"
    ]
    return found


def leader(nodes: Sequence[Node]) -> Node:
    """The node that leads now, as one that runs says; an election is waited for."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        for one in statistics(next(node for node in nodes if node.running)):
            if one["raft"]["state"] == "Leader":  # type: ignore[index]
                return next(node for node in nodes if node.name == one["name"])
        time.sleep(0.2)
    raise AssertionError("nobody leads")


def follower(nodes: Sequence[Node]) -> Node:
    """A node that does not lead, and is not the one that the application uses."""
    leads = leader(nodes)
    return next(node for node in nodes[1:] if node is not leads)


def chosen(nodes: Sequence[Node], who: str) -> tuple[Node, list[Node]]:
    """The node that is to go, and the hosts in the order in which everybody knows them."""
    leads = leader(nodes)
    others = [one for one in nodes if one is not leads]
    if who == "the leader":
        return leads, [*others, leads]
    if who == "the first host":
        return others[0], [others[0], leads, others[1]]
    return leads, [leads, *others]


@contextmanager
def away(node: Node, nodes: Sequence[Node]) -> Iterator[None]:
    """The node is down meanwhile, and serves again afterwards with all the others."""
    node.stop()
    try:
        yield
    finally:
        node.start()
        node.wait()
    whole(nodes)


@contextmanager
def frozen(node: Node, seconds: float) -> Iterator[None]:
    """The node stands still for so long, whatever happens meanwhile."""
    node.freeze()
    timer = threading.Timer(seconds, node.thaw)
    timer.start()
    try:
        yield
    finally:
        timer.join()


@contextmanager
def stopped(node: Node, seconds: float) -> Iterator[ThreadPoolExecutor]:
    """The node is down, and is started after so long: here, for it would end with a thread that started it. Moves run aside."""
    node.stop()
    with ThreadPoolExecutor(1) as aside:
        yield aside
        time.sleep(seconds)
        node.start()
        node.wait()


def mended(nodes: Sequence[Node]) -> None:
    """Whichever is frozen or down serves again, and all of them are together."""
    for one in nodes:
        one.thaw()
        if not one.running:
            one.start()
    for one in nodes:
        one.wait()
    whole(nodes)


def whole(nodes: Sequence[Node]) -> None:
    """Wait until every node sees all the others."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            if all(len(statistics(node)) == len(nodes) for node in nodes):
                return
        except (httpx.HTTPError, KeyError):
            pass
        time.sleep(0.2)
    pytest.fail("the cluster did not come together")
