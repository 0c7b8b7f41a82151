"""Any number of encoders on one judged split: figures per query, their means, slices, and the last against the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from transvase.core.errors import BadValue
from transvase.core.ports import Encoder, Progress

from .comparison import Comparison, compare
from .judged import Judged
from .metrics import NDCG, Scores, gains, score
from .ranking import rank
from .slices import slices

DEPTH: Final = 10
"""Ranks looked at: the largest cut-off of any figure."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """What each model scored on each query of a split. ``models`` keeps the order in which they were named."""

    split: str
    queries: tuple[str, ...]
    models: Mapping[str, Mapping[str, Scores]]
    rankings: Mapping[str, Sequence[Sequence[str]]]
    slices: Mapping[str, Sequence[int]]
    comparison: Comparison | None

    def as_json(self) -> dict[str, object]:
        """Means over the split and over each slice, and the comparison; null there with one model."""
        return {
            "split": self.split,
            "queries": len(self.queries),
            "models": {name: _means(figures) for name, figures in self.models.items()},
            "slices": {
                part: {"queries": len(rows), "models": {name: _means(figures, rows) for name, figures in self.models.items()}}
                for part, rows in self.slices.items()
            },
            "comparison": self.comparison.as_json() if self.comparison else None,
        }


def evaluate(data: Judged, encoders: Mapping[str, Encoder], *, split: str, progress: Progress) -> Evaluation:
    """Rank the whole corpus for every query of ``data`` with each encoder in its own Space, and score what came.

    ``split`` must be the one that ``data`` was read for: BadValue otherwise, so that no figure goes under a wrong name.
    """
    if not encoders:
        raise BadValue("models", [], why="name at least one model to evaluate")
    if split != data.split:
        raise BadValue("split", split, why=f"the judgments at hand are those of {data.split!r}; read the split that is meant")
    rankings = {name: ranked(data, encoder, progress=progress, label=f"evaluate {name}") for name, encoder in encoders.items()}
    grades = [data.grades[query.id] for query in data.queries]
    models = {name: score(gains(ranking, grades)) for name, ranking in rankings.items()}
    names = list(models)
    return Evaluation(
        split=split,
        queries=tuple(query.id for query in data.queries),
        models=models,
        rankings=rankings,
        slices=slices(data.queries),
        comparison=compare(models[names[0]][NDCG], models[names[-1]][NDCG], metric=NDCG) if len(names) > 1 else None,
    )


def ranked(data: Judged, encoder: Encoder, *, progress: Progress, label: str) -> list[list[str]]:
    """The ids of the ``DEPTH`` nearest documents of each query, best first."""
    texts = [query.text for query in data.queries]
    rows = rank(encoder, texts, [document.content for document in data.documents], k=DEPTH, progress=progress, label=label)
    return [[data.documents[row].id for row in ranking] for ranking in rows]


def _means(figures: Mapping[str, Scores], rows: Sequence[int] | None = None) -> dict[str, float]:
    return {metric: float(np.mean(scores if rows is None else scores[list(rows)])) for metric, scores in figures.items()}
