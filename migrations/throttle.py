"""Why a fill should wait now: the operator's wish first, then what the database suffers from, then what it refused for a while.

The first two are asked for before each batch. The third is met: a store says of its own failures which of them time may mend, and
how long it asks to be left alone. What was met by one process alone is noted in the journal, so that ``status`` shows it to all.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, TypeVar

from transvase.core.errors import StoreFailed
from transvase.core.ports import Progress, Store

T = TypeVar("T")

LOOK_S: Final = 1.0
"""Seconds between two looks: often enough for an operator, seldom enough to cost nothing."""

FIRST_S: Final = 0.5
LONGEST_S: Final = 30.0
"""The first pause after a failure that may pass, and the longest, to which they double; a store may ask for a longer one."""

ASKED_S: Final = 600.0
"""The longest pause that is made because the store asks for it."""

PATIENCE_S: Final = 3600.0
"""So long without one success, and the failure is the operator's; the same command goes on from there."""

WAITS: Final = "fill waits"
GOES_ON: Final = "fill goes on"
"""Lines of the audit log: the first has ``why`` and ``until_s`` (seconds since 1970), when it will be tried again at latest."""

NOTED_S: Final = 2.0
"""Shorter pauses are not noted."""

SLACK_S: Final = 60.0
"""How long after its time a try may last; a note that is older than this was left by a process that is no more."""


def reason(store: Store, alias: str) -> str | None:
    """Why to wait, in words for ``status``; None: nothing stands against going on."""
    migration = store.journal.load(alias)
    if migration is not None and migration.paused:
        return f"paused by an operator (`transvase resume {alias}` goes on)"
    return store.pressure(alias)


def waiting(store: Store, alias: str) -> str | None:
    """Why a fill, in whatever process, waits after a failure; None where none does."""
    told = [event for event in store.journal.history(alias) if event.what in (WAITS, GOES_ON)]
    if not told or told[-1].what == GOES_ON:
        return None
    why, until = told[-1].facts.get("why"), told[-1].facts.get("until_s")
    return str(why) if isinstance(until, int | float) and time.time() < until + SLACK_S else None


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

    def patience(self, where: Callable[[], tuple[int, int]] = lambda: (0, 0), *, stop: threading.Event | None = None) -> Patience:
        """For one step that is made again and again; each thread has its own. ``where`` gives what is done, and of how much."""
        return Patience(self, where, stop or threading.Event())

    def through(self, step: Callable[[], T]) -> T:
        """What ``step`` gives, which is made again while it fails for a reason that may pass."""
        return self.patience().through(step)

    def note(self, what: str, facts: dict[str, object]) -> None:
        """Into the audit log, if that can be written now."""
        with suppress(StoreFailed):
            self._store.journal.note(self._alias, what, facts)

    def say(self, why: str, done: int, total: int) -> None:
        """Show that there is a wait, and why."""
        self._progress(f"waiting: {why}", done, total)

    def held(self, done: int, total: int, *, stop: threading.Event) -> bool:
        """Wait while the store itself, or an operator, gives a reason to; True where there was one."""
        if self._why() is None:
            return False
        self._held(done, total, stop=stop)
        return True

    def _held(self, done: int, total: int, *, stop: threading.Event) -> float:
        started = time.monotonic()
        while (why := self._why()) is not None:
            self.say(why, done, total)
            if stop.wait(LOOK_S / 2):
                break
        self._looked = time.monotonic()
        return self._looked - started

    def _why(self) -> str | None:
        """``reason``; a store that cannot be asked just now gives none, and is found out by whoever goes on."""
        try:
            return reason(self._store, self._alias)
        except StoreFailed as error:
            if not error.passing:
                raise
            return None


class Patience:
    """The pauses of one step: they grow from one failure to the next, and begin anew when it succeeds."""

    def __init__(self, throttle: Throttle, where: Callable[[], tuple[int, int]], stop: threading.Event) -> None:
        self._throttle, self._where, self._stop = throttle, where, stop
        self._pause = FIRST_S
        self._since: float | None = None
        self._noted = False
        self.waited_s = 0.0

    def through(self, step: Callable[[], T]) -> T:
        """What ``step`` gives, which is made again after each failure that ``after`` takes."""
        while True:
            try:
                found = step()
            except StoreFailed as error:
                self.after(error)
            else:
                self.over()
                return found

    def after(self, error: StoreFailed) -> None:
        """Return when what failed may be tried again.

        The error is raised where neither the store nor an operator gives a reason to wait and time does not mend it, where the
        step has not succeeded for ``PATIENCE_S``, and where it is to stop.
        """
        started = time.monotonic()
        if self._since is None:
            self._since = started
        held = not self._stop.is_set() and self._throttle.held(*self._where(), stop=self._stop)
        if not held:
            if not error.passing or started - self._since > PATIENCE_S:
                raise error
            self._paused(error)
        self.waited_s += time.monotonic() - started
        if self._stop.is_set():
            raise error

    def over(self) -> None:
        """It succeeded."""
        if self._noted:
            self._throttle.note(GOES_ON, {})
        self._pause, self._since, self._noted = FIRST_S, None, False

    def _paused(self, error: StoreFailed) -> None:
        drawn = self._pause * random.uniform(0.5, 1.0)  # noqa: S311 - spreads the callers; nothing is kept secret by it
        pause = max(drawn, min(error.after_s or 0.0, ASKED_S))
        self._throttle.say(f"{error} (again in {pause:.0f} s)", *self._where())
        if pause >= NOTED_S or self._noted:
            self._throttle.note(WAITS, {"why": str(error), "until_s": round(time.time() + pause, 3)})
            self._noted = True
        self._stop.wait(pause)
        self._pause = min(self._pause * 2, LONGEST_S)
