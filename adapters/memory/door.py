"""The door of a table, before which its writers wait while somebody pays what the others owe."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager


class Door:
    """Open unless somebody holds it; who holds it passes."""

    def __init__(self) -> None:
        self._moved = threading.Condition()
        self._until, self._holder = 0.0, 0

    def passed(self) -> None:
        """Return when it is open."""
        with self._moved:
            while self._holder != threading.get_ident() and (rest := self._until - time.monotonic()) > 0:
                self._moved.wait(rest)

    @contextmanager
    def held(self, *, most_s: float) -> Iterator[None]:
        """Shut until the block ends, or ``most_s`` have passed."""
        self._set(time.monotonic() + most_s, threading.get_ident())
        try:
            yield
        finally:
            self._set(0.0, 0)

    def _set(self, until: float, holder: int) -> None:
        with self._moved:
            self._until, self._holder = until, holder
            self._moved.notify_all()
