"""Hard negatives: near the query by today's weights or by its words, yet not so near that they are probably unjudged answers.

Everything known to answer the query is excluded, and so is what answers another wording of it. The positive-aware relative
margin is that of NV-Retriever (Moreira et al. 2024): a candidate must score below 95 % of the query's weakest positive.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.errors import BadValue
from transvase.core.evaluation.ranking import unit

MARGIN: Final = 0.05

NEIGHBOURS: Final = 12
"""The most answers that are named to stand beside a row's own: a batch has room for seven, and some are taken or its family's."""

DEPTH: Final = 64
"""Nearest documents of a query that are looked at, beside those that its words bring."""

_BLOCK: Final = 512
"""Queries scored at a time."""


@dataclass(frozen=True, slots=True, eq=False)
class Mined:
    """Rows of documents, hardest first, their cosines with the query, and below which cosine they had to stay.

    ``neighbours`` are the hardest of those that answer other queries, -1 where there are no more.
    """

    rows: NDArray[np.int64]
    scores: NDArray[np.float32]
    limits: NDArray[np.float32]
    neighbours: NDArray[np.int64]


def mine(
    queries: NDArray[np.float32],
    documents: NDArray[np.float32],
    *,
    positives: Sequence[Sequence[int]],
    avoid: Sequence[Collection[int]],
    count: int,
    lexical: NDArray[np.intp] | None = None,
    margin: float = MARGIN,
    seed: int = 1,
) -> Mined:
    """``count`` negatives for each query, hardest first, shape (queries, count).

    ``positives`` are the rows of each query's answers: they set the margin and are never taken. ``avoid`` are rows that answer
    the same question in other words: taken only where nothing else is left. ``lexical`` holds further candidates, a row of
    documents for each query, -1 where there is none. Where fewer documents stay below the margin, the rest is drawn at random
    from what is allowed: no query is dropped. BadValue when a query has no positive, or answers all but fewer than ``count``
    documents.
    """
    rng = np.random.default_rng(seed)
    asked, held, answering = unit(queries), unit(documents), np.zeros(len(documents), dtype=bool)
    answering[[row for rows in positives for row in rows]] = True
    mined = Mined(
        np.empty((len(asked), count), dtype=np.int64),
        np.empty((len(asked), count), dtype=np.float32),
        np.empty(len(asked), dtype=np.float32),
        np.full((len(asked), NEIGHBOURS), -1, dtype=np.int64),
    )
    for start in range(0, len(asked), _BLOCK):
        scores = asked[start : start + _BLOCK] @ held.T
        near = _nearest(scores, DEPTH + count)
        for offset, row in enumerate(scores):
            number = start + offset
            if not len(positives[number]):
                raise BadValue("positives", [], why="a margin needs at least one answer of each query")
            weakest = float(row[list(positives[number])].min())
            mined.limits[number] = limit = weakest - abs(weakest) * margin
            candidates = near[offset] if lexical is None else np.union1d(near[offset], lexical[number][lexical[number] >= 0])
            allowed = _allowed(len(row), positives[number], avoid[number], count=count)
            ranked = _ranked(row, candidates, allowed=allowed, limit=limit)
            best = _filled(ranked[:count], allowed=allowed, count=count, rng=rng)
            mined.rows[number], mined.scores[number] = best, row[best]
            beside = ranked[answering[ranked]][:NEIGHBOURS]
            mined.neighbours[number, : len(beside)] = beside
    return mined


def _nearest(scores: NDArray[np.float32], depth: int) -> NDArray[np.intp]:
    if scores.shape[1] <= depth:
        return np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
    return np.argpartition(-scores, depth, axis=1)[:, :depth]


def _allowed(total: int, positives: Collection[int], avoid: Collection[int], *, count: int) -> NDArray[np.bool_]:
    allowed = np.ones(total, dtype=bool)
    allowed[[*positives, *avoid]] = False
    if np.count_nonzero(allowed) < count:
        allowed[:] = True
        allowed[list(positives)] = False
    if np.count_nonzero(allowed) < count:
        raise BadValue("corpus", total, why=f"too few documents to find {count} that do not answer a query")
    return allowed


def _ranked(
    scores: NDArray[np.float32], candidates: NDArray[np.intp], *, allowed: NDArray[np.bool_], limit: float
) -> NDArray[np.intp]:
    """The candidates that are allowed and stay below the limit, hardest first."""
    candidates = np.sort(candidates)
    below = candidates[allowed[candidates] & (scores[candidates] < limit)]
    return np.asarray(below[np.argsort(-scores[below], kind="stable")], dtype=np.intp)


def _filled(best: NDArray[np.intp], *, allowed: NDArray[np.bool_], count: int, rng: np.random.Generator) -> NDArray[np.intp]:
    """``count`` of them, the rest drawn at random from what is allowed."""
    if len(best) == count:
        return best
    others = np.setdiff1d(np.flatnonzero(allowed), best)
    return np.concatenate([best, rng.choice(others, size=count - len(best), replace=False)])
