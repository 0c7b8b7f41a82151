"""The vectors of texts that were encoded in this run already, so that equal texts are encoded once.

A block of memory holds the recent ones; a full block moves to a file, with its digests in a throw-away SQLite index, so
that memory does not grow with the table. The cache is a saving and no truth: where the disk has no room for it, texts
are simply encoded again.
"""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.record import Record

BLOCK_BYTES: Final = 16 << 20
"""Memory for recent vectors: about 10,000 of 384 dimensions."""

SPILL_BYTES: Final = 8 << 30
"""Room that the file may take: about 5 million vectors of 384 dimensions."""

_ASKED: Final = 500
"""Digests in one question to SQLite."""

Row = NDArray[np.float32]


class Repeats:
    """Digest of a text → its vector of ``width`` dimensions. Used by one thread; ``close`` removes the file.

    ``tokens``, where the corpus could tell, are those of the texts that occur more than once: the others need no memory.
    """

    def __init__(
        self,
        width: int,
        tokens: NDArray[np.int64] | None = None,
        *,
        block_bytes: int = BLOCK_BYTES,
        spill_bytes: int = SPILL_BYTES,
    ) -> None:
        self._tokens = tokens
        self._block = np.empty((max(block_bytes // (4 * width), 1), width), np.float32)
        self._recent: dict[bytes, int] = {}
        self._spilled = 0
        self._room = spill_bytes // (4 * width)
        self._folder: tempfile.TemporaryDirectory[str] | None = None

    def shared(self, records: Sequence[Record]) -> NDArray[np.bool_]:
        """Which of the records have a text that another record may have too, shape (n,)."""
        if self._tokens is None:
            return np.ones(len(records), np.bool_)
        mine = np.array([record.token or 0 for record in records], dtype=np.int64)
        if not len(self._tokens):
            return np.zeros(len(records), np.bool_)
        at = np.minimum(np.searchsorted(self._tokens, mine), len(self._tokens) - 1)
        found: NDArray[np.bool_] = self._tokens[at] == mine
        return found

    def find(self, digests: Iterable[bytes]) -> dict[bytes, Row]:
        """The vectors of those digests that are known."""
        found, unknown = {}, []
        for digest in digests:
            row = self._recent.get(digest)
            if row is None:
                unknown.append(digest)
            else:
                found[digest] = self._block[row].copy()
        if self._spilled and unknown:
            found.update(self._look_up(unknown))
        return found

    def keep(self, digests: Sequence[bytes], matrix: Row) -> None:
        """Remember row i of ``matrix`` as the vector of ``digests[i]``; the digests were unknown until now."""
        for start in range(0, len(digests), len(self._block)):
            some = digests[start : start + len(self._block)]
            if len(self._recent) + len(some) > len(self._block):
                self._spill()
            base = len(self._recent)
            self._block[base : base + len(some)] = matrix[start : start + len(some)]
            self._recent.update((digest, base + i) for i, digest in enumerate(some))

    def close(self) -> None:
        """Forget everything and remove the file."""
        self._recent.clear()
        if self._folder is not None:
            self._index.close()
            self._file.close()
            self._folder.cleanup()
            self._folder, self._spilled = None, 0

    def _spill(self) -> None:
        try:
            self._open()
            if self._spilled + len(self._recent) <= self._room:
                self._file.seek(self._spilled * self._block.shape[1] * 4)
                self._file.write(self._block[: len(self._recent)].data)
                self._file.flush()
                rows = sorted((digest, self._spilled + row) for digest, row in self._recent.items())
                self._index.execute("BEGIN")  # one transaction, in key order: five times as fast as one for each row
                self._index.executemany("INSERT OR IGNORE INTO spilled VALUES (?, ?)", rows)
                self._index.execute("COMMIT")
                self._spilled += len(self._recent)
        except (OSError, sqlite3.Error):
            self._room = 0  # no room for a saving: what was spilled before stays usable
        self._recent.clear()

    def _open(self) -> None:
        if self._folder is not None:
            return
        self._folder = tempfile.TemporaryDirectory(prefix="transvase-repeats-")
        self._file = (Path(self._folder.name) / "vectors").open("w+b")
        self._index = sqlite3.connect(Path(self._folder.name) / "digests", isolation_level=None)
        self._index.execute("PRAGMA journal_mode = OFF")
        self._index.execute("PRAGMA synchronous = OFF")
        self._index.execute("CREATE TABLE spilled (digest BLOB PRIMARY KEY, row INTEGER NOT NULL) WITHOUT ROWID")

    def _look_up(self, digests: Sequence[bytes]) -> dict[bytes, Row]:
        width = self._block.shape[1]
        found: dict[bytes, Row] = {}
        for start in range(0, len(digests), _ASKED):
            some = digests[start : start + _ASKED]
            marks = ",".join("?" * len(some))
            for digest, row in self._index.execute(f"SELECT digest, row FROM spilled WHERE digest IN ({marks})", some):  # noqa: S608 - only question marks are put in
                self._file.seek(row * width * 4)
                found[digest] = np.frombuffer(self._file.read(width * 4), np.float32)
        return found
