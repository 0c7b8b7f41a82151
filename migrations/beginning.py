"""How a command begins on a store that is busy, takes no writes, has no leader or is being started: it waits, says why, goes on.

Every verb may be made once more from any point, so that is what is done with one that meets in its first minute what time mends
by itself. Later a failure is met by who works (``throttle.py``), or is the operator's. At the first contact nobody knows yet that
there is a store at that address at all: what was not answered there is no ``anew``, and a mistyped host is told at once.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final, TypeVar

from transvase.core.errors import StoreFailed
from transvase.core.ports import Progress

T = TypeVar("T")

PATIENCE_S: Final = 60.0
"""So long after a command began, and its failure is the operator's."""
FIRST_S: Final = 0.5
LONGEST_S: Final = 5.0
"""The first pause, and the longest, to which they double; a store may ask for a longer one."""


class Beginning:
    """One command's; all that it begins with shares its patience.

    ``holding``: the caller holds the alias, so nothing is made anew that may have cost the session in which he does.
    """

    def __init__(self, progress: Progress, *, holding: bool = False) -> None:
        self._progress, self._holding = progress, holding
        self._end, self._pause = time.monotonic() + PATIENCE_S, FIRST_S

    def through(self, step: Callable[[], T]) -> T:
        """What ``step`` gives, which is made anew after each failure that may be mended so; its last failure when time is up."""
        while True:
            try:
                return step()
            except StoreFailed as error:
                pause = max(self._pause * random.uniform(0.5, 1.0), error.after_s or 0.0)  # noqa: S311 - spreads the callers
                mends = error.passing if self._holding else error.anew
                if not mends or time.monotonic() + pause > self._end:
                    raise
                self._progress(f"waiting: {error} (again in {pause:.0f} s)", 0, 0)
            time.sleep(pause)
            self._pause = min(2 * self._pause, LONGEST_S)
