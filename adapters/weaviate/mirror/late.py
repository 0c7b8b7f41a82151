"""Entries of writes of which nobody knows what became: held back for a while, since what was sent may still arrive.

A payer that looked at once would settle what a request, waiting in a node that does not answer, is about to change.
"""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Sequence
from threading import Condition, Thread
from typing import Final

from transvase.adapters.ledger.port import Ledger
from transvase.core.errors import TransvaseError

HELD_S: Final = 5.0

_log = logging.getLogger(__name__)


class Late:
    """What one mirror holds back. Its thread lives only while there is something to wait for."""

    def __init__(self, ledger: Ledger, alias: str, *, held_s: float = HELD_S) -> None:
        self._ledger, self._alias, self._held_s = ledger, alias, held_s
        self._door = Condition()
        self._waiting: deque[tuple[float, tuple[int, ...]]] = deque()
        self._thread: Thread | None = None
        self._closed = False

    def hold(self, entries: Sequence[int]) -> None:
        """Leave these entries, in flight until then, when ``held_s`` have passed."""
        with self._door:
            self._waiting.append((time.monotonic() + self._held_s, tuple(entries)))
            if self._thread is None:
                self._thread = Thread(target=self._watch, name=f"doubts of {self._alias}", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Leave everything now."""
        with self._door:
            self._closed = True
            self._door.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join()

    def _watch(self) -> None:
        while True:
            with self._door:
                if not self._waiting:
                    self._thread = None
                    return
                due, entries = self._waiting[0]
                if not self._closed and (rest := due - time.monotonic()) > 0:
                    self._door.wait(rest)
                    continue
                self._waiting.popleft()
            try:
                end = self._ledger.leave if self._ledger.capture(self._alias).on else self._ledger.settle
                end(self._alias, entries)
            except TransvaseError as error:  # they stay in flight, and are everybody's when this process ends
                _log.warning("%d writes of unknown outcome stay in flight: %s", len(entries), error)
