"""Whether every node of the cluster serves what the leader has decided: an alias is moved on the leader, and followers follow.

Each node says in the cluster's statistics how far it has applied the common log, and all of them who has a vote. A node that has
applied what had been committed when we asked answers with the alias as it was then, whichever host it is asked through. One
that is stopped is in no statistics and keeps its vote. One that is frozen keeps the statistics from being told at all, until
the others have noticed: then the hosts of the address are asked one by one, to name it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from transvase.adapters.weaviate.wire.failures import passing
from transvase.core.errors import TransvaseError, Unfit

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection
    from transvase.adapters.weaviate.wire.line import Line

ASK_S: Final = 2.0
"""How long one look at the statistics may take; whole clusters answered within 10 ms."""
PAUSE_S: Final = 0.01
ANEW_S: Final = 600.0
SUFFRAGE: Final = (0, "Voter", "0")


def behind(connection: Connection, *, patience_s: float) -> tuple[str, ...]:
    """Nodes that have not applied what was committed when this was called, once ``patience_s`` is over; () as soon as all have.

    Unfit where this user may not read the statistics of a cluster of several nodes.
    """
    goal: int | None = None
    end = time.monotonic() + patience_s
    while True:
        left, goal = _look(connection, goal)
        if not left or time.monotonic() >= end:
            return left
        time.sleep(PAUSE_S)


def beginnings(connection: Connection) -> tuple[object, ...]:
    """Something that is another after a node has begun anew; () where this user may not read it.

    The end of a single node, or of a leader, brings an election, and the term tells of it. Nothing tells of a follower's: where
    there are several nodes, it is another every ``ANEW_S``.
    """
    try:
        answer = connection.rest("GET", "/cluster/statistics", doing="asking for the cluster's state", timeout_s=ASK_S)
    except Unfit:
        return ()
    nodes = (answer or {}).get("statistics") or []
    told = sorted((str(node["name"]), _number(node, "term")) for node in nodes)
    return (*told, time.monotonic() // ANEW_S if len(told) > 1 else 0)


def _look(connection: Connection, goal: int | None) -> tuple[tuple[str, ...], int | None]:
    try:
        answer = connection.rest("GET", "/cluster/statistics", doing="asking for the cluster's state", timeout_s=ASK_S)
    except Unfit:
        if len(connection.nodes()) == 1:
            return (), goal
        raise
    except TransvaseError as error:
        if not passing(error):
            raise
        return _silent(connection), goal
    nodes = (answer or {}).get("statistics") or []
    applied = {str(node["name"]): _number(node, "appliedIndex") for node in nodes}
    if goal is None:
        goal = max((_number(node, "commitIndex") for node in nodes), default=0)
    voters = {
        str(one["id"]) for node in nodes for one in _raft(node).get("latestConfiguration") or () if one["suffrage"] in SUFFRAGE
    }
    return tuple(sorted(name for name in voters | set(applied) if applied.get(name, -1) < goal)), goal


def _silent(connection: Connection) -> tuple[str, ...]:
    """The hosts of the address that do not answer for themselves; one that nobody can name where all of them do."""
    found = [str(line.host) for line in connection.each if not _alive(line)]
    return tuple(sorted(found)) or ("a node that does not answer the others",)


def _alive(line: Line) -> bool:
    try:
        line.rest("GET", "/meta", doing="looking whether it answers", timeout_s=ASK_S)
    except TransvaseError as error:
        return not passing(error)
    return True


def _raft(node: Mapping[str, Any]) -> Mapping[str, Any]:
    return node.get("raft") or {}


def _number(node: Mapping[str, Any], name: str) -> int:
    return int(_raft(node).get(name) or 0)
