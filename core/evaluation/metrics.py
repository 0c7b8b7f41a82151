"""What a ranking is worth, query by query. Rows are queries, columns are ranks; nothing is averaged here.

The definitions are those of trec_eval: NDCG with the grade itself as gain and 1/log2(rank + 1) as discount, its ideal over
all judged documents of the query; an answer is a document with a grade above 0; negative grades gain nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Scores = NDArray[np.float64]
"""One figure a query."""

NDCG: Final = "ndcg@10"
"""The metric that chooses checkpoints and that comparisons are made on."""


@dataclass(frozen=True, slots=True, eq=False)
class Gains:
    """What each query's ranking found, (q, k) by rank, and could have found at best, (q, j) descending; padded with zeros."""

    found: NDArray[np.float64]
    ideal: NDArray[np.float64]

    @property
    def answers(self) -> NDArray[np.int64]:
        """How many documents answer each query, found or not."""
        return np.asarray(np.count_nonzero(self.ideal > 0, axis=1), dtype=np.int64)


def gains(rankings: Sequence[Sequence[str]], grades: Sequence[Mapping[str, float]]) -> Gains:
    """Look the ranked document ids (best first) up in the grades of their query; an unjudged document gains nothing."""
    width = max((len(ranking) for ranking in rankings), default=0)
    found = np.zeros((len(rankings), width))
    ideal = np.zeros((len(rankings), max((len(judged) for judged in grades), default=0)))
    for row, (ranking, judged) in enumerate(zip(rankings, grades, strict=True)):
        found[row, : len(ranking)] = [max(0.0, judged.get(document, 0.0)) for document in ranking]
        ideal[row, : len(judged)] = sorted((max(0.0, grade) for grade in judged.values()), reverse=True)
    return Gains(found, ideal)


def ndcg(of: Gains, k: int) -> Scores:
    """Normalised discounted cumulative gain of the first ``k``; graded."""
    return _ratio(_discounted(of.found, k), _discounted(of.ideal, k))


def recall(of: Gains, k: int) -> Scores:
    """Share of a query's answers that stand among the first ``k``."""
    return _ratio(np.count_nonzero(of.found[:, :k] > 0, axis=1), of.answers)


def precision(of: Gains, k: int) -> Scores:
    """Share of the first ``k`` places that hold an answer; a ranking shorter than ``k`` wastes the rest."""
    return np.asarray(np.count_nonzero(of.found[:, :k] > 0, axis=1) / k, dtype=np.float64)


def mrr(of: Gains, k: int) -> Scores:
    """One over the rank of the first answer, 0 when none stands among the first ``k``."""
    hits = of.found[:, :k] > 0
    if not hits.shape[1]:
        return np.zeros(len(hits))
    return np.where(hits.any(axis=1), 1.0 / (hits.argmax(axis=1) + 1), 0.0)


def score(of: Gains, *, ks: Sequence[int] = ()) -> dict[str, Scores]:
    """The four figures of an evaluation, under the names that its JSON uses; and all four at each further cut-off of ``ks``."""
    found = {NDCG: ndcg(of, 10), "recall@10": recall(of, 10), "mrr@10": mrr(of, 10), "precision@5": precision(of, 5)}
    for k in ks:
        found |= {
            f"ndcg@{k}": ndcg(of, k),
            f"recall@{k}": recall(of, k),
            f"mrr@{k}": mrr(of, k),
            f"precision@{k}": precision(of, k),
        }
    return found


def _discounted(gain: NDArray[np.float64], k: int) -> Scores:
    top = gain[:, :k]
    return np.asarray(top @ (1.0 / np.log2(np.arange(2, top.shape[1] + 2))), dtype=np.float64)


def _ratio(part: NDArray[np.float64] | NDArray[np.int64], whole: NDArray[np.float64] | NDArray[np.int64]) -> Scores:
    return np.divide(part, whole, out=np.zeros(len(part)), where=whole > 0)
