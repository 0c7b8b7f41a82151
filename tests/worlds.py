"""The same small world on every store: a table that the application writes, and what an operator does first with it.

A contract test says what a port means; what differs between the stores (making a table, writing a row, spelling a text
expression) stands here, once for each.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from threading import local
from typing import Protocol
from uuid import UUID

import psycopg
import pytest
from costless import HashEncoder
from pgvector import Vector
from pgvector.psycopg import register_vector
from psycopg import sql
from transvase.adapters.memory import MemoryStore, VectorColumn
from transvase.core.connect import connect
from transvase.core.fence import Fenced
from transvase.core.ports import Declaration, Index, Payment, Place, Proposal, Source, Store
from transvase.core.record import Key, Record
from transvase.core.space import Role, Vectors

WIDTH = 16
OLD = HashEncoder("old", dimension=WIDTH, seed=1)
NEW = HashEncoder("new", dimension=WIDTH, seed=2)
"""As wide as OLD and of another Space: the pair that today's tools mix."""

KINDS: Mapping[str, str] = {"int": "bigint", "uuid": "uuid", "text": "text"}
PLAIN: Mapping[str, str] = {"id": "int"}
"""The key of a table unless a test says otherwise: a column and its kind."""
EVERY_KIND = frozenset({*KINDS, "several"})
"""What keys are made of, and that there may be several parts."""


def body(number: int) -> str:
    """The text of the record with this number, unless a test gives it another."""
    return f"record number {number}"


class World(Protocol):
    """The application's side of a store, and a door of the operator's."""

    name: str
    joined: str
    """The expression that joins title and body with a newline."""
    plain: Mapping[str, str]
    """The key of a table that is made without saying which: one column and its kind."""
    keys: frozenset[str]
    """Kinds of key columns that it takes, by the words of ``KINDS``; ``several`` where a key may have more than one."""
    form: str
    """The element type of the column that holds vectors."""
    carries: bool
    """Whether whole things move, so that an edit beside the text is owed too."""
    renames: bool
    """Whether what was the application's gets another name when it is retired, so that who still uses it fails."""

    def key(self, number: int) -> Key:
        """The key of the record with this number in a plain table; it sorts by its number."""
        ...

    @property
    def store(self) -> Store:
        """One connected store."""
        ...

    def other(self) -> Store:
        """Another store on the same data, as another process would have it."""
        ...

    def make(self, table: str, *, key: Mapping[str, str] | None = None, width: int = WIDTH, metric: str = "cosine") -> None:
        """A table with these key columns, ``title``, ``body``, ``team`` and a vector column ``embedding``."""
        ...

    def put(self, table: str, rows: Iterable[Mapping[str, object]]) -> None:
        """Insert the rows, or change the named columns of those that are there, in one transaction if there are any.

        In a plain table ``id`` is the number of a record or what its key is made of, whatever the column is called.
        """
        ...

    def delete(self, table: str, keys: Iterable[Key]) -> None:
        """Delete the rows of these keys."""
        ...

    def truncate(self, table: str) -> None:
        """Empty the table."""
        ...

    def lose_debts(self, alias: str) -> None:
        """Throw away what is owed, as only a stranger would."""
        ...

    def close(self) -> None:
        """Let go of everything."""
        ...


@dataclass
class MemoryWorld:
    """The world in memory. Another connection is the same object: threads are all it knows of others.

    With ``keys`` of UUIDs alone its plain tables are keyed by them, as the objects of some stores always are.
    """

    store: MemoryStore
    name: str = "memory"
    joined: str = "{title}\n{body}"
    keys: frozenset[str] = EVERY_KIND
    form: str = "vector"
    carries: bool = False
    renames: bool = True

    @property
    def plain(self) -> Mapping[str, str]:
        """By ``id``, or by ``uuid`` where there are only those."""
        return PLAIN if "int" in self.keys else {"uuid": "uuid"}

    def key(self, number: int) -> Key:
        """The number, or the UUID of that number."""
        return (number,) if "int" in self.keys else (uuid(number),)

    def other(self) -> Store:
        """The same store."""
        return self.store

    def make(self, table: str, *, key: Mapping[str, str] | None = None, width: int = WIDTH, metric: str = "cosine") -> None:
        vector = VectorColumn(name="embedding", width=width, metric=metric)
        self.store.make_table(table, key=tuple(key or self.plain), columns=("title", "body", "team"), vectors=(vector,))

    def put(self, table: str, rows: Iterable[Mapping[str, object]]) -> None:
        self.store.table(table).put(*(self._spelt(table, row) for row in rows))

    def _spelt(self, table: str, row: Mapping[str, object]) -> Mapping[str, object]:
        """The row with the column that this table's key has."""
        if "id" not in row or self.store.table(table).key != ("uuid",):
            return row
        number = row["id"]
        key = uuid(number) if isinstance(number, int) else number
        return {"uuid": key, **{name: value for name, value in row.items() if name != "id"}}

    def delete(self, table: str, keys: Iterable[Key]) -> None:
        self.store.table(table).delete(*keys)

    def truncate(self, table: str) -> None:
        self.store.table(table).truncate()

    def lose_debts(self, alias: str) -> None:
        self.store._aliases[alias].entries.clear()

    def close(self) -> None:
        self.store.close()


