"""The ledger in one SQLite file: how it is opened, made durable, and shared by the threads of many processes on one host.

WAL mode: readers wait for nobody. One connection of each process writes, its threads take turns at it; processes wait for
each other on SQLite's own lock. A commit outlives its process at once; it outlives the machine when the log was flushed.

The file itself is never opened but by SQLite: closing it would take away the locks of every connection of the process.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Final
from weakref import WeakSet

from transvase.core.errors import LockNotGained, StoreFailed

from . import flocks
from .failures import BUSY_S, sqlite_translated
from .file import opened, placed, runner
from .flushing import Flusher
from .pages import Life, Run

_abandoned: list[object] = []
"""Connections that a forked child inherited all the same: SQLite forbids to use or even to close them there."""


class SqlitePages:
    """Fits ``Pages``."""

    shares_fate: Final = True

    def __init__(self, path: Path, *, made: bool) -> None:
        self.path = placed(path, made=made)
        self.where = str(self.path)
        self._pen = threading.Lock()
        self._door = threading.Condition()
        self._inside = 0
        self._paused = False
        self._closed = False
        self._readers: list[sqlite3.Connection] = []
        self._writer: sqlite3.Connection | None = None
        with flocks.opening(self.path):
            self._writer = opened(self.path, install=True)
            self._file = self.path.stat()
            self._log = Flusher(_log_of(self.path))
            self._log.flush()
        _open.add(self)

    @contextmanager
    def read(self, doing: str) -> Iterator[Run]:
        """A connection of one's own for as long as the block lasts."""
        with self._entered(doing), sqlite_translated(self.where, doing):
            connection = self._reader()
            try:
                yield runner(connection)
            finally:
                self._readers.append(connection)

    @contextmanager
    def write(self, doing: str, *, durable: bool = True) -> Iterator[Run]:
        """BEGIN IMMEDIATE: whoever could not commit learns it before anything was done."""
        with self._entered(doing):
            if not self._pen.acquire(timeout=BUSY_S):
                raise LockNotGained(f"the ledger {self.where}", waited_s=BUSY_S, blockers="threads of this process")
            try:
                writer = self._opened_writer()
                with sqlite_translated(self.where, doing):
                    writer.execute("BEGIN IMMEDIATE")
                    try:
                        yield runner(writer)
                        writer.execute("COMMIT")
                    except BaseException:
                        with suppress(sqlite3.Error):  # some failures have rolled back already
                            writer.execute("ROLLBACK")
                        raise
            finally:
                self._pen.release()
            if durable:
                self._log.flush()

    def flush(self) -> None:
        """Flush the log, together with whoever else wants it."""
        with self._entered("flushing"):
            with self._pen:
                self._opened_writer()
            self._log.flush()

    def enlist(self) -> Life:
        """A locked file of this process' own."""
        return flocks.enlist(self.path)

    def living(self, tokens: Iterable[str]) -> set[str]:
        """Those whose file is locked."""
        return flocks.living(self.path, tokens)

    def hold(self, alias: str) -> AbstractContextManager[None]:
        """A locked file for each alias."""
        return flocks.hold(self.path, alias)

    def anew(self) -> SqlitePages:
        """Itself: a child is born with nothing open (``pause``)."""
        return self

    def close(self) -> None:
        """Close every connection; the last one of all processes folds the log into the file."""
        with self._door:
            if self._closed:
                return
            self._closed = True
            self._door.wait_for(lambda: not self._inside, timeout=BUSY_S)
            self._let_go()
        _open.discard(self)

    def pause(self) -> None:
        """Before a fork: wait until nobody is inside, close everything, and let nobody in.

        SQLite keeps a list of its locks in the process, and a child that inherits it takes the parent's locks for its own:
        even a connection that it opens afresh would hold none.
        """
        with self._door:
            self._paused = True
            if self._door.wait_for(lambda: not self._inside, timeout=BUSY_S):
                self._let_go()

    def resume(self, *, child: bool) -> None:
        """After the fork: everybody may come in, and opens what is needed."""
        if child:
            _abandoned.append((self._writer, self._readers))  # empty, unless somebody inside did not end in time
            self._pen, self._door, self._inside = threading.Lock(), threading.Condition(), 0
            self._writer, self._readers = None, []
        with self._door:
            self._paused = False
            self._door.notify_all()

    @contextmanager
    def _entered(self, doing: str) -> Iterator[None]:
        with self._door:
            self._door.wait_for(lambda: not self._paused)
            self._present(doing)
            self._inside += 1
        try:
            yield
        finally:
            with self._door:
                self._inside -= 1
                if self._paused or self._closed:
                    self._door.notify_all()

    def _let_go(self) -> None:
        with sqlite_translated(self.where, "closing it"):
            if self._writer is not None:
                self._log.close()
                self._writer.close()
                self._writer = None
            while self._readers:
                self._readers.pop().close()

    def _opened_writer(self) -> sqlite3.Connection:
        if self._writer is None:
            with flocks.opening(self.path):
                self._writer = opened(self.path, install=False)
                self._log = Flusher(_log_of(self.path))
        return self._writer

    def _reader(self) -> sqlite3.Connection:
        try:
            return self._readers.pop()
        except IndexError:
            return opened(self.path, install=False)

    def _present(self, doing: str) -> None:
        """A file that was removed or replaced would be written on, unseen by everybody else."""
        if self._closed:
            raise StoreFailed(f"the ledger {self.where} was closed before {doing}; open it again")
        try:
            if os.path.samestat(self.path.stat(), self._file):
                return
            what = "replaced"
        except OSError:
            what = "removed"
        raise StoreFailed(f"the ledger {self.where} was {what} while it was in use; put it back, or start again with the new one")


_open: WeakSet[SqlitePages] = WeakSet()


def _pause_all() -> None:
    for pages in list(_open):
        pages.pause()


def _resume_all(*, child: bool) -> None:
    for pages in list(_open):
        pages.resume(child=child)


os.register_at_fork(
    before=_pause_all,
    after_in_parent=lambda: _resume_all(child=False),
    after_in_child=lambda: _resume_all(child=True),
)


def _log_of(path: Path) -> Path:
    return path.with_name(f"{path.name}-wal")
