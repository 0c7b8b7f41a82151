"""The records behind an alias, read as the application wrote them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from transvase.core.record import Key, Record

from . import aliases
from .connections import Connections, run
from .shape import Shape, columns_of
from .sql import statement


@dataclass(frozen=True, slots=True)
class PostgresCorpus:
    """Fits the port ``Corpus``. ``shape`` is the table as it was when the corpus was asked for."""

    connections: Connections
    shape: Shape

    def count(self) -> int:
        """Rows of the table."""
        with self.connections.use("counting the records") as c:
            row = run(c, statement("index", "count").format(source=self.shape.source)).fetchone()
            return int(row[0]) if row else 0

    def after(self, key: Key | None, *, limit: int) -> list[Record]:
        """The next rows in key order: one read of the key's index from where the last one ended, with a snapshot of its own."""
        shape = self.shape
        where = shape.after() if key is not None else None
        values: dict[str, object] = {f"k{i}": part for i, part in enumerate(key or (), 1)}
        query = statement("index", "after").format(ks=shape.ks(), rows=shape.rows(where=where))
        with self.connections.use("reading the table") as c:
            return [Record(row[2:], row[0], token=row[1]) for row in run(c, query, {**values, "limit": limit})]

    def read(self, keys: Sequence[Key]) -> list[Record]:
        """Those of the keys that are there now."""
        shape = self.shape
        query = statement("index", "read").format(
            s_ks=shape.ks("s"), unnested=shape.unnested(), rows=shape.rows(), match=shape.match("s", "q")
        )
        with self.connections.use("reading rows") as c:
            return [Record(tuple(row[1:]), row[0]) for row in run(c, query, columns_of(list(keys), len(shape.key)))]

    def repeated(self) -> NDArray[np.int64]:
        """Tokens that occur twice or more, counted by the server: so that a fill need not remember the texts that do not."""
        query = statement("index", "repeated").format(rows=self.shape.rows())
        with self.connections.use("looking for equal texts") as c:
            return np.sort(np.array([row[0] for row in run(c, query)], dtype=np.int64))

    def sample(self, size: int, *, seed: int) -> list[Record]:
        """Up to ``size`` rows with a text. All rows are hashed, so that every row has the same chance."""
        query = statement("index", "sample").format(ks=self.shape.ks(), rows=self.shape.rows())
        with self.connections.use("sampling the table") as c:
            return [Record(tuple(row[1:]), row[0]) for row in run(c, query, {"seed": seed, "size": size})]


def corpus(connections: Connections, alias: str) -> PostgresCorpus:
    """The corpus of an alias as its table is now."""
    with connections.use("looking up the alias") as c:
        return PostgresCorpus(connections, aliases.load(c, alias).shape)
