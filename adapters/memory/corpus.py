"""The records behind an alias, read from a table in memory."""

from __future__ import annotations

from collections.abc import Sequence
from threading import RLock

import numpy as np
from transvase.core.record import Key, Record

from .state import AliasState


class MemoryCorpus:
    """The Corpus port over a Table. Each call sees the table as it is at one moment."""

    def __init__(self, alias: AliasState, *, lock: RLock) -> None:
        self._alias, self._lock = alias, lock

    def count(self) -> int:
        """Records, with and without a text."""
        with self._lock:
            return len(self._alias.table.ordered())

    def after(self, key: Key | None, *, limit: int) -> list[Record]:
        """The next records in the order of their keys."""
        with self._lock:
            return [Record(found, self._alias.text(found)) for found in self._alias.table.keys_after(key, limit)]

    def read(self, keys: Sequence[Key]) -> list[Record]:
        """Those of the keys that have a row now."""
        with self._lock:
            return [Record(key, self._alias.text(key)) for key in dict.fromkeys(keys) if self._alias.table.row(key) is not None]

    def repeated(self) -> None:
        """Not told: these records carry no tokens."""

    def sample(self, size: int, *, seed: int) -> list[Record]:
        """Records with a text, drawn without replacement from the keys in order."""
        with self._lock:
            records = [Record(key, text) for key in self._alias.table.ordered() if (text := self._alias.text(key)) is not None]
        chosen = np.random.default_rng(seed).permutation(len(records))[:size]
        return [records[i] for i in chosen]
