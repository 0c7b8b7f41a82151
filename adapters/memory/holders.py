"""Who is at work on which alias: a thread holds it, and one that has ended holds nothing."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import RLock, Thread, current_thread

from transvase.core.errors import Busy


class Holders:
    """At most one operator for each alias."""

    def __init__(self, *, lock: RLock) -> None:
        self._lock = lock
        self._threads: dict[str, Thread] = {}

    @contextmanager
    def hold(self, alias: str) -> Iterator[None]:
        """Be the only one; Busy names the thread that is. Nobody holds an alias twice, the same thread included."""
        mine = current_thread()
        with self._lock:
            holder = self._threads.get(alias)
            if holder is not None and holder.is_alive():
                raise Busy(alias, f"thread {holder.name}")
            self._threads[alias] = mine
        try:
            yield
        finally:
            with self._lock:
                if self._threads.get(alias) is mine:
                    del self._threads[alias]
