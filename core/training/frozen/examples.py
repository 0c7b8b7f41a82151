"""Vectors and who belongs to whom, by row: what an adapter learns from, and what it must not mistake for a negative.

Rows with one and the same vector (copies of a document, a query that was asked twice) count as one: what answers one of them
answers the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from transvase.core.errors import BadValue, Unfit

Rows = NDArray[np.intp]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Examples:
    """Vectors of one Space and which belong together, all by row."""

    queries: NDArray[np.float32]
    """(queries, dimension), as the encoder gives them for the role of a query."""
    documents: NDArray[np.float32]
    """(documents, dimension): at least those that the pairs name."""
    pairs: Rows
    """(pairs, 2): a query's row and the row of a document that answers it."""
    weights: NDArray[np.float32] | None = None
    """(pairs,): how much each pair counts; None: all alike. A pair of weight 0 is only known."""
    known: Rows | None = None
    """(any, 2): further pairs that are not learnt from and yet are never negatives."""


@dataclass(frozen=True, slots=True, eq=False)
class Choices:
    """Examples made ready: each row stands for all its copies."""

    pairs: Rows
    weights: NDArray[np.float32]
    corpus: Rows
    """Rows of documents, sorted, each vector once."""
    answers: Rows
    """Rows of known answers of all queries, those of one query together."""
    first: Rows
    """Where each query's answers begin among them; one entry more than there are queries."""

    def shown(self, pairs: Rows, *, others: int, source: np.random.Generator) -> Rows:
        """The rows of documents that a batch of pairs chooses from, sorted: its own and ``others`` drawn from the corpus."""
        if others >= len(self.corpus):
            return self.corpus
        return np.unique(np.concatenate([pairs[:, 1], source.choice(self.corpus, size=others)]))

    def forbidden(self, pairs: Rows, shown: Rows) -> NDArray[np.bool_]:
        """(pairs, shown): True where a document is no negative of the pair's query, being another answer to it."""
        starts, ends = self.first[pairs[:, 0]], self.first[pairs[:, 0] + 1]
        row = np.repeat(np.arange(len(pairs)), ends - starts)
        offset = np.arange(len(row)) - np.repeat(np.cumsum(ends - starts) - (ends - starts), ends - starts)
        answer = self.answers[np.repeat(starts, ends - starts) + offset]
        column = np.minimum(np.searchsorted(shown, answer), len(shown) - 1)
        mask = np.zeros((len(pairs), len(shown)), dtype=np.bool_)
        there = shown[column] == answer
        mask[row[there], column[there]] = True
        mask[np.arange(len(pairs)), np.searchsorted(shown, pairs[:, 1])] = False
        return mask


def choices(examples: Examples) -> Choices:
    """The examples made ready. BadValue when shapes, rows or weights make no sense; Unfit when nothing can be learnt."""
    _check(examples)
    weights = examples.weights if examples.weights is not None else np.ones(len(examples.pairs), np.float32)
    asked, seen = _representatives(examples.queries), _representatives(examples.documents)
    known = examples.pairs if examples.known is None else np.concatenate([examples.pairs, examples.known])
    known = np.unique(np.stack([asked[known[:, 0]], seen[known[:, 1]]], axis=1), axis=0)
    used = weights > 0
    pairs = np.stack([asked[examples.pairs[used, 0]], seen[examples.pairs[used, 1]]], axis=1)
    corpus = np.unique(seen)
    if not len(pairs) or len(corpus) < 2:
        told = f"{len(pairs)} pairs and {len(corpus)} different documents"
        raise Unfit(f"nothing can be learnt from {told}", remedy="give pairs with a weight, and at least two documents")
    first = np.searchsorted(known[:, 0], np.arange(len(examples.queries) + 1))
    return Choices(pairs, np.asarray(weights[used], np.float32), corpus, np.ascontiguousarray(known[:, 1]), first)


def _representatives(rows: NDArray[np.float32]) -> Rows:
    """For each row the first row that has the same vector."""
    seen: dict[bytes, int] = {}
    return np.array([seen.setdefault(row.tobytes(), place) for place, row in enumerate(rows)], dtype=np.intp)


def _check(examples: Examples) -> None:
    shapes = [examples.queries.shape, examples.documents.shape]
    if any(len(shape) != 2 for shape in shapes) or shapes[0][1] != shapes[1][1] or not shapes[0][1]:
        raise BadValue("examples", shapes, why="two matrices of one dimension are needed, a row each query and document")
    if any(rows.dtype != np.float32 or not np.isfinite(rows).all() for rows in (examples.queries, examples.documents)):
        raise BadValue("examples", shapes, why="finite float32 vectors are needed")
    for name, pairs in (("pairs", examples.pairs), ("known", examples.known)):
        if pairs is None:
            continue
        if pairs.ndim != 2 or pairs.shape[1] != 2 or not np.issubdtype(pairs.dtype, np.integer):
            raise BadValue(name, pairs.shape, why="rows of two whole numbers are needed: a query's row and a document's")
        if len(pairs) and (pairs.min() < 0 or (pairs.max(axis=0) >= [shapes[0][0], shapes[1][0]]).any()):
            raise BadValue(name, pairs.max(axis=0).tolist(), why=f"there are {shapes[0][0]} queries and {shapes[1][0]} documents")
    weights = examples.weights
    if weights is not None and (weights.shape != (len(examples.pairs),) or not np.isfinite(weights).all() or (weights < 0).any()):
        raise BadValue("weights", weights.shape, why=f"{len(examples.pairs)} finite numbers, none below 0, are needed")
