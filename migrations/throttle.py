"""Why a fill should wait now: the operator's wish first, then what the database suffers from."""

from __future__ import annotations

import threading
import time
from typing import Final

from transvase.core.errors import TransvaseError
from transvase.core.ports import Progress, Store

LOOK_S: Final = 1.0
"""Seconds between two looks: often enough for an operator, seldom enough to cost nothing."""


def reason(store: Store, alias: str) -> str | None:
    """Why to wait, in words for ``status``; None: nothing stands against going on."""
    migration = store.journal.load(alias)
    if migration is not None and migration.paused:
        return f"paused by an operator (`transvase resume {alias}` goes on)"
    return store.pressure(alias)


class Throttle:
    """Holds a loop back while there is a reason to; remembers when it looked last."""

    def __init__(self, store: Store, alias: str, *, progress: Progress) -> None:
        self._store, self._alias, self._progress = store, alias, progress
        self._looked = float("-inf")

    def wait(self, done: int, total: int, *, stop: threading.Event) -> float:
        """Return at once, or when the reason has gone or ``stop`` is set; gives the seconds that were waited."""
        if time.monotonic() - self._looked < LOOK_S:
            return 0.0
        return self._held(done, total, stop=stop)

    def after(self, error: TransvaseError, done: int, total: int, *, stop: threading.Event) -> None:
        """Return when what failed may be tried again, having waited for as long as the store itself gives a reason to.

        Without such a reason the error is raised.
        """
        if reason(self._store, self._alias) is None or stop.is_set():
            raise error
        self._held(done, total, stop=stop)
        if stop.is_set():
            raise error

    def _held(self, done: int, total: int, *, stop: threading.Event) -> float:
        started = time.monotonic()
        while (why := reason(self._store, self._alias)) is not None:
            self._progress(f"waiting: {why}", done, total)
            if stop.wait(LOOK_S / 2):
                break
        self._looked = time.monotonic()
        return self._looked - started
