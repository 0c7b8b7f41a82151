"""Hard negatives: near the query by today's weights, yet not so near that they are probably unjudged answers.

Everything known to answer the query is excluded by id, and so is what answers a family-mate of it. The positive-aware
relative margin is that of NV-Retriever (Moreira et al. 2024): a candidate must score below 95 % of the query's weakest positive.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.errors import BadValue
from transvase.core.evaluation.ranking import unit

MARGIN: Final = 0.05

_BLOCK: Final = 512
"""Queries scored at a time."""


def answers_to_avoid(answers: Mapping[str, set[str]], family_of: Mapping[str, str]) -> dict[str, set[str]]:
    """Query id → every document known to answer it or a query of its family."""
    by_family: defaultdict[str, set[str]] = defaultdict(set)
    for query, documents in answers.items():
        by_family[family_of[query]] |= documents
    return {query: by_family[family_of[query]] for query in answers}


def mine(
    queries: NDArray[np.float32],
    documents: NDArray[np.float32],
    *,
    positives: Sequence[Sequence[int]],
    avoid: Sequence[Sequence[int]],
    count: int,
    margin: float = MARGIN,
    seed: int = 1,
) -> NDArray[np.intp]:
    """Rows of ``count`` negatives for each query, hardest first, shape (queries, count).

    ``positives`` are the rows of each query's answers: they set the margin and are never taken. ``avoid`` are those of its
    family-mates' answers: taken only where nothing else is left. Where fewer documents stay below the margin, the rest is
    drawn at random from what is allowed: no query is dropped. BadValue when a query has no positive, or answers all but
    fewer than ``count`` documents.
    """
    rng = np.random.default_rng(seed)
    asked, held = unit(queries), unit(documents)
    mined = np.empty((len(asked), count), dtype=np.intp)
    for start in range(0, len(asked), _BLOCK):
        scores = asked[start : start + _BLOCK] @ held.T
        for offset, row in enumerate(scores):
            number = start + offset
            mined[number] = _hardest(row, positives[number], avoid[number], count=count, margin=margin, rng=rng)
    return mined


def _hardest(
    scores: NDArray[np.float32],
    positives: Sequence[int],
    avoid: Sequence[int],
    *,
    count: int,
    margin: float,
    rng: np.random.Generator,
) -> NDArray[np.intp]:
    if not len(positives):
        raise BadValue("positives", [], why="a margin needs at least one answer of each query")
    weakest = float(scores[list(positives)].min())
    allowed = np.ones(len(scores), dtype=bool)
    allowed[[*positives, *avoid]] = False
    if np.count_nonzero(allowed) < count:
        allowed[:] = True
        allowed[list(positives)] = False
    if np.count_nonzero(allowed) < count:
        raise BadValue("corpus", len(scores), why=f"too few documents to find {count} that do not answer a query")
    below = np.flatnonzero(allowed & (scores < weakest - abs(weakest) * margin))
    best = below[np.argsort(-scores[below], kind="stable")[:count]]
    if len(best) == count:
        return best
    others = np.setdiff1d(np.flatnonzero(allowed), best)
    return np.concatenate([best, rng.choice(others, size=count - len(best), replace=False)])
