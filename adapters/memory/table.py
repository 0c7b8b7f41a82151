"""The application's side of the memory store: a keyed table, and the only place from which its rows are written.

Every change is told to the watchers under the store's lock, as a trigger would be within the transaction.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from threading import RLock
from uuid import UUID

import numpy as np
from numpy.typing import NDArray
from transvase.core.errors import BadValue, UnknownName
from transvase.core.record import Key, KeyPart

from .door import Door

Row = dict[str, object]
Watcher = Callable[[Key, Row | None, Row | None], None]
"""Told the key, the row as it was and the row as it is; None for a row that was not or is not there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorColumn:
    """A column of the user's that holds vectors of one width."""

    name: str
    width: int
    metric: str = "cosine"
    form: str = "vector"


class Table:
    """Rows of named columns under a key. Writes are atomic: a call that is refused has changed nothing."""

    def __init__(
        self, name: str, *, key: Sequence[str], columns: Iterable[str], vectors: Iterable[VectorColumn], lock: RLock
    ) -> None:
        self.name, self.key = name, tuple(key)
        self.vectors: dict[str, VectorColumn] = {vector.name: vector for vector in vectors}
        self.columns: set[str] = {*self.key, *columns, *self.vectors}
        self.watchers: list[Watcher] = []
        self.door = Door()
        self._lock = lock
        self._rows: dict[Key, Row] = {}
        self._order: list[Key] | None = None
        self._kinds: tuple[type, ...] | None = None

    def put(self, *rows: Mapping[str, object]) -> None:
        """Insert rows, or change the named columns of those that are there; UnknownName or BadValue before any is written."""
        self.door.passed()
        with self._lock:
            checked = [(self._key_of(row), self._checked(row)) for row in rows]
            for key, fresh in checked:
                old = self._rows.get(key)
                self._store(key, old, {**dict.fromkeys(self.columns), **(old or {}), **fresh})

    def delete(self, *keys: Key) -> int:
        """Delete the rows of these keys; returns how many were there."""
        self.door.passed()
        with self._lock:
            present = [key for key in dict.fromkeys(keys) if key in self._rows]
            for key in present:
                self._store(key, self._rows[key], None)
            return len(present)

    def truncate(self) -> None:
        """Delete every row."""
        self.door.passed()
        with self._lock:
            self.delete(*self._rows)

    def row(self, key: Key) -> Row | None:
        """A copy of one row, or None."""
        with self._lock:
            row = self._rows.get(key)
            return None if row is None else dict(row)

    def rows(self) -> list[Row]:
        """Copies of all rows in key order."""
        with self._lock:
            return [dict(self._rows[key]) for key in self.ordered()]

    def ordered(self) -> list[Key]:
        """All keys in order. The list is the table's own: it is read under the store's lock and not changed."""
        with self._lock:
            if self._order is None:
                self._order = sorted(self._rows)
            return self._order

    def keys_after(self, key: Key | None, limit: int) -> list[Key]:
        """The next keys in order."""
        with self._lock:
            order = self.ordered()
            start = 0 if key is None else bisect_right(order, key)
            return order[start : start + limit]

    def write_vector(self, key: Key, column: str, vector: NDArray[np.float32] | None) -> None:
        """Change one vector without telling the watchers: it is a payment, and no change of the text."""
        with self._lock:
            if key in self._rows:
                self._rows[key][column] = vector

    def move_column(self, column: str, to: str | None) -> None:
        """Rename a vector column, or drop it (None). Whoever names the old one afterwards is refused."""
        with self._lock:
            kept = self.vectors.pop(column)
            self.columns.discard(column)
            if to is not None:
                self.vectors[to] = VectorColumn(name=to, width=kept.width, metric=kept.metric, form=kept.form)
                self.columns.add(to)
            for row in self._rows.values():
                value = row.pop(column, None)
                if to is not None:
                    row[to] = value

    def _store(self, key: Key, old: Row | None, new: Row | None) -> None:
        if new is None:
            del self._rows[key]
        else:
            self._rows[key] = new
        if (old is None) != (new is None):
            self._order = None
        for watcher in self.watchers:
            watcher(key, old, new)

    def _key_of(self, row: Mapping[str, object]) -> Key:
        missing = [name for name in self.key if row.get(name) is None]
        if missing:
            raise BadValue("row", dict(row), why=f"the key column {missing[0]!r} of {self.name} is missing")
        key = tuple(_part(self.name, row[name]) for name in self.key)
        kinds = tuple(type(part) for part in key)
        self._kinds = self._kinds or kinds
        if kinds != self._kinds:
            raise BadValue("key", key, why=f"the keys of {self.name} are of {', '.join(kind.__name__ for kind in self._kinds)}")
        return key

    def _checked(self, row: Mapping[str, object]) -> Row:
        for name in row:
            if name not in self.columns:
                raise UnknownName("column", name, hint=f"{self.name} has {', '.join(sorted(self.columns))}")
        return {name: _vector(self.vectors[name], value) if name in self.vectors else value for name, value in row.items()}


def _part(table: str, value: object) -> KeyPart:
    if isinstance(value, bool) or not isinstance(value, int | str | UUID):
        raise BadValue("key", value, why=f"a key of {table} is an integer, a string or a UUID")
    return value


def _vector(column: VectorColumn, value: object) -> NDArray[np.float32] | None:
    if value is None:
        return None
    vector = np.array(value, dtype=np.float32)
    if vector.shape != (column.width,):
        raise BadValue("vector", vector.shape, why=f"column {column.name} holds vectors of {column.width} dimensions")
    return vector
