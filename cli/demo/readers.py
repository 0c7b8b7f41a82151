"""The two kinds of reading application: one through the Retriever, one by SQL on the alias' view with vectors of its own."""

from __future__ import annotations

import random
import time
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray
from psycopg import sql
from transvase.core.retriever import Retriever

from .ledger import Failure, Ledger, Seen, SeenHit
from .waits import Operation

TOP: Final = 5
DIFFERENT_DIMENSIONS: Final = "22000"
"""The state with which pgvector refuses to compare vectors of different dimensions."""


class RetrieverReader:
    """An application that searches by text and never hears of vectors."""

    def __init__(self, name: str, retriever: Retriever, *, queries: Sequence[str], ledger: Ledger, seed: int) -> None:
        self.name = name
        self._retriever, self._queries, self._ledger = retriever, queries, ledger
        self._random = random.Random(seed)  # noqa: S311 - traffic must be repeatable, not secret

    def step(self) -> None:
        """Search once."""
        query = self._random.choice(self._queries)
        began = time.monotonic()
        found = self._retriever.answer(query, TOP)
        ended = time.monotonic()
        hits = tuple(SeenHit(int(str(hit.key[0])), hit.score, found.space) for hit in found.hits)
        self._ledger.did(Operation(self.name, "search", began, ended - began))
        self._ledger.saw(Seen(self.name, query, found.space, hits, began, ended))

    def close(self) -> None:
        """Let go of the connections."""
        self._retriever.close()


class SqlReader:
    """An application with its own SQL and its own query vectors, of one Space at a time.

    When the database refuses its vectors, it goes on with those of the other Space: what a deployment of the new model is.
    """

    def __init__(
        self,
        name: str,
        connection: psycopg.Connection[Any],
        *,
        view: sql.Composable,
        vectors: Mapping[str, Mapping[str, NDArray[np.float32]]],
        ledger: Ledger,
        seed: int,
    ) -> None:
        self.name = name
        self._connection, self._vectors, self._ledger = connection, vectors, ledger
        self._space = next(iter(vectors))
        self._random = random.Random(seed)  # noqa: S311 - traffic must be repeatable, not secret
        self._statement = sql.SQL(
            "SELECT id, 1 - (embedding <=> %(vector)s::vector) AS score, space FROM {}"
            " ORDER BY embedding <=> %(vector)s::vector LIMIT %(top)s"
        ).format(view)

    def step(self) -> None:
        """Search once; a refusal and the second try belong to the same wait."""
        query = self._random.choice(sorted(self._vectors[self._space]))
        began = time.monotonic()
        try:
            rows = self._ask(query)
        except psycopg.DataError as refusal:
            if refusal.sqlstate != DIFFERENT_DIMENSIONS:
                raise
            self._ledger.refused(Failure(self.name, "search", time.monotonic(), str(refusal).strip()))
            self._space = next(space for space in self._vectors if space != self._space)
            rows = self._ask(query)
        ended = time.monotonic()
        hits = tuple(SeenHit(int(key), float(score), str(space)) for key, score, space in rows)
        self._ledger.did(Operation(self.name, "search", began, ended - began))
        self._ledger.saw(Seen(self.name, query, self._space, hits, began, ended))

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _ask(self, query: str) -> list[tuple[Any, ...]]:
        vector = "[" + ",".join(map(repr, self._vectors[self._space][query].tolist())) + "]"
        return self._connection.execute(self._statement, {"vector": vector, "top": TOP}).fetchall()
