"""How long readers and writers waited: one Operation each, and the figures drawn from many."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing an application asked for. Times are ``time.monotonic()`` seconds; ``seconds`` runs until its answer was there."""

    actor: str
    kind: str
    began: float
    seconds: float

    @property
    def ended(self) -> float:
        """When the answer was there."""
        return self.began + self.seconds


@dataclass(frozen=True, slots=True)
class Span:
    """A named stretch of the story, such as one move of the migration."""

    name: str
    began: float
    ended: float

    @property
    def seconds(self) -> float:
        """Its length."""
        return self.ended - self.began


class Timeline:
    """The spans of one story in the order in which they ended."""

    def __init__(self) -> None:
        self._spans: list[Span] = []
        self._lock = threading.Lock()

    @contextmanager
    def span(self, name: str) -> Iterator[None]:
        """Remember how long the block took, if it ended well."""
        began = time.monotonic()
        yield
        with self._lock:
            self._spans.append(Span(name, began, time.monotonic()))

    @property
    def spans(self) -> tuple[Span, ...]:
        """What has ended so far."""
        with self._lock:
            return tuple(self._spans)


def within(operations: Iterable[Operation], began: float, ended: float) -> list[Operation]:
    """Operations that were under way at any moment between the two: one that began before a move may be what the move held up."""
    return [operation for operation in operations if operation.ended >= began and operation.began <= ended]


def longest_ms(operations: Iterable[Operation]) -> float:
    """The longest wait in milliseconds; 0 where nothing was asked."""
    return 1000 * max((operation.seconds for operation in operations), default=0.0)


def quantile_ms(operations: Iterable[Operation], share: float) -> float:
    """The wait in milliseconds that ``share`` of the operations did not exceed (nearest rank); 0 where nothing was asked."""
    waits = sorted(operation.seconds for operation in operations)
    if not waits:
        return 0.0
    return 1000 * waits[min(len(waits) - 1, max(0, -int(-share * len(waits) // 1) - 1))]


def peaks(operations: Sequence[Operation], *, width: float) -> list[tuple[float, float]]:
    """(start, longest wait in seconds that ended in it) of every stretch of ``width`` seconds in which one ended."""
    highest: dict[int, float] = {}
    for operation in operations:
        place = int(operation.ended // width)
        highest[place] = max(highest.get(place, 0.0), operation.seconds)
    return [(place * width, highest[place]) for place in sorted(highest)]
