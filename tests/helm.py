"""An operator at the command line beside a Postgres that an application uses, and what that database was like before and after.

Encoders cost nothing and are known by name; everything else is the real program, the real database and the real messages.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest
from costless import HashEncoder
from pgvector import Vector
from psycopg import sql
from transvase.cli import wiring
from transvase.cli.main import main
from transvase.core.encoders import load
from transvase.core.fence import Fenced
from transvase.core.ports import Encoder
from transvase.core.space import Role
from worlds import NEW, OLD, WIDTH, PostgresWorld, body, rows_of

OTHER = HashEncoder("other", dimension=WIDTH, seed=3)
"""As wide as OLD and NEW; made nothing in any table."""
WIDE = HashEncoder("wide", dimension=WIDTH + 8, seed=4)
MEMORIES = ("event", "worker")
"""The audit log and the worker's sign of life may grow while nothing else changes."""


@dataclass
class Helm:
    """Runs commands as the program would, in this process, and keeps what they wrote."""

    world: PostgresWorld
    take: Callable[[], tuple[str, str]]
    named: dict[str, Encoder] = field(default_factory=lambda: {"old": OLD, "new": NEW, "other": OTHER, "wide": WIDE})
    out: str = ""
    err: str = ""

    @property
    def url(self) -> str:
        """Where the application's database is."""
        return self.world.url

    def __call__(self, *words: str, store: str | None = None) -> int:
        self.take()
        status = main(["--store", store or self.url, *words])
        self.out, self.err = self.take()
        return status

    def object(self, *words: str, status: int = 0) -> dict[str, Any]:
        """The one object that the command writes to stdout."""
        found = self(*words, "--json")
        assert found == status, f"{found}: {self.err}"
        assert self.out.count("\n") == 1
        parsed = json.loads(self.out)
        assert isinstance(parsed, dict)
        return parsed

    def refused(self, *words: str, status: int, says: Sequence[str] | str, store: str | None = None) -> None:
        """The command ends with ``status``, says these things in one sentence on stderr, and changes nothing."""
        before = snapshot(self.url)
        found = self(*words, store=store)
        assert found == status, f"{found}: {self.err}"
        for part in [says] if isinstance(says, str) else says:
            assert part in self.err, self.err
        assert "TRANSVASE_DEBUG" not in self.err, self.err
        assert "Traceback" not in self.err, self.err
        assert self.out == ""
        assert snapshot(self.url) == before

    def adopt(self, *, encoder: str = "old", table: str = "docs", alias: str = "docs", **changed: str) -> tuple[str, ...]:
        """The words of an adoption, one or more of them changed."""
        options = {"key": "id", "text": "body", "vector": "embedding"} | changed
        words = ["adopt", alias, "--table", table, "--encoder", encoder]
        for name, value in options.items():
            words += [f"--{name}", value]
        return tuple(words)

    def reach(self, phase: str, *, encoder: str = "new", alias: str = "docs") -> None:
        """Adopt the table and migrate up to ``phase``."""
        assert self(*self.adopt(alias=alias)) == 0, self.err
        if phase == "adopted":
            return
        assert self("migrate", alias, "--to", encoder, "--until", phase) == 0, self.err

    def sql(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        """A statement of the application's, or of a stranger's."""
        cursor = self.world.application.execute(query, values or None)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def manned_at(url: str, take: Callable[[], tuple[str, str]] = lambda: ("", "")) -> Iterator[Helm]:
    """The operator at a database; encoders known by name cost nothing, all others are loaded as always."""
    made = Helm(PostgresWorld(url), take)

    def named(enc: str) -> Encoder:
        return made.named[enc] if enc in made.named else load(enc)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "load", named)
        wiring.encoders.cache_clear()
        yield made
    wiring.encoders.cache_clear()
    made.world.close()


@contextmanager
def database_of_a_file(server: str, name: str) -> Iterator[str]:
    """URL of a database that several tests share, because none of them may change it."""
    with psycopg.connect(server, autocommit=True) as connection:
        create = sql.SQL("CREATE DATABASE {} TEMPLATE transvase_template STRATEGY file_copy")
        connection.execute(create.format(sql.Identifier(name)))
        yield server.replace("/postgres?", f"/{name}?")
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def stocked(world: PostgresWorld, count: int = 60, *, table: str = "docs") -> None:
    """A table of ``count`` records with the vectors of OLD, loaded at once and indexed afterwards."""
    world.make(table)
    index, name = sql.Identifier(f"{table}_embedding_idx"), sql.Identifier(table)
    world.application.execute(sql.SQL("DROP INDEX {}").format(index))
    load_rows = sql.SQL("COPY {} (id, title, body, team, embedding) FROM STDIN").format(name)
    with world.application.cursor() as cursor, cursor.copy(load_rows) as copy:
        for row in rows_of([body(i) for i in range(count)]):
            copy.write_row([row["id"], row["title"], row["body"], row["team"], Vector(row["embedding"])])
    create = sql.SQL("CREATE INDEX {} ON {} USING hnsw (embedding vector_cosine_ops)")
    world.application.execute(create.format(index, name))


def vector(encoder: Encoder, text: str, *, width: int | None = None) -> str:
    """The text's vector as SQL takes it, with the fence where ``width`` asks for it."""
    made = Fenced(encoder, width or encoder.space.dimension).encode([text], Role.DOCUMENT).matrix[0]
    return "[" + ",".join(f"{value:.8g}" for value in made) + "]"


def snapshot(url: str) -> dict[str, object]:
    """Everything of a database that a command could leave behind: relations, columns, triggers, functions, rights and rows."""
    with psycopg.connect(url, autocommit=True) as connection:
        found: dict[str, object] = {name: connection.execute(query).fetchall() for name, query in _CATALOG.items()}
        for schema, table in connection.execute(_TABLES).fetchall():
            if schema == "transvase_control" and table in MEMORIES:
                continue
            digest = sql.SQL("SELECT count(*), md5(string_agg(t::text, '|' ORDER BY t::text)) FROM {} t")
            found[f"{schema}.{table}"] = connection.execute(digest.format(sql.Identifier(schema, table))).fetchone()
    return found


_OURS = "nspname !~ '^pg_' AND nspname <> 'information_schema'"
_TABLES = (
    "SELECT nspname, relname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
    f" WHERE relkind IN ('r', 'p') AND {_OURS} ORDER BY 1, 2"
)
_CATALOG = {
    "schemas": f"SELECT nspname, nspacl::text FROM pg_namespace WHERE {_OURS} ORDER BY 1",
    "relations": (
        "SELECT nspname, relname, relkind, relacl::text FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        f" WHERE {_OURS} ORDER BY 1, 2"
    ),
    "columns": (
        "SELECT nspname, relname, attname, atttypid, atttypmod, attnotnull FROM pg_attribute a"
        " JOIN pg_class c ON c.oid = attrelid JOIN pg_namespace n ON n.oid = relnamespace"
        f" WHERE attnum > 0 AND NOT attisdropped AND {_OURS} ORDER BY 1, 2, attnum"
    ),
    "triggers": "SELECT tgrelid::regclass::text, tgname, tgenabled FROM pg_trigger WHERE NOT tgisinternal ORDER BY 1, 2",
    "functions": f"SELECT nspname, proname FROM pg_proc JOIN pg_namespace n ON n.oid = pronamespace WHERE {_OURS} ORDER BY 1, 2",
}
