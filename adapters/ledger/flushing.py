"""Makes commits durable after the fact: one flush of the log serves every thread that committed before it began.

SQLite's own ``synchronous = FULL`` flushes while it holds the one lock that all writers of all processes need. Here the lock
is let go first: commits take some 50 µs of it, and flushes of different processes run side by side. What is relied on is
WAL's own rule: a commit is found again when its frames and all before them are in the log file, or when a checkpoint,
which flushes both files by itself, has carried them over.
"""

from __future__ import annotations

import fcntl
import os
import threading
from pathlib import Path

from transvase.core.errors import StoreFailed


class Flusher:
    """Flushes one file that stays open. Threads share it."""

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_RDONLY)
            _flush_directory(path.parent)
        except OSError as error:
            raise StoreFailed(f"the log {path} cannot be opened: {error.strerror}") from error
        self.path = path
        self._turn = threading.Condition()
        self._begun = 0
        self._done = 0
        self._running = False
        self._failed: OSError | None = None

    def flush(self) -> None:
        """Return when everything that was written before the call is durable. StoreFailed, and for good: see below."""
        with self._turn:
            mine = self._begun + 1  # the first flush that begins from now on
            while self._running and self._done < mine and self._failed is None:
                self._turn.wait()
            if self._done >= mine and self._failed is None:
                return
            self._refuse_if_failed()
            self._running = True
            self._begun += 1
            number = self._begun
        failure: OSError | None = None
        try:
            _flush(self._descriptor)
        except OSError as error:
            failure = error
        with self._turn:
            self._running = False
            self._failed = failure
            self._done = number
            self._turn.notify_all()
            self._refuse_if_failed()

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def _refuse_if_failed(self) -> None:
        """After a failed flush the system takes the lost pages for written, so another try that succeeds would prove nothing."""
        if self._failed is not None:
            raise StoreFailed(
                f"{self.path} could not be flushed to its disk ({self._failed.strerror}): what was written last may be lost; "
                "see to the disk and start this process again"
            ) from self._failed


def _flush(descriptor: int) -> None:
    full = getattr(fcntl, "F_FULLFSYNC", None)  # where the plain call stops at the drive's cache
    if full is not None:
        fcntl.fcntl(descriptor, full)
    else:
        os.fdatasync(descriptor)


def _flush_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
