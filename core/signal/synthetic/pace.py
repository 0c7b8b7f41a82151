"""When the next request may be sent: so many a minute, and none while the endpoint has asked everybody to wait."""

from __future__ import annotations

import math
import threading
import time
from typing import Final

from transvase.core.errors import BadValue

LONGEST_WAIT_S: Final = 300.0
"""What an endpoint's Retry-After may hold us up at most; it may say the same again."""


class Pace:
    """Shared by all workers of a run. Waiting ends at once when the run is stopped."""

    def __init__(self, *, per_minute: float | None, stop: threading.Event) -> None:
        """``per_minute`` None: as fast as the workers are. BadValue for a rate that is none."""
        if per_minute is not None and not (math.isfinite(per_minute) and per_minute > 0):
            raise BadValue("--rate", per_minute, why="requests a minute are needed, more than 0")
        self._apart_s = 60.0 / per_minute if per_minute else 0.0
        self._stop, self._lock = stop, threading.Lock()
        self._next = time.monotonic()
        self._held_until = self._next

    def wait(self) -> bool:
        """Wait for a place in the row; False when the run was stopped meanwhile."""
        with self._lock:
            mine = max(self._next, time.monotonic())
            self._next = mine + self._apart_s
        while not self._stop.is_set():
            left = max(mine, self._held_until) - time.monotonic()
            if left <= 0:
                return True
            self._stop.wait(left)
        return False

    def hold(self, seconds: float) -> None:
        """Let nobody send anything for a while."""
        with self._lock:
            self._held_until = max(self._held_until, time.monotonic() + min(max(seconds, 0.0), LONGEST_WAIT_S))
