"""What the stories play on: a table as applications have them, and a reader of both sides that is none of ours.

The reader takes nothing on trust: it reads keys, texts, digests and vectors by SQL of its own, encodes every text again and
says what does not fit. Only the names of the two sides are taken from the control row.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
from costless import HashEncoder
from linear import Linear, adapter, cut
from numpy.typing import NDArray
from psycopg import sql
from transvase.core.encoders.derivation import Derivation
from transvase.core.ports import Encoder, Source, Store
from transvase.core.record import Key, KeyPart
from transvase.core.space import Role, Side
from transvase.migrations.adopt import Adopted, adopt
from transvase.migrations.sync import Worker

SEEDS = {"old": 1, "new": 2, "newer": 3}
Connection = psycopg.Connection[tuple[Any, ...]]


@lru_cache
def encoder(enc: str) -> Encoder:
    """``old/16`` is that encoder of that dimension, ``turned old/16`` one made of it: the same vectors in every process."""
    kind, _, of = enc.partition(" ")
    match kind:
        case "asking":
            return adapter(enc, encoder(of), side=Side.QUERY)
        case "turned":
            return adapter(enc, encoder(of))
        case "half":
            return cut(enc, encoder(of), encoder(of).space.dimension // 2)
        case _:
            name, _, dimension = enc.partition("/")
            return HashEncoder(enc, dimension=int(dimension), seed=SEEDS[name])


def derivations(enc: str, source: str) -> Derivation | None:
    """The way from one of these Spaces to another, as the files of a model would tell."""
    made = encoder(enc)
    return made.derivation if isinstance(made, Linear) and made.side is Side.BOTH and made.base.space.id == source else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """One table of an application: what it is called and what it is keyed by (column and SQL type)."""

    alias: str = "docs"
    schema: str = "public"
    table: str = "docs"
    key: tuple[tuple[str, str], ...] = (("id", "bigint"),)
    text: str = "body"
    vector: str = "embedding"
    form: str = "vector"
    dimension: int = 16
    parts: int = 0
    """Partitions by hash of the key; 0: a plain table."""

    @property
    def relation(self) -> sql.Identifier:
        return sql.Identifier(self.schema, self.table)

    @property
    def view(self) -> sql.Identifier:
        return sql.Identifier("transvase", self.alias)

    @property
    def columns(self) -> sql.Composed:
        """The key columns, quoted and with commas."""
        return sql.SQL(", ").join(sql.Identifier(name) for name, _ in self.key)

    @property
    def source(self) -> Source:
        """What an operator would say to ``adopt``."""
        return Source(
            table=self.relation.as_string(None),
            key=tuple(name for name, _ in self.key),
            text=sql.Identifier(self.text).as_string(None),
            vector=self.vector,
        )

    def enc(self, name: str) -> str:
        """ENC of the encoder of that name, as wide as this table's vectors."""
        return f"{name}/{self.dimension}"

    def key_of(self, number: int) -> Key:
        """The key of the row with this number; composite keys share their first part with a few others."""
        if len(self.key) == 1:
            return (_part(self.key[0][1], number),)
        return (_part(self.key[0][1], number // 5), *(_part(kind, number) for _, kind in self.key[1:]))


def _part(kind: str, number: int) -> KeyPart:
    if kind == "uuid":
        return UUID(hex=hashlib.md5(str(number).encode()).hexdigest())  # spreads the keys, and protects nothing
    return f'k\'{number:05d} "é" %' if kind == "text" else number


def text_of(number: int) -> str:
    """The text of the row with this number, before anybody edits it."""
    return f"record {number} speaks of {number % 17} things"


def lay(connection: Connection, ground: Ground, *, rows: int) -> None:
    """Make the table with an HNSW index and ``rows`` rows whose vectors are those of the encoder ``old``."""
    key = [sql.SQL("{} {} NOT NULL").format(sql.Identifier(name), sql.SQL(kind)) for name, kind in ground.key]
    names = {
        "schema": sql.Identifier(ground.schema), "table": ground.relation, "key": sql.SQL(", ").join(key),
        "columns": ground.columns, "text": sql.Identifier(ground.text), "vector": sql.Identifier(ground.vector),
        "type": sql.SQL(f"{ground.form}({ground.dimension})"), "opclass": sql.SQL(f"{ground.form}_cosine_ops"),
        "parts": sql.SQL("PARTITION BY HASH ({})").format(ground.columns) if ground.parts else sql.SQL(""),
    }  # fmt: skip
    connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {schema}").format(**names))
    table = "CREATE TABLE {table} ({key}, {text} text, team text, {vector} {type}, PRIMARY KEY ({columns})) {parts}"
    connection.execute(sql.SQL(table).format(**names))
    for part in range(ground.parts):
        create = sql.SQL("CREATE TABLE {} PARTITION OF {} FOR VALUES WITH (MODULUS {}, REMAINDER {})")
        name = sql.Identifier(ground.schema, f"{ground.table}_{part}")
        connection.execute(create.format(name, ground.relation, sql.Literal(ground.parts), sql.Literal(part)))
    put(connection, ground, {ground.key_of(i): text_of(i) for i in range(rows)}, by="old")
    connection.execute(sql.SQL("CREATE INDEX ON {table} USING hnsw ({vector} {opclass})").format(**names))


def put(connection: Connection, ground: Ground, texts: Mapping[Key, str | None], *, by: str | None = None) -> None:
    """Insert or edit rows as an application does, with vectors of the encoder ``by`` or none."""
    vectors: Sequence[str | None] = [None] * len(texts)
    if by is not None and texts:
        made = encoder(ground.enc(by)).encode([text or "" for text in texts.values()], Role.DOCUMENT).matrix
        vectors = [None if text is None else literal(row) for text, row in zip(texts.values(), made, strict=True)]
    columns = [*(name for name, _ in ground.key), ground.text, "team", *([ground.vector] if by is not None else [])]
    changed = [ground.text, *([ground.vector] if by is not None else [])]
    query = sql.SQL("INSERT INTO {} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}").format(
        ground.relation,
        sql.SQL(", ").join(map(sql.Identifier, columns)),
        sql.SQL(", ").join([sql.Placeholder()] * len(columns)),
        ground.columns,
        sql.SQL(", ").join(sql.SQL("{0} = EXCLUDED.{0}").format(sql.Identifier(c)) for c in changed),
    )
    rows = [
        (*key, text, "infra" if i % 3 else "sales", *([vector] if by is not None else []))
        for i, ((key, text), vector) in enumerate(zip(texts.items(), vectors, strict=True))
    ]
    with connection.cursor() as cursor:
        cursor.executemany(_plain(query, connection), rows)


def take(connection: Connection, ground: Ground, keys: Iterable[Key]) -> None:
    """Delete rows."""
    where = sql.SQL(" AND ").join(sql.SQL("{} = {}").format(sql.Identifier(n), sql.Placeholder()) for n, _ in ground.key)
    query = _plain(sql.SQL("DELETE FROM {} WHERE {}").format(ground.relation, where), connection)
    with connection.cursor() as cursor:
        cursor.executemany(query, list(keys))


def rekey(connection: Connection, ground: Ground, old: Key, new: Key) -> None:
    """Give a row another key."""
    sets = sql.SQL(", ").join(sql.SQL("{} = {}").format(sql.Identifier(n), sql.Placeholder()) for n, _ in ground.key)
    where = sql.SQL(" AND ").join(sql.SQL("{} = {}").format(sql.Identifier(n), sql.Placeholder()) for n, _ in ground.key)
    query = sql.SQL("UPDATE {} SET {} WHERE {}").format(ground.relation, sets, where)
    connection.execute(_plain(query, connection), (*new, *old))


def adopted(store: Store, ground: Ground) -> Adopted:
    """Put the table under its alias, as the work of the encoder ``old``."""
    return adopt(store, ground.alias, source=ground.source, encoder=ground.enc("old"), encoders=encoder)


def paid(store: Store, alias: str) -> int:
    """Pay whatever is owed; returns what is owed still."""
    return Worker(store, alias, encoder).drain(deadline_s=60)


def texts(connection: Connection, ground: Ground) -> dict[Key, str]:
    """Every row that has a text, as it is now."""
    query = sql.SQL("SELECT {}, {} FROM {}").format(sql.Identifier(ground.text), ground.columns, ground.relation)
    return {tuple(row[1:]): row[0] for row in connection.execute(query) if row[0] is not None}


def shown(connection: Connection, ground: Ground) -> dict[Key, tuple[str, NDArray[np.float32]]]:
    """What the alias' view shows of every row: the Space and the vector."""
    query = sql.SQL("SELECT space, embedding::text, {} FROM {}").format(ground.columns, ground.view)
    return {tuple(row[2:]): (row[0], numbers(row[1])) for row in connection.execute(query) if row[1] is not None}


def sides(connection: Connection, alias: str) -> tuple[str, str | None]:
    """Physical names: the live side, and the one kept beside it."""
    row = connection.execute("SELECT live, shadow FROM transvase_control.alias WHERE name = %s", (alias,)).fetchone()
    assert row is not None, f"no alias {alias}"
    return row[0], row[1]


def faults(connection: Connection, ground: Ground) -> list[str]:
    """What is wrong on the sides that are kept now: missing, orphaned, stale, or not what the encoder makes of the text."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        now = texts(connection, ground)
        found: list[str] = []
        for side in filter(None, sides(connection, ground.alias)):
            found += _side_faults(connection, ground, side, now)
    return found


def _side_faults(connection: Connection, ground: Ground, side: str, now: Mapping[Key, str]) -> list[str]:
    row = connection.execute("SELECT encoder, width FROM transvase_control.index WHERE name = %s", (side,)).fetchone()
    assert row is not None, f"{side} is not declared"
    enc, width = row
    held = held_by(connection, ground, side)
    found = [f"{side}: {key} is missing" for key in now.keys() - held.keys()]
    found += [f"{side}: {key} is an orphan" for key in held.keys() - now.keys()]
    common = sorted(now.keys() & held.keys(), key=str)
    if not common:
        return found
    made = encoder(enc).encode([now[key] for key in common], Role.DOCUMENT).matrix
    for key, expected in zip(common, made, strict=True):
        digest, vector = held[key]
        if digest is not None and digest != hashlib.sha256(now[key].encode()).digest():
            found.append(f"{side}: {key} has the digest of another text")
        if vector.shape != (width,) or vector[len(expected) :].any():
            found.append(f"{side}: {key} has {vector.shape} numbers, and {width} are declared")
        elif likeness(vector[: len(expected)], expected) < 0.999:
            found.append(f"{side}: {key} has the vector of another text")
    return found


Held = dict[Key, tuple[bytes | None, NDArray[np.float32]]]


def held_by(connection: Connection, ground: Ground, side: str) -> Held:
    """Keys, digests and vectors of either kind of side."""
    query = "SELECT adopted FROM transvase_control.index WHERE name = %s"
    adopted_column = connection.execute(query, (side,)).fetchone() == (True,)
    return column_rows(connection, ground) if adopted_column else side_rows(connection, ground, side)


def side_rows(connection: Connection, ground: Ground, side: str) -> Held:
    """Keys, digests and vectors of a side table, under whichever name it is served."""
    place = connection.execute("SELECT coalesce(nullif(shares, ''), name) FROM transvase_control.index WHERE name = %s", (side,))
    side = next(iter(place), (side,))[0]
    ks = sql.SQL(", ").join(sql.Identifier(f"k{i}") for i in range(1, len(ground.key) + 1))
    query = sql.SQL("SELECT digest, embedding::text, {} FROM {}").format(ks, sql.Identifier("transvase_control", side))
    return {tuple(row[2:]): (bytes(row[0]), numbers(row[1])) for row in connection.execute(query)}


def column_rows(connection: Connection, ground: Ground) -> Held:
    """Keys and vectors of the table's own column."""
    query = sql.SQL("SELECT {}::text, {} FROM {}").format(sql.Identifier(ground.vector), ground.columns, ground.relation)
    return {tuple(row[1:]): (None, numbers(row[0])) for row in connection.execute(query) if row[0] is not None}


def literal(vector: Iterable[float]) -> str:
    """A vector as SQL takes it."""
    return "[" + ",".join(str(float(x)) for x in vector) + "]"


def numbers(text: str) -> NDArray[np.float32]:
    """A vector as SQL gives it."""
    return np.array([float(x) for x in text[1:-1].split(",")], dtype=np.float32)


def likeness(left: NDArray[np.float32], right: NDArray[np.float32]) -> float:
    """The cosine."""
    return float(left @ right / max(float(np.linalg.norm(left) * np.linalg.norm(right)), 1e-30))


def _plain(query: sql.Composed, connection: Connection) -> sql.SQL:
    """The query with percent signs of its names doubled, for use with parameters."""
    marked = query.as_string(connection).replace("%", "%%").replace("%%s", "%s")
    return sql.SQL(marked)  # type: ignore[arg-type]  # composed of identifiers above
