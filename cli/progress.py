"""How work in progress looks: a bar with rate and time left on a terminal, plain lines elsewhere. Always on stderr."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, Task, TaskID, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bars
from transvase.core.ports import Progress

_EVERY_S: Final = 5.0
"""Seconds between two plain lines about the same thing: a log that can be read, and a sign of life."""


@contextmanager
def progress_to_stderr() -> Iterator[Progress]:
    """Give a Progress that may be called from any thread; what it showed last stays to be seen."""
    if not sys.stderr.isatty():
        yield Lines()
        return
    columns = (
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        yield TerminalBar(bars)


class TerminalBar:
    """One bar moves at a time: a new subject ends the one before, which stays to be seen if it came to its end."""

    def __init__(self, bars: Bars) -> None:
        self._bars, self._lock = bars, threading.Lock()
        self._subject, self._task = "", TaskID(-1)

    def __call__(self, what: str, done: int, total: int) -> None:
        """Show how far ``what`` is; a total of 0 is unknown."""
        with self._lock:
            if what != self._subject:
                self._end()
                self._subject, self._task = what, self._bars.add_task(what, total=total or None, rate="")
            task = self._shown()
            rate = f"{task.speed:,.0f}/s" if task is not None and task.speed and total else ""
            self._bars.update(self._task, completed=done, total=total or None, rate=rate)

    def _end(self) -> None:
        task = self._shown()
        if task is not None and task.finished:
            self._bars.stop_task(task.id)
        elif task is not None:
            self._bars.remove_task(task.id)

    def _shown(self) -> Task | None:
        return next((task for task in self._bars.tasks if task.id == self._task), None)


class Lines:
    """A line when the subject changes, one when it is done, and one every few seconds in between."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._subject, self._base = "", 0
        self._begun = self._said = time.monotonic()

    def __call__(self, what: str, done: int, total: int) -> None:
        """Say how far ``what`` is; a total of 0 is unknown."""
        with self._lock:
            now = time.monotonic()
            fresh = what != self._subject
            if fresh:
                self._subject, self._base, self._begun = what, done, now
            if fresh or now - self._said >= _EVERY_S or (total and done >= total):
                self._said = now
                click.echo(self._line(what, done, total, now), err=True)

    def _line(self, what: str, done: int, total: int, now: float) -> str:
        passed, seconds = done - self._base, now - self._begun
        line = f"{what}: {done:,} of {total:,}" if total else what
        if total and passed > 0 and seconds > 0:
            rate = passed / seconds
            line += f", {rate:,.0f}/s" + (f", {(total - done) / rate:,.0f} s left" if done < total else "")
        return line
