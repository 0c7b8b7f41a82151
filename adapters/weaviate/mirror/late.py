"""How a mirror's entries end in the ledger: at once, after a while where a request may still arrive, or when it takes the note.

A payer that looked at once would settle what a request, waiting in a node that does not answer, is about to change. And an end
that the ledger did not take (a full disk, a lock) is no error of the write, which is done: it is noted again until it is kept.
As long as it is not, the entry is in flight, which nobody may pay.
"""

from __future__ import annotations

import heapq
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import count
from threading import Condition, Thread
from typing import Final

from transvase.adapters.ledger.port import Ledger
from transvase.core.errors import TransvaseError

HELD_S: Final = 5.0
AGAIN_S: Final = 0.2
"""Until an end is noted again; twice as long each time, up to ``AGAIN_MOST_S``."""
AGAIN_MOST_S: Final = 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class End:
    """What is to be noted of some entries, and how long it waits if it fails once more."""

    note: Callable[[], object]
    entries: int
    pause_s: float = AGAIN_S


class Late:
    """What one mirror holds back. Its thread lives only while there is something to wait for."""

    def __init__(self, ledger: Ledger, alias: str, *, held_s: float = HELD_S) -> None:
        self._ledger, self._alias, self._held_s = ledger, alias, held_s
        self._door = Condition()
        self._waiting: list[tuple[float, int, End]] = []
        self._numbers = count()
        self._thread: Thread | None = None
        self._closed = False

    def hold(self, entries: Sequence[int]) -> None:
        """Leave these entries, in flight until then, when ``held_s`` have passed; where nothing is captured, they just end."""
        some = tuple(entries)
        self._wait(End(lambda: self._freed(some), len(some)), self._held_s)

    def leave(self, entries: Sequence[int], *, only: str | None = None) -> None:
        """Leave these entries owed, now or as soon as it can be noted."""
        some = tuple(entries)
        self._try(End(lambda: self._ledger.leave(self._alias, some, only=only), len(some)))

    def settle(self, entries: Sequence[int]) -> None:
        """Settle these entries, now or as soon as it can be noted."""
        some = tuple(entries)
        self._try(End(lambda: self._ledger.settle(self._alias, some), len(some)))

    def close(self) -> None:
        """Leave everything now. What cannot be noted even then is everybody's when the ledger is closed."""
        with self._door:
            self._closed = True
            self._door.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _freed(self, entries: Sequence[int]) -> None:
        if self._ledger.capture(self._alias).on:
            self._ledger.leave(self._alias, entries)
        else:
            self._ledger.settle(self._alias, entries)

    def _try(self, end: End) -> None:
        """Note it, or wait to note it again; what is no failure of the ledger's is raised all the same."""
        try:
            end.note()
        except BaseException as error:
            again = replace(end, pause_s=min(2 * end.pause_s, AGAIN_MOST_S))
            stays = self._closed
            if not stays:
                self._wait(again, end.pause_s)
            if not isinstance(error, TransvaseError):
                raise
            if stays or end.pause_s == AGAIN_S:
                until = "this process ends" if stays else "it can be noted"
                _log.warning("%d writes of %r stay in flight until %s: %s", end.entries, self._alias, until, error)

    def _wait(self, end: End, pause_s: float) -> None:
        with self._door:
            heapq.heappush(self._waiting, (time.monotonic() + pause_s, next(self._numbers), end))
            self._door.notify_all()
            if self._thread is None or not self._thread.is_alive():  # a forked child inherits no thread
                self._thread = Thread(target=self._watch, name=f"doubts of {self._alias}", daemon=True)
                self._thread.start()

    def _watch(self) -> None:
        while True:
            with self._door:
                if not self._waiting:
                    self._thread = None
                    return
                due, _, end = self._waiting[0]
                if not self._closed and (rest := due - time.monotonic()) > 0:
                    self._door.wait(rest)
                    continue
                heapq.heappop(self._waiting)
            self._try(end)
