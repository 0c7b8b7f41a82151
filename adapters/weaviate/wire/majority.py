"""How many hosts have to be asked so that no acknowledged write passes them all by, and their answers to one question.

The server's own reading by a majority is none where several objects are read at once (1.39): a list, a search and a filter are
answered from one copy, that of the node that was asked where it has one, and the others are consulted at most about what that
one holds. What a node missed while it was away does not appear, and what is older there is told as it is. Nobody says which node
a host of the address is, or whether it is one: so hosts are counted, and not trusted where they are fewer than are needed.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TYPE_CHECKING, Final, TypeVar
from weakref import WeakKeyDictionary

from transvase.core.errors import TransvaseError, Unfit

from .failures import passing

if TYPE_CHECKING:
    from .connection import Connection
    from .line import Line

KNOWN_S: Final = 60.0
"""For how long a count of the nodes is believed."""
ASK_S: Final = 2.0
GRACE_S: Final = 2.0
"""How long the others are waited for when enough have answered."""
ASIDE_S: Final = 60.0
"""How long a host that did not answer is not waited for."""

T = TypeVar("T")

_NODES: Final[WeakKeyDictionary[Line, tuple[float, float]]] = WeakKeyDictionary()
"""By the first host of an address."""
_ASIDE: Final[WeakKeyDictionary[Line, float]] = WeakKeyDictionary()


def needed(connection: Connection, copies: int) -> float:
    """Hosts of which one at least has what a majority of the copies took, wherever they lie; infinite where nobody may count.

    A write is acknowledged by ``copies // 2 + 1`` nodes: so many, less one, may be asked in vain, and those that have no copy.
    """
    return max(_nodes(connection), len(connection.each), copies) - copies // 2


def enough(connection: Connection, copies: int) -> bool:
    """True where the address names as many hosts as are needed."""
    return copies > 1 and len(connection.each) > 1 and len(connection.each) >= needed(connection, copies)


def too_few(connection: Connection, name: str, copies: int) -> str:
    """What a walk does not see where the address names too few hosts; empty where it names enough, or there is one copy."""
    if copies == 1 or enough(connection, copies):
        return ""
    named = len(connection.each)
    return (
        f"{name} has {copies} copies of each object, and the URL names {named} host{'s' if named > 1 else ''}: a walk does "
        "not see what was added past Mirror while the node that answers was away; name every node in the URL"
    )


def asked(connection: Connection, copies: int, ask: Callable[[Line, bool], T]) -> list[T]:
    """The answers of the hosts, of as many as are needed at least; for an address of which ``enough`` is true.

    One of them is asked with True, and its answer comes first. A host that fails while enough others answer is passed over, and
    one that is slow is not waited for. The first failure where too few answer.
    """
    lines = list(connection.each)
    need = min(needed(connection, copies), len(lines))
    while True:
        now = time.monotonic()
        quick = [line for line in lines if _ASIDE.get(line, 0.0) < now]
        first, *others = quick if len(quick) >= need else lines
        found = _gathered(first, others, ask, need=need)
        if first in found:
            return [found.pop(first), *found.values()]
        lines.remove(first)


def _gathered(first: Line, others: list[Line], ask: Callable[[Line, bool], T], *, need: float) -> dict[Line, T]:
    pool = ThreadPoolExecutor(len(others) + 1)
    waiting: dict[Future[T], Line] = {pool.submit(ask, line, line is first): line for line in (first, *others)}
    found: dict[Line, T] = {}
    failures: list[TransvaseError] = []
    end = math.inf
    try:
        while waiting:
            if len(found) >= need and first not in waiting.values():
                end = min(end, time.monotonic() + GRACE_S)
            left = None if end == math.inf else max(end - time.monotonic(), 0.0)
            done, _ = wait(waiting, timeout=left, return_when=FIRST_COMPLETED)
            if not done:
                break
            for one in done:
                line = waiting.pop(one)
                try:
                    found[line] = one.result()
                except TransvaseError as error:
                    failures.append(error)
                    _set_aside(line, error)
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    for line in waiting.values():
        _set_aside(line)
    if len(found) < need:
        raise failures[0]
    return found


def _set_aside(line: Line, error: TransvaseError | None = None) -> None:
    if error is None or passing(error):
        _ASIDE[line] = time.monotonic() + ASIDE_S


def _nodes(connection: Connection) -> float:
    """Nodes of the cluster, the most that were seen at once: one that is away is not told, and may be the one that knows."""
    count, at = _NODES.get(connection.each[0], (0.0, -math.inf))
    if time.monotonic() - at > KNOWN_S:
        try:
            count = max(count, len(connection.nodes(timeout_s=ASK_S)))
        except Unfit:
            count = math.inf
        except TransvaseError as error:
            if not passing(error):
                raise
        _NODES[connection.each[0]] = count, time.monotonic()
    return count