@dataclass
class PostgresWorld:
    """The world in a fresh Postgres database, written by plain connections of the application's own, one for each thread."""

    url: str
    name: str = "postgres"
    joined: str = r"title || E'\n' || body"
    plain: Mapping[str, str] = field(default_factory=lambda: PLAIN)
    keys: frozenset[str] = EVERY_KIND
    form: str = "vector"
    carries: bool = False
    renames: bool = True
    _columns: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def key(self, number: int) -> Key:
        """The number."""
        return (number,)

    def __post_init__(self) -> None:
        self.store = connect(self.url)
        self.opened: list[Store] = [self.store]
        self._sessions: list[psycopg.Connection] = []
        self._local = local()

    @property
    def application(self) -> psycopg.Connection:
        """The application's own connection of this thread, in autocommit mode."""
        if not hasattr(self._local, "session"):
            self._local.session = psycopg.connect(self.url, autocommit=True)
            register_vector(self._local.session)
            self._sessions.append(self._local.session)
        session: psycopg.Connection = self._local.session
        return session

    def other(self) -> Store:
        """A second store with connections of its own."""
        self.opened.append(connect(self.url))
        return self.opened[-1]

    def make(self, table: str, *, key: Mapping[str, str] | None = None, width: int = WIDTH, metric: str = "cosine") -> None:
        key = key or self.plain
        self._columns[table] = tuple(key)
        columns = [sql.SQL("{} {} NOT NULL").format(sql.Identifier(name), sql.SQL(KINDS[kind])) for name, kind in key.items()]
        text = [sql.SQL("{} text").format(sql.Identifier(name)) for name in ("title", "body", "team")]
        parts = [*columns, *text, sql.SQL("embedding vector({})").format(width)]
        primary = sql.SQL(", ").join(map(sql.Identifier, key))
        create = sql.SQL("CREATE TABLE {} ({}, PRIMARY KEY ({}))")
        self.application.execute(create.format(sql.Identifier(table), sql.SQL(", ").join(parts), primary))
        operators = sql.SQL({"cosine": "vector_cosine_ops", "ip": "vector_ip_ops", "l2": "vector_l2_ops"}[metric])
        index = sql.SQL("CREATE INDEX ON {} USING hnsw (embedding {})")
        self.application.execute(index.format(sql.Identifier(table), operators))

    def put(self, table: str, rows: Iterable[Mapping[str, object]]) -> None:
        with self.application.transaction():
            for row in rows:
                names = sql.SQL(", ").join(map(sql.Identifier, row))
                changes = [
                    sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(name)) for name in row if name not in self._columns[table]
                ]
                statement = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}").format(
                    sql.Identifier(table),
                    names,
                    sql.SQL(", ").join(sql.Placeholder() * len(row)),
                    sql.SQL(", ").join(map(sql.Identifier, self._columns[table])),
                    sql.SQL(", ").join(changes),
                )
                self.application.execute(
                    statement,
                    [Vector(value) if name == "embedding" and value is not None else value for name, value in row.items()],
                )

    def delete(self, table: str, keys: Iterable[Key]) -> None:
        matches = sql.SQL(" AND ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in self._columns[table])
        with self.application.transaction():
            for key in keys:
                self.application.execute(sql.SQL("DELETE FROM {} WHERE {}").format(sql.Identifier(table), matches), key)

    def truncate(self, table: str) -> None:
        self.application.execute(sql.SQL("TRUNCATE {}").format(sql.Identifier(table)))

    def lose_debts(self, alias: str) -> None:
        outboxes = (
            "SELECT relname FROM pg_class WHERE relnamespace = 'transvase_control'::regnamespace AND relname ~ '^outbox_[0-9]+$'"
        )
        for (name,) in self.application.execute(outboxes).fetchall():
            self.application.execute(sql.SQL("DELETE FROM {}").format(sql.Identifier("transvase_control", name)))

    def close(self) -> None:
        for session in self._sessions:
            session.close()
        for store in self.opened:
            store.close()


def rows_of(
    bodies: Mapping[Key, str | None] | Sequence[str | None], *, key: Sequence[str] = ("id",), encoder: HashEncoder = OLD
) -> list[dict[str, object]]:
    """Rows with these bodies, their vectors made by ``encoder``; a sequence numbers its keys from 0."""
    items = bodies.items() if isinstance(bodies, Mapping) else [((i,), text) for i, text in enumerate(bodies)]
    rows: list[dict[str, object]] = []
    for parts, text in items:
        vector = None if text is None else encoder.encode([text], Role.DOCUMENT).matrix[0]
        rows.append({**dict(zip(key, parts, strict=True)), "title": "T", "body": text, "team": "infra", "embedding": vector})
    return rows


def adopt(
    world: World,
    table: str = "docs",
    *,
    alias: str = "docs",
    key: Sequence[str] | None = None,
    text: str = "body",
    known: bool = True,
) -> Declaration:
    """Put the table's vectors under an alias as OLD's, or as nobody's."""
    source = Source(table=table, key=tuple(key or world.plain), text=text, vector="embedding")
    proposal = Proposal(alias, source, OLD.space if known else None, OLD.name if known else "unknown")
    declaration = world.store.inspect(proposal)
    world.store.adopt(proposal, declaration)
    return declaration


def target(world: World, alias: str = "docs", *, name: str = "docs_1", encoder: HashEncoder = NEW) -> Declaration:
    """What a migration of the alias to ``encoder`` would make: one dimension wider where it must be fenced."""
    live = world.store.alias(alias).live
    width = encoder.space.dimension + (encoder.space.dimension == live.width)
    return replace(
        live, name=world.store.physical(name), space=encoder.space, encoder=encoder.name, width=width, adopted=False, shares=""
    )


def shadowed(world: World, bodies: Sequence[str | None] = (), *, known: bool = True) -> tuple[Index, Index]:
    """A table of these bodies under ``docs``, with an empty target created: the live index and its shadow."""
    world.make("docs")
    world.put("docs", rows_of(bodies))
    live = adopt(world, known=known)
    made = target(world)
    world.store.create("docs", made)
    return world.store.index("docs", live.name), world.store.index("docs", made.name)


def fill(world: World, index: Index, *, encoder: HashEncoder = NEW) -> int:
    """Pour every record with a text into ``index``; returns how many were written."""
    records = world.store.corpus("docs").after(None, limit=10_000)
    with_text = [record for record in records if record.text is not None]
    place = Place(records[-1].key if records else None, finished=True, done=len(records))
    bare = [record for record in records if record.text is None]
    return index.fill(with_text, encoded(index, with_text, encoder=encoder), place=place, bare=bare)


def encoded(index: Index, records: Sequence[Record], *, encoder: HashEncoder = NEW, role: Role = Role.DOCUMENT) -> Vectors:
    """Vectors of the records' texts, as wide as the index stores them."""
    return Fenced(encoder, index.declaration.width).encode([record.text or "" for record in records], role)


def needs(world: World, *kinds: str) -> None:
    """Skip the test where the store takes no key of these kinds."""
    lacking = set(kinds) - world.keys
    if lacking:
        pytest.skip(f"{world.name} has no keys of these kinds: {', '.join(sorted(lacking))}")


def needs_key(world: World, key: Mapping[str, str]) -> None:
    """Skip the test where a table cannot have this key."""
    needs(world, *key.values(), *(["several"] if len(key) > 1 else []))


def asked(index: Index, text: str, *, encoder: HashEncoder = NEW) -> Vectors:
    """``text`` as a query, as wide as the index stores its vectors."""
    return Fenced(encoder, index.declaration.width).encode([text], Role.QUERY)


def silent(_: str, __: int, ___: int) -> None:
    """A progress that nobody watches."""


def pay(world: World, *targets: tuple[Index, HashEncoder], alias: str = "docs") -> int:
    """Pay all debts into these indexes, as a worker would; returns how many were settled."""
    outbox, corpus = world.store.outbox(alias), world.store.corpus(alias)
    debts = outbox.read(limit=1_000)
    records = tuple(record for record in corpus.read([debt.key for debt in debts]) if record.text is not None)
    payments = [Payment(index.declaration.name, records, encoded(index, records, encoder=encoder)) for index, encoder in targets]
    return outbox.pay(debts, payments)


def uuid(number: int) -> UUID:
    """A UUID that sorts by its number, which is not negative."""
    return UUID(int=number)
