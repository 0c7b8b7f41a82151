"""Which entries this process has in flight, under which sign of life; and what becomes of those it never heard of.

A commit whose answer was lost may have left entries that nobody here will ever settle. So after every failed ``intend`` new
entries get a new sign of life, and the old one ends with the last entry known under it: what then is left was never heard
of, and is everybody's to pay.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from transvase.core.record import Key

from .pages import Life, Pages


@dataclass(frozen=True, slots=True)
class Flight:
    """What an entry in flight is of, and the site that was to be written first."""

    key: Key
    first: str


@dataclass(slots=True)
class Writer:
    """One sign of life and the entries in flight under it."""

    life: Life
    flying: dict[int, Flight] = field(default_factory=dict)
    at_work: int = 0
    """Calls of ``intend`` that have taken it and not come back."""
    retired: bool = False


class Writers:
    """The writers of one ledger in one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._now: Writer | None = None
        self._of: dict[int, Writer] = {}

    def take(self, pages: Pages) -> Writer:
        """The writer for one ``intend``; ``landed`` or ``failed`` gives it back."""
        with self._lock:
            if self._now is not None and not self._now.life.sound():
                self._retire(self._now)
            if self._now is None:
                self._now = Writer(pages.enlist())
            self._now.at_work += 1
            return self._now

    def token(self, pages: Pages) -> str:
        """A living sign of this process, for what is not an entry."""
        writer = self.take(pages)
        self.landed(writer, {})
        return writer.life.token

    def landed(self, writer: Writer, entries: Mapping[int, Flight]) -> None:
        """These entries are in flight now."""
        with self._lock:
            writer.at_work -= 1
            writer.flying.update(entries)
            self._of.update(dict.fromkeys(entries, writer))
            self._bury(writer)

    def failed(self, writer: Writer) -> None:
        """Nobody knows what was kept."""
        with self._lock:
            writer.at_work -= 1
            self._retire(writer)

    def ours(self, entries: Sequence[int]) -> dict[int, Flight]:
        """Those of the entries that this process has in flight."""
        with self._lock:
            return {entry: self._of[entry].flying[entry] for entry in entries if entry in self._of}

    def over(self, entries: Sequence[int]) -> None:
        """These are in flight no longer."""
        with self._lock:
            for entry in entries:
                writer = self._of.pop(entry, None)
                if writer is not None:
                    del writer.flying[entry]
                    self._bury(writer)

    def close(self) -> None:
        """End every sign of life: what was in flight becomes everybody's."""
        with self._lock:
            lives = {id(writer): writer.life for writer in self._of.values()}
            if self._now is not None:
                lives[id(self._now)] = self._now.life
            self._now = None
            self._of.clear()
        for life in lives.values():
            life.end()

    def _retire(self, writer: Writer) -> None:
        writer.retired = True
        if self._now is writer:
            self._now = None
        self._bury(writer)

    def _bury(self, writer: Writer) -> None:
        if writer.retired and not writer.flying and not writer.at_work:
            writer.life.end()
