"""What searches must know without asking for it each time: one thread a store asks for all of them, once a second.

It keeps the generation of every alias that is searched, and says on the server that this process reads an index, for whoever
wants to end it. A store that nobody searches has no such thread.

A search waits for none of that. Which side is live is known to the leader, and while there is none, or it stands still, the
searches themselves are answered as ever: so what was seen last holds until something else is seen, however long that takes. The
thread asks the leader, and where that one does not answer the host's own copy, which is a fraction of a second behind. A side
that is gone says so by itself (Superseded), and is forgotten.
"""

from __future__ import annotations

import math
import os
import socket
import threading
import time
from typing import TYPE_CHECKING, Final

from transvase.adapters.weaviate.collections.control import Control
from transvase.core.errors import StoreFailed, TransvaseError
from transvase.core.figures import Reads
from transvase.core.ports import Alias

from .aliases import CHANGED, Known, load, named_here

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection

EVERY_S: Final = 1.0
ASK_S: Final = 2.0
"""How long the thread waits for one answer: a second's work is not to stand still for a host that does."""
RECENT_S: Final = 0.05
"""How old an alias may be for those who read or write its sides: a page of a thousand objects takes longer."""
BEAT_S: Final = 5.0
"""How often a reader says when it read last. Its last search may be so much younger than its last sign."""
FIRST_S: Final = 0.25
"""How long a first search waits for its sign to be written; what takes longer is written all the same."""
LATEST: Final = 5
"""Readers that are named."""


class Watch:
    """The watch over one store. Safe for many threads."""

    def __init__(self, connection: Connection, control: Control) -> None:
        self._connection, self._control = connection, control
        self._hurried = connection.hurried(ASK_S)
        self._notes = Control(self._hurried)
        self._seen: dict[str, tuple[Alias, float]] = {}
        self._wanted: set[str] = set()
        self._searches: dict[str, float] = {}
        self._said: dict[str, float] = {}
        self._first: dict[str, threading.Event] = {}
        self._who = f"{socket.gethostname()} {os.getpid()}"
        self._over, self._woken = threading.Event(), threading.Event()
        self._starting = threading.Lock()
        self._thread: threading.Thread | None = None

    def known(self, alias: str) -> Known:
        """The alias as it is now, with the row that is kept of it."""
        asked = time.monotonic()
        found = load(self._connection, self._control, alias)
        self._seen[alias] = found.alias, asked
        return found

    def fresh(self, alias: str) -> Alias:
        """The alias as it is now."""
        return self.known(alias).alias

    def recent(self, alias: str) -> Alias:
        """The alias as it was a moment ago."""
        found, at = self._seen.get(alias, (None, 0.0))
        return found if found is not None and time.monotonic() - at <= RECENT_S else self.fresh(alias)

    def generation(self, alias: str) -> int:
        """The alias' generation, as ``glance`` has it."""
        return self.glance(alias).generation

    def glance(self, alias: str) -> Alias:
        """The alias as it was seen last: a second ago, unless the cluster does not say. Asked for where it was never seen."""
        found, _ = self._seen.get(alias, (None, 0.0))
        if alias not in self._wanted:
            self._wanted.add(alias)
            self._begin()
        return self.now(alias) if found is None else found

    def now(self, alias: str) -> Alias:
        """The alias as the leader has it; where that one does not answer soon, as the host has it, hardly older."""
        try:
            return self._looked(alias)
        except StoreFailed:
            return self.fresh(alias)  # it is slow, or it says what is wrong

    def forget(self, alias: str) -> None:
        """What was seen of it is so no longer."""
        self._seen.pop(alias, None)

    def searched(self, index: str) -> None:
        """Somebody of this process searched the index just now; the first time it is said at once."""
        self._searches[index] = time.monotonic()
        if index not in self._first:
            written = self._first[index] = threading.Event()
            self._begin()
            self._woken.set()
            written.wait(FIRST_S)

    def reads(self, index: str) -> Reads:
        """When any reader's last search was, as far as readers said; one that is not ours says nothing."""
        now = self._control.now_ms() / 1000
        readers = self._control.readers(index)
        last = max(now - readers[0].seen_s, 0.0) if readers else None
        since = self._control.since_s(index)
        watched = None if since is None else max(now - since, 0.0)
        return Reads(None, last, tuple(reader.who for reader in readers[:LATEST]), watched)

    def built(self, index: str) -> None:
        """Keep that the index has taken up all that it was given."""
        alias, declared = self._control.alias_of(index), self._control.index(index)
        if alias is not None and declared is not None and not self._control.built(index):
            self._control.keep(declared, alias=alias, built=True)

    def close(self) -> None:
        """Say what was not said yet, and end."""
        self._over.set()
        self._woken.set()
        if self._thread is not None:
            self._thread.join(timeout=5)
        self._beat(older_than=0.0)

    def _begin(self) -> None:
        with self._starting:
            if self._thread is None and not self._over.is_set():
                self._thread = threading.Thread(target=self._watch, name="transvase-watch", daemon=True)
                self._thread.start()

    def _watch(self) -> None:
        while not self._over.is_set():
            self._woken.wait(EVERY_S)
            self._woken.clear()
            self._beat(older_than=BEAT_S)
            for alias in tuple(self._wanted):
                try:
                    self._looked(alias)
                except TransvaseError as error:
                    if not isinstance(error, StoreFailed) or error.code == CHANGED:
                        self.forget(alias)  # a search meets the same, and says it to somebody

    def _looked(self, alias: str) -> Alias:
        """The alias by the leader, or else by the host that is asked."""
        asked = time.monotonic()
        try:
            found = load(self._hurried, self._notes, alias).alias
        except StoreFailed as error:
            if error.code == CHANGED:
                raise
            found = load(self._hurried, self._notes, alias, naming=named_here).alias
        seen, at = self._seen.get(alias, (None, 0.0))
        if seen is None or at < asked:  # not over what somebody saw meanwhile
            self._seen[alias] = found, asked
        return found

    def _beat(self, *, older_than: float) -> None:
        for index, at in tuple(self._searches.items()):
            said = self._said.get(index, -math.inf)
            if at > said and time.monotonic() - said >= older_than:
                self._say(index)

    def _say(self, index: str) -> None:
        self._said[index] = now = time.monotonic()
        try:
            self._notes.beat(index, who=self._who, ago_s=max(now - self._searches[index], 0.0))
        except TransvaseError:
            return  # who may not write there still may read
        finally:
            self._first[index].set()
