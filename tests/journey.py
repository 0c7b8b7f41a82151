"""A table on its way through a migration: the operator's store, the application's connection, and writers in between.

The stories share it, each with what it adds.
"""

from __future__ import annotations

import psycopg
import scenery
from psycopg import Connection
from scenery import Ground
from transvase.adapters.postgres import connect
from transvase.core.ports import Store

ODD = Ground(
    alias='My alias, 50% of "it"',
    schema='The "Schema" of %',
    table='100% of all "Docs"',
    key=(("The Id", "bigint"), ('a"part" %(x)', "text")),
    text='Body "raw" 5%',
    vector="Vec tor%",
)
"""Names that break whatever is not quoted, formatted or bound as it should be."""

COMPOSITE = Ground(key=(("tenant", "integer"), ("doc", "uuid"), ("part", "text")))


class Journey:
    """One table, the operator's store, and the application's connection."""

    def __init__(self, url: str, ground: Ground) -> None:
        self.ground = ground
        self.store: Store = connect(url)
        self.sql: Connection = psycopg.connect(url, autocommit=True)
        self.written = 0

    def close(self) -> None:
        self.store.close()
        self.sql.close()

    def begin(self, rows: int) -> None:
        """Lay the table with its vectors, and adopt it."""
        scenery.lay(self.sql, self.ground, rows=rows)
        scenery.adopted(self.store, self.ground)

    def enc(self, name: str) -> str:
        return f"{name}/{self.ground.dimension}"

    def write(self, *, by: str | None = None) -> None:
        """New rows, an edit, a text that goes, and a row that is deleted."""
        self.written += 1
        base, n, ground = 1_000 * self.written, 10 * self.written, self.ground
        news = {ground.key_of(base + i): scenery.text_of(base + i) for i in range(3)}
        edits = {ground.key_of(n): f"edited in round {self.written}", ground.key_of(n + 1): None}
        scenery.put(self.sql, ground, {**news, **edits}, by=by)
        scenery.take(self.sql, ground, [ground.key_of(n + 2)])

    def settled(self) -> None:
        """Everything that is owed is paid, and both sides are whole and right."""
        assert scenery.paid(self.store, self.ground.alias) == 0
        assert scenery.faults(self.sql, self.ground) == []
