"""The writing application: it inserts, edits and deletes rows by plain SQL, and before the migration embeds them itself."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql

from .ledger import Ledger, Version
from .waits import Operation

Embed = Callable[[str], NDArray[np.float32]]

SHARES: Final[Mapping[str, float]] = {"insert": 0.33, "edit": 0.45, "delete": 0.22}
"""How often each kind of write happens."""


class Writer:
    """Writes to keys that no other writer touches, so that what a key's last text must be is known.

    ``embed`` is what an application does that keeps its vectors itself; without it (None) the writer writes text alone.
    """

    def __init__(
        self,
        name: str,
        connection: psycopg.Connection[Any],
        *,
        table: sql.Composable,
        keys: Sequence[int],
        fresh: int,
        texts: Sequence[str],
        ledger: Ledger,
        seed: int,
    ) -> None:
        self.name = name
        self.embed: Embed | None = None
        self._connection, self._table, self._ledger = connection, table, ledger
        self._keys, self._fresh, self._texts = list(keys), fresh, texts
        self._random = random.Random(seed)  # noqa: S311 - traffic must be repeatable, not secret
        self._count = 0

    def step(self) -> None:
        """Make one write."""
        kind = self._random.choices(list(SHARES), list(SHARES.values()))[0]
        self._count += 1
        if kind == "delete":
            key = self._keys.pop(self._random.randrange(len(self._keys)))
            self._commit(kind, key, None, sql.SQL("DELETE FROM {} WHERE id = %(id)s"), {"id": key})
            return
        text = f"{self._random.choice(self._texts)}\n# {kind} {self._count} of {self.name}"
        vector = None if self.embed is None else "[" + ",".join(map(repr, self.embed(text).tolist())) + "]"
        if kind == "insert":
            self._fresh += 1
            self._insert(self._fresh, text, vector)
        else:
            self._edit(self._random.choice(self._keys), text, vector)

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _insert(self, key: int, text: str, vector: str | None) -> None:
        # The column of vectors is named only by who brings one: after the old side is retired it has another name.
        own = sql.SQL(
            "INSERT INTO {} (id, module, name, body, embedding) VALUES (%(id)s, 'fresh', %(name)s, %(body)s, %(vector)s::vector)"
        )
        bare = sql.SQL("INSERT INTO {} (id, module, name, body) VALUES (%(id)s, 'fresh', %(name)s, %(body)s)")
        values = {"id": key, "name": self.name, "body": text, "vector": vector}
        self._commit("insert", key, text, bare if vector is None else own, values)
        self._keys.append(key)

    def _edit(self, key: int, text: str, vector: str | None) -> None:
        own = sql.SQL("UPDATE {} SET body = %(body)s, edited = now(), embedding = %(vector)s::vector WHERE id = %(id)s")
        bare = sql.SQL("UPDATE {} SET body = %(body)s, edited = now() WHERE id = %(id)s")
        self._commit("edit", key, text, bare if vector is None else own, {"id": key, "body": text, "vector": vector})

    def _commit(self, kind: str, key: int, text: str | None, statement: sql.SQL, values: dict[str, object]) -> None:
        began = time.monotonic()
        touched = self._connection.execute(statement.format(self._table), values).rowcount
        ended = time.monotonic()
        self._ledger.wrote(Version(key, text, began, ended))
        self._ledger.did(Operation(self.name, kind, began, ended - began))
        if touched != 1:
            raise LookupError(f"{kind} of row {key} touched {touched} rows")
