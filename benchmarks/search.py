"""What a search through the Retriever costs beside the same search written by hand, encoding excluded.

Both ask for the same five rows of the same index, in turns, on one connection each; the encoder of the benchmark costs
nothing. Once for the user's own column and once, after a cutover, for a side table.

    python benchmarks/search.py [--rows 20000] [--searches 1000]
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence

import psycopg
from ground import ENCODERS, adopted, database, documents, median_ms, server, verdict
from pgvector.psycopg import register_vector
from transvase.core.fence import Fenced
from transvase.core.retriever import Retriever
from transvase.core.space import Role, Vectors
from transvase.migrations.cutover import cutover
from transvase.migrations.fill import fill
from transvase.migrations.open import open_target
from transvase.migrations.prove.verdict import prove

COLUMN = "SELECT id, title, body, 1 - (embedding <=> %s) FROM documents ORDER BY embedding <=> %s LIMIT 5"
SIDE = (
    "SELECT s.id, s.title, s.body, 1 - (x.embedding <=> %s) FROM transvase_control.{} x JOIN documents s ON s.id = x.k1"
    " ORDER BY x.embedding <=> %s LIMIT 5"
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--searches", type=int, default=1000)
    given = parser.parse_args()
    queries = [f"document {n}" for n in range(given.searches)]
    with server() as url, database(url, "search") as own:
        documents(own, given.rows, index=True)
        store = adopted(own)
        column = compare(own, COLUMN, "old", queries, width=384)
        encoders = ENCODERS.__getitem__
        open_target(store, "docs", to="new", encoders=encoders)
        fill(store, "docs", encoders=encoders)
        prove(store, "docs", encoders=encoders)
        cutover(store, "docs", encoders=encoders)
        side = compare(own, SIDE.format(store.alias("docs").live.name), "new", queries, width=385)
        store.close()
    held = [
        verdict("Retriever beside hand-written SQL, the user's column", column, bound=1.1, at_least=False),
        verdict("Retriever beside hand-written SQL, a side table", side, bound=1.1, at_least=False),
    ]
    return 0 if all(held) else 1


class Ready:
    """An encoder whose vectors are ready before the clock starts, so that encoding is excluded on both sides."""

    def __init__(self, enc: str, queries: list[str]) -> None:
        self.name, self.space = enc, ENCODERS[enc].space
        made = ENCODERS[enc].encode(queries, Role.QUERY)
        self._made = {query: made.take([row]) for row, query in enumerate(queries)}

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        return self._made[texts[0]]

    def tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]


def compare(url: str, sql: str, enc: str, queries: list[str], *, width: int) -> float:
    """The ratio of the medians, the two taking turns so that a slow moment meets both."""
    ready = Ready(enc, queries)
    encoder = Fenced(ready, width)
    given = {**ENCODERS, enc: ready}
    with psycopg.connect(url, autocommit=True) as connection, Retriever.connect(url, "docs", encoders=given) as retriever:
        register_vector(connection)
        vectors = {query: encoder.encode([query], Role.QUERY).matrix[0] for query in queries}

        def by_hand(query: str) -> object:
            vector = vectors[query]
            return connection.execute(sql, (vector, vector)).fetchall()

        def through_us(query: str) -> object:
            return retriever.search(query, k=5)

        times: dict[str, list[float]] = {"hand": [], "ours": []}
        for query in queries:
            for name, act in (("hand", by_hand), ("ours", through_us)):
                times[name].append(timed(act, query))
    hand, ours = median_ms(times["hand"]), median_ms(times["ours"])
    print(f"{enc}: by hand {hand:.3f} ms, through the Retriever {ours:.3f} ms")
    return ours / hand


def timed(act: Callable[[str], object], query: str) -> float:
    begun = time.perf_counter()
    act(query)
    return time.perf_counter() - begun


if __name__ == "__main__":
    sys.exit(main())
