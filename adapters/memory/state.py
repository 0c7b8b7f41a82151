"""What the memory store remembers of indexes and aliases, and the two kinds of shelf that vectors lie on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import count
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from transvase.core.errors import Superseded
from transvase.core.ports import Alias, Debt, Declaration, Place, Source
from transvase.core.record import Key, digest_of
from transvase.core.template import Reading

from .table import Row, Table

Vector = NDArray[np.float32]

FULL = Place(finished=True)
"""Of an index whose vectors were there before it."""


class Shelf(Protocol):
    """Where the vectors of one index lie."""

    def get(self, key: Key) -> Vector | None:
        """The vector of a key."""
        ...

    def digest(self, key: Key) -> bytes | None:
        """Digest of the text that the vector was made of, where that is kept."""
        ...

    def put(self, key: Key, vector: Vector, *, digest: bytes) -> None:
        """Lay a vector there, in the place of any other."""
        ...

    def remove(self, key: Key) -> None:
        """Take the vector of a key away, if there is one."""
        ...

    def held(self) -> Iterator[Key]:
        """The keys that have a vector."""
        ...


class ColumnShelf:
    """A column of the user's own table. It has no place for digests, so nothing here is ever known to be stale."""

    def __init__(self, table: Table, column: str) -> None:
        self._table, self._column = table, column

    def get(self, key: Key) -> Vector | None:
        """The vector in the row of ``key``."""
        row = self._table.row(key)
        vector = None if row is None else row.get(self._column)
        return vector if isinstance(vector, np.ndarray) else None

    def digest(self, key: Key) -> bytes | None:  # noqa: ARG002 -- the port's shape; this shelf has no place for digests
        """Nothing: the column holds vectors alone."""
        return None

    def put(self, key: Key, vector: Vector, *, digest: bytes) -> None:  # noqa: ARG002 -- as above
        """Write into the row of ``key``; a row that is gone takes nothing."""
        self._table.write_vector(key, self._column, vector)

    def remove(self, key: Key) -> None:
        """Make the column NULL in the row of ``key``."""
        self._table.write_vector(key, self._column, None)

    def held(self) -> Iterator[Key]:
        """Keys of the rows whose column is not NULL."""
        return (key for key in self._table.ordered() if self.get(key) is not None)


class SideShelf:
    """A place of our own beside the table: vectors with the digest of their text."""

    def __init__(self) -> None:
        self._held: dict[Key, tuple[Vector, bytes]] = {}

    def get(self, key: Key) -> Vector | None:
        """The vector of ``key``."""
        held = self._held.get(key)
        return None if held is None else held[0]

    def digest(self, key: Key) -> bytes | None:
        """Digest of the text that the vector of ``key`` was made of."""
        held = self._held.get(key)
        return None if held is None else held[1]

    def put(self, key: Key, vector: Vector, *, digest: bytes) -> None:
        """Keep a copy of the vector with its digest."""
        self._held[key] = (np.array(vector, dtype=np.float32), digest)

    def remove(self, key: Key) -> None:
        """Forget ``key``."""
        self._held.pop(key, None)

    def held(self) -> Iterator[Key]:
        """Keys that have a vector."""
        return iter(list(self._held))


@dataclass(slots=True)
class IndexState:
    """One index while it exists. ``serial`` tells it from any other that ever had its name, and changes when it is built anew."""

    declaration: Declaration
    shelf: Shelf
    serial: int
    place: Place = field(default_factory=Place)
    built: bool = False
    scans: int = 0
    scanned_at: float | None = None


@dataclass(slots=True)
class AliasState:
    """One alias: where its records are, the indexes it keeps, which of them is live, and what is owed."""

    name: str
    source: Source
    table: Table
    reading: Reading
    live: str
    shadow: str | None = None
    generation: int = 1
    capturing: bool = False
    watching: bool = True
    """False in a store to which no write is told: what differs is found by comparing alone."""
    indexes: dict[str, IndexState] = field(default_factory=dict)
    entries: dict[int, Debt] = field(default_factory=dict)
    seen_at: float | None = None
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def watch(self, key: Key, old: Row | None, new: Row | None) -> None:
        """Owe the key when the write changed what is embedded: its text, or that it is there at all."""
        if self.capturing and self.watching and ((old is None) != (new is None) or self._text(old) != self._text(new)):
            self.owe(key)

    def owe(self, key: Key, *, only: str | None = None) -> None:
        """Put a key into the outbox, for every kept site or for one alone."""
        number = next(self._numbers)
        self.entries[number] = Debt(key, (number,), only)

    def text(self, key: Key) -> str | None:
        """The text of a record as it is now; None for no text and for no record."""
        return self._text(self.table.row(key))

    def digest(self, key: Key) -> bytes | None:
        """Digest of that text."""
        text = self.text(key)
        return None if text is None else digest_of(text)

    def index(self, name: str) -> IndexState:
        """One of its indexes; Superseded when it is gone."""
        if name not in self.indexes:
            raise Superseded(name)
        return self.indexes[name]

    def kept(self) -> list[IndexState]:
        """The sites that must receive every write, each by one index, unless nobody knows how their vectors are made."""
        return [self.indexes[declaration.name] for declaration in self.as_alias().kept]

    def owed_keys(self) -> set[Key]:
        """The keys that are owed to some index."""
        return {debt.key for debt in self.entries.values()}

    def owed(self) -> int:
        """Keys that are owed, each counted once."""
        return len(self.owed_keys())

    def as_alias(self) -> Alias:
        """The alias as readers see it."""
        shadow = self.indexes[self.shadow].declaration if self.shadow else None
        live = self.indexes[self.live].declaration
        return Alias(name=self.name, source=self.source, live=live, shadow=shadow, generation=self.generation)

    def forget(self, name: str) -> None:
        """Let go of an index that is not live; the capture goes with it when what stays is kept by the application itself.

        A column that has been live under a name of ours is kept by us: the application may have left it since.
        """
        self.indexes.pop(name, None)
        if self.shadow == name:
            self.shadow = None
        self.generation += 1
        live = self.indexes[self.live].declaration
        if self.shadow is None and live.adopted and not live.shares:
            self.capturing = False
            self.entries.clear()

    def advance(self, index: str, place: Place) -> None:
        """Record how far the fill of an index has come."""
        self.indexes[index].place = replace(place)

    def _text(self, row: Row | None) -> str | None:
        return None if row is None else self.reading(row)
