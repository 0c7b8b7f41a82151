"""Locks by which the threads of one process write one key after the other: what overlaps is left to a worker to compare."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from threading import Lock
from typing import Final

from transvase.core.record import Key

STRIPES: Final = 512


class Stripes:
    """A fixed number of locks, each for all keys that fall on it."""

    def __init__(self) -> None:
        self._locks = tuple(Lock() for _ in range(STRIPES))

    @contextmanager
    def held(self, keys: Sequence[Key]) -> Iterator[None]:
        """Nobody else in this process writes these keys meanwhile. Taken in one order by all, so that nobody waits in a ring."""
        with ExitStack() as stack:
            for stripe in sorted({hash(key) % STRIPES for key in keys}):
                stack.enter_context(self._locks[stripe])
            yield
