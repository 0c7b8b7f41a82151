"""To a finished index and a switched reader, three ways in one run, all with an encoder that costs nothing.

The plain script is the one that most teams write: ADD COLUMN, batched UPDATE, CREATE INDEX, rename. The raw way is the limit:
COPY of ready rows into a new table, then CREATE INDEX, with nothing captured, checked or proven.

    python benchmarks/rivals.py [--rows 20000]
"""

from __future__ import annotations

import argparse
import sys

import psycopg
from ground import DIMENSION, ENCODERS, adopted, database, documents, seconds, server, verdict
from transvase.core.space import Role
from transvase.migrations.fill import fill
from transvase.migrations.open import open_target

BATCH = 1000


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    rows = parser.parse_args().rows
    took = {}
    with server() as url:
        for way in (transvase, raw, script):
            with database(url, way.__name__) as own:
                documents(own, rows, index=True)
                took[way.__name__] = way(own)
                print(f"{way.__name__}: {took[way.__name__]:.1f} s for {rows:,} rows")
    print(f"the limit (raw beside the script): {took['raw'] / took['script']:.2f}")
    return 0 if verdict("transvase beside the script", took["transvase"] / took["script"], bound=0.5, at_least=False) else 1


def transvase(url: str) -> float:
    """Open and fill: capture, side table, vector index, statistics."""
    store = adopted(url)

    def run() -> None:
        open_target(store, "docs", to="new", encoders=ENCODERS.__getitem__)
        fill(store, "docs", encoders=ENCODERS.__getitem__)

    took = seconds(run)
    store.close()
    return took


def script(url: str) -> float:
    """A column beside the old one, on the table that carries the live index."""
    with psycopg.connect(url, autocommit=True) as connection:

        def run() -> None:
            connection.execute(f"ALTER TABLE documents ADD COLUMN embedding_new vector({DIMENSION})")
            while found := connection.execute(
                "SELECT id, body FROM documents WHERE embedding_new IS NULL ORDER BY id LIMIT %s", (BATCH,)
            ).fetchall():
                made = ENCODERS["new"].encode([body for _, body in found], Role.DOCUMENT).matrix
                values = [(str(row.tolist()), key) for (key, _), row in zip(found, made, strict=True)]
                with connection.transaction(), connection.cursor() as cursor:
                    cursor.executemany("UPDATE documents SET embedding_new = %s::vector WHERE id = %s", values)
            connection.execute("SET maintenance_work_mem = '1GB'")
            connection.execute("CREATE INDEX ON documents USING hnsw (embedding_new vector_cosine_ops)")
            with connection.transaction():
                connection.execute("ALTER TABLE documents RENAME COLUMN embedding TO embedding_old")
                connection.execute("ALTER TABLE documents RENAME COLUMN embedding_new TO embedding")

        return seconds(run)


def raw(url: str) -> float:
    """Ready rows into a new table, then its index."""
    with psycopg.connect(url, autocommit=True) as connection:
        found = connection.execute("SELECT id, body FROM documents ORDER BY id").fetchall()
        made = ENCODERS["new"].encode([body for _, body in found], Role.DOCUMENT).matrix
        lines = [f"{key}\t{row.tolist()}\n".replace(" ", "") for (key, _), row in zip(found, made, strict=True)]
        connection.execute(f"CREATE TABLE raw (id bigint PRIMARY KEY, embedding vector({DIMENSION}))")
        with connection.cursor().copy("COPY raw FROM STDIN") as copy:
            copy.write("".join(lines))
        connection.execute("CREATE TABLE ready (LIKE raw INCLUDING ALL)")
        with connection.cursor().copy("COPY raw TO STDOUT (FORMAT binary)") as copy:
            chunks = [bytes(chunk) for chunk in copy]
        connection.execute("CHECKPOINT")

        def run() -> None:
            with connection.cursor().copy("COPY ready FROM STDIN (FORMAT binary)") as copy:
                for chunk in chunks:
                    copy.write(chunk)
            connection.execute("SET maintenance_work_mem = '1GB'")
            connection.execute("CREATE INDEX ON ready USING hnsw (embedding vector_cosine_ops)")

        return seconds(run)


if __name__ == "__main__":
    sys.exit(main())
