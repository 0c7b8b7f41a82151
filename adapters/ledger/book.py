"""The ledger over either kind of pages: which transaction a note takes, how durable it must be, whose entries are whose."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Final

from transvase.core.errors import TransvaseError
from transvase.core.figures import Debt
from transvase.core.ports import Journal
from transvase.core.record import Key

from . import captures, door, entries, statements
from .figures import Epoch
from .journal import LedgerJournal
from .keys import parts
from .notes import Notes
from .pages import Pages, myself
from .writers import Flight, Writers

GRACE_S: Final = 2.0
"""How old the entry of a dead writer must be to be paid: its last request may arrive a moment after its death."""
UNDERWAY_S: Final = 120.0
"""How long a write can be under way: twice what one request may take. Who is at it for longer has lost sight of it."""
PRUNE_EVERY: Final = 256
"""Settled entries after which those that nobody needs are thrown away."""

_log = logging.getLogger(__name__)


class Book(Notes):
    """Fits ``Ledger``. Threads share it; a forked child goes on with connections and a sign of life of its own."""

    def __init__(self, pages: Pages) -> None:
        self._pages = pages
        self._pid = os.getpid()
        self._writers = Writers()
        self._forking = threading.Lock()
        self._to_prune: dict[str, int] = {}
        self.journal: Journal = LedgerJournal(self.at)
        with pages.read("reading its identity") as run:
            ((identity,),) = run(statements.META, {"name": "identity"})
        self.identity = str(identity)
        self.where = pages.where
        self._name = myself()

    def hold(self, alias: str) -> AbstractContextManager[None]:
        """Be the only operator of the alias; Busy."""
        return self.at().hold(alias)

    def intend(self, alias: str, keys: Sequence[Key], *, first: str, by: str = "") -> tuple[int, ...]:
        """Entries in flight, durable when it returns."""
        wanted = list(map(parts, keys))
        if not wanted:
            return ()
        end = time.monotonic() + (door.PATIENT_S if first else 0.0)
        while not (made := self._intended(alias, keys, first=first, by=by, heeds=time.monotonic() < end)):
            door.stood_before(self.at(), alias, end=end)
        return tuple(made[pair] for pair in wanted)

    def _intended(self, alias: str, keys: Sequence[Key], *, first: str, by: str, heeds: bool) -> dict[tuple[str, str], int]:
        """The numbers of the entries; none where the door is shut to them."""
        pages = self.at()
        writer = self._writers.take(pages)
        try:
            with pages.write("noting what is to be written", durable=not pages.shares_fate) as run:
                captured = pages.shares_fate and captures.capture(run, alias).on
                made = entries.intended(run, alias, keys, first=first, by=by or self._name, writer=writer, heeds=heeds)
            if captured and made:
                pages.flush()
        except BaseException:
            self._writers.failed(writer)
            raise
        self._writers.landed(writer, {made[parts(key)]: Flight(key, first) for key in keys} if made else {})
        return made

    def writers_held(self, alias: str, *, most_s: float) -> AbstractContextManager[None]:
        """Shut the door for a moment."""
        return door.held(self.at(), alias, most_s=most_s)

    def overlapped(self, alias: str, entries_: Sequence[int]) -> set[Key]:
        """Keys whose order on the two sides is unknown."""
        with self.at().read("looking for overlaps") as run:
            return entries.overlapped(run, alias, entries_)

    def settle(self, alias: str, entries_: Sequence[int]) -> int:
        """Settle; losing that to the end of the machine only means that the keys are compared once more."""
        pages, ours = self.at(), self._writers.ours(entries_)
        with pages.write("settling", durable=False) as run:
            done = entries.settled(run, alias, entries_)
            lost = [Flight(flight.key, "") for entry, flight in ours.items() if entry not in done]
            entries.lost(run, alias, lost, only=None)  # both sides were written: no side is known to be behind
        self._over(pages, entries_, durable=bool(lost))
        self._to_prune[alias] = self._to_prune.get(alias, 0) + len(done)
        if self._to_prune[alias] >= PRUNE_EVERY:
            self._prune(alias)
        return len(done)

    def leave(self, alias: str, entries_: Sequence[int], *, only: str | None = None) -> None:
        """Make them open."""
        pages, ours = self.at(), self._writers.ours(entries_)
        with pages.write("leaving what is owed", durable=False) as run:
            done = entries.left(run, alias, entries_, only=only)
            lost = [flight for entry, flight in ours.items() if entry not in done]
            entries.lost(run, alias, lost, only=only)
        self._over(pages, entries_, durable=bool(lost))

    def owe(self, alias: str, keys: Sequence[Key], *, only: str | None = None, first: str = "") -> int:
        """Open entries; how many keys were not owed yet."""
        if not keys:
            return 0
        with self.at().write("noting what is owed") as run:
            return entries.owe(run, alias, keys, only=only, first=first)

    def owed(self, alias: str, *, underway: bool = True) -> int:
        """Keys with an unsettled entry."""
        alive = set[str]() if underway else self._alive(alias)
        with self.at().read("counting what is owed") as run:
            if underway:
                return entries.count(run, alias)
            return entries.count_for_good(run, alias, alive=alive, underway_s=UNDERWAY_S)

    def lying(self, alias: str, site: str) -> int:
        """Keys whose newest state lies at the site."""
        with self.at().read("counting what lies at a site") as run:
            return entries.lying(run, alias, site)

    def flying(self, alias: str) -> int:
        """Keys that are held back."""
        alive = self._alive(alias)
        with self.at().read("counting what is in flight") as run:
            return entries.flying(run, alias, alive=alive, grace_s=GRACE_S)

    def debts(self, alias: str, *, limit: int, grace_s: float = GRACE_S) -> list[Debt]:
        """What may be paid now."""
        alive = self._alive(alias)
        with self.at().read("reading what is owed") as run:
            return entries.debts(run, alias, limit=limit, alive=alive, grace_s=grace_s)

    def firsts(self, alias: str, keys: Sequence[Key]) -> Mapping[Key, str]:
        """Where the newest state of a key lies, for those that have an entry which says so."""
        with self.at().read("reading where a key was written first") as run:
            return entries.firsts(run, alias, keys)

    def watch(self, alias: str) -> int:
        """A number for ``since``; what is settled after it is kept until ``unwatch``."""
        token = self.sign()
        with self.at().write("beginning to watch", durable=False) as run:
            return entries.watch(run, alias, token=token)

    def since(self, alias: str, watched: int, *, among: Sequence[Key] | None = None, site: str | None = None) -> set[Key]:
        """Keys with an entry that was unsettled at any moment since then."""
        with self.at().read("reading what was written since") as run:
            return entries.since(run, alias, watched, among=among, site=site)

    def unwatch(self, alias: str, watched: int) -> None:
        """Watch no longer."""
        with self.at().write("ending to watch", durable=False) as run:
            run(statements.UNWATCH, {"alias": alias, "watched": watched})
        self._prune(alias)

    def capture(self, alias: str) -> Epoch:
        """What is captured now."""
        with self.at().read("reading what is captured") as run:
            return captures.capture(run, alias)

    def begin_capture(self, alias: str, *, live: str, shadow: str, patience_s: float = 30.0) -> Epoch:
        """Capture from now on, with nobody left who does not know."""
        return captures.begin(self.at(), alias, live=live, shadow=shadow, patience_s=patience_s)

    def end_capture(self, alias: str) -> None:
        """Capture no longer."""
        with self.at().write("ending the capture") as run:
            captures.end(run, alias)

    def outlast(self, alias: str, *, patience_s: float) -> None:
        """Wait for what is under way now."""
        captures.outlast(self.at(), alias, grace_s=GRACE_S, patience_s=patience_s)

    def close(self) -> None:
        """Let go of everything."""
        self._writers.close()
        self._pages.close()

    def _alive(self, alias: str) -> set[str]:
        pages = self.at()
        with pages.read("looking for writers") as run:
            tokens = entries.writers(run, alias)
        return pages.living(tokens) if tokens else set()

    def _over(self, pages: Pages, entries_: Sequence[int], *, durable: bool) -> None:
        """They are in flight no longer; with ``durable``, after what was written last is safe."""
        if durable:
            pages.flush()
        self._writers.over(entries_)

    def _prune(self, alias: str) -> None:
        """Nobody's work depends on it, so its failure is nobody's error; the next time takes what this one left."""
        pages = self.at()
        self._to_prune[alias] = 0
        try:
            dead = entries.dead_watchers(pages, alias)
            with pages.write("throwing away what is settled", durable=False) as run:
                entries.pruned(run, alias, dead=dead)
        except TransvaseError as error:
            _log.warning("settled entries of %r were not thrown away: %s", alias, error)

    def sign(self) -> str:
        """The one under which entries are made too."""
        return self._writers.token(self.at())

    def at(self) -> Pages:
        """The pages; a child that was forked while the ledger was open gets its own."""
        if os.getpid() != self._pid:
            with self._forking:
                if os.getpid() != self._pid:
                    self._writers = Writers()
                    self._pages = self._pages.anew()
                    self._name = myself()
                    self._pid = os.getpid()
        return self._pages
