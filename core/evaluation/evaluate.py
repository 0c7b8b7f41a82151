"""Any number of encoders on one judged split, with BM25 and hybrids beside them: figures per query, slices, differences."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from transvase.core.errors import BadValue
from transvase.core.ports import Encoder, Progress

from .comparison import Comparison, compare
from .families import names as families_of
from .fusion import DEPTH as DEEPEST
from .fusion import Choice, Hits
from .judged import Judged
from .lexical import Lexical
from .metrics import NDCG, Scores, gains, score
from .runs import BM25, Questions, fused, hybrid, named, questions
from .slices import Contrast, contrasts, slices_of

DEPTH: Final = 10
"""Ranks looked at unless a larger cut-off is asked for: the largest cut-off of the standing figures."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evaluation:
    """What each run scored on each query of a split. ``models`` keeps the order in which they were named.

    ``comparison`` is the last model against the first, ``contrasts`` the same slice by slice, ``against`` the last model
    against every other run. ``baselines`` are the runs without a model of their own (``bm25``, ``hybrid NAME``), with what was
    chosen for each hybrid in ``fusions``.
    """

    data: Judged
    split: str
    queries: tuple[str, ...]
    families: tuple[str, ...]
    """Of each query; differences are as sure as whole families make them."""
    models: Mapping[str, Mapping[str, Scores]]
    rankings: Mapping[str, Sequence[Sequence[str]]]
    slices: Mapping[str, Sequence[int]]
    comparison: Comparison | None
    contrasts: Mapping[str, Contrast]
    against: Mapping[str, Comparison] = field(default_factory=dict)
    baselines: Mapping[str, Mapping[str, Scores]] = field(default_factory=dict)
    fusions: Mapping[str, Choice] = field(default_factory=dict)

    @property
    def runs(self) -> Mapping[str, Mapping[str, Scores]]:
        """Models and baselines, in the order in which they are shown."""
        lexical = {name: figures for name, figures in self.baselines.items() if name == BM25}
        return {**lexical, **self.models, **{name: figures for name, figures in self.baselines.items() if name != BM25}}

    @property
    def base(self) -> str:
        """The first model: what is there today."""
        return next(iter(self.models))

    @property
    def candidate(self) -> str:
        """The last model: what is to be judged."""
        return list(self.models)[-1]

    def as_json(self) -> dict[str, object]:
        """Means over the split and over each slice, and the comparisons; null there with one model."""
        return {
            "split": self.split,
            "queries": len(self.queries),
            "models": {name: _means(figures) for name, figures in self.models.items()},
            "baselines": {name: _means(figures) for name, figures in self.baselines.items()},
            "fusions": {name: choice.as_json() for name, choice in self.fusions.items()},
            "slices": {part: self._slice(part, rows) for part, rows in self.slices.items()},
            "comparison": self.comparison.as_json() if self.comparison else None,
            "against": {name: found.as_json() for name, found in self.against.items()},
        }

    def _slice(self, part: str, rows: Sequence[int]) -> dict[str, object]:
        found: dict[str, object] = {
            "queries": len(rows),
            "models": {name: _means(figures, rows) for name, figures in self.models.items()},
        }
        if self.baselines:
            found["baselines"] = {name: _means(figures, rows) for name, figures in self.baselines.items()}
        if part in self.contrasts:
            found["comparison"] = self.contrasts[part].as_json()
        return found

    def per_query(self) -> Iterator[dict[str, object]]:
        """For each query: its id and text, and for each run all figures and the ids that it ranked, best first."""
        for row, query in enumerate(self.data.queries):
            runs = {
                name: {**{metric: float(scores[row]) for metric, scores in figures.items()}, "ranked": self.rankings[name][row]}
                for name, figures in self.runs.items()
            }
            yield {"query": query.id, "text": query.text, "runs": runs}


def evaluate(
    data: Judged,
    encoders: Mapping[str, Encoder],
    *,
    split: str,
    progress: Progress,
    baselines: bool = False,
    validation: Judged | None = None,
    ks: Sequence[int] = (),
    trained: Mapping[str, int] | None = None,
) -> Evaluation:
    """Rank the whole corpus for every query of ``data`` with each encoder in its own Space, and score what came.

    ``baselines`` adds BM25 and the hybrid of it with each model, the weight chosen on ``validation`` (another split of the
    same corpus) or, without one, on the other queries. ``ks`` are further cut-offs. ``trained`` counts the training judgments
    of each document, for the slices of head and tail. BadValue when ``split`` is not the one that ``data`` was read for, so
    that no figure goes under a wrong name, and for a cut-off that is not from 1 to ``DEEPEST``.
    """
    _check(data, encoders, split=split, ks=ks)
    k = max([DEPTH, *ks])
    asked = questions(data, validation if baselines else None)
    index, lexical = _lexical(asked, progress=progress) if baselines else (None, None)
    rankings, fusions = _rankings(asked, encoders, lexical, k=k, progress=progress)
    grades = [data.grades[query.id] for query in data.queries]
    scored = {name: score(gains(ranking, grades), ks=ks) for name, ranking in rankings.items()}
    models = {name: scored[name] for name in encoders}
    names, parts = list(models), slices_of(data, lexical=index, trained=trained)
    pair, kin = (models[names[0]][NDCG], models[names[-1]][NDCG]), families_of(data.queries)
    return Evaluation(
        data=data,
        split=split,
        queries=tuple(query.id for query in data.queries),
        families=kin,
        models=models,
        rankings=rankings,
        slices=parts,
        comparison=compare(*pair, metric=NDCG, families=kin) if len(names) > 1 else None,
        contrasts=contrasts(*pair, parts, families=kin) if len(names) > 1 else {},
        against={
            name: compare(figures[NDCG], pair[1], metric=NDCG, families=kin)
            for name, figures in scored.items()
            if name != names[-1]
        },
        baselines={name: figures for name, figures in scored.items() if name not in models},
        fusions=fusions,
    )


def _check(data: Judged, encoders: Mapping[str, Encoder], *, split: str, ks: Sequence[int]) -> None:
    if not encoders:
        raise BadValue("models", [], why="name at least one model to evaluate")
    if split != data.split:
        raise BadValue("split", split, why=f"the judgments at hand are those of {data.split!r}; read the split that is meant")
    if wrong := [k for k in ks if not 1 <= k <= DEEPEST]:
        raise BadValue("k", wrong[0], why=f"a cut-off lies between 1 and {DEEPEST}, as deep as hybrids go")


def _lexical(asked: Questions, *, progress: Progress) -> tuple[Lexical, tuple[Hits, Hits]]:
    count = len(asked.contents)
    progress(f"evaluate {BM25}", 0, count)
    index = Lexical(asked.contents)
    found = asked.lexical(index, k=DEEPEST)
    progress(f"evaluate {BM25}", count, count)
    return index, found


def _rankings(
    asked: Questions, encoders: Mapping[str, Encoder], lexical: tuple[Hits, Hits] | None, *, k: int, progress: Progress
) -> tuple[dict[str, Sequence[Sequence[str]]], dict[str, Choice]]:
    """Name of the run → ids ranked for each query; and what the hybrids were fused by."""
    rankings: dict[str, Sequence[Sequence[str]]] = {}
    fusions: dict[str, Choice] = {}
    if lexical:
        rankings[BM25] = named(asked.data, lexical[0][0], k=k)
    for name, encoder in encoders.items():
        dense = asked.dense(encoder, k=DEEPEST if lexical else k, progress=progress, label=f"evaluate {name}")
        rankings[name] = named(asked.data, dense[0][0], k=k)
        if lexical:
            rows, fusions[hybrid(name)] = fused(asked, lexical, dense, k=k)
            rankings[hybrid(name)] = named(asked.data, rows, k=k)
    return rankings, fusions


def _means(figures: Mapping[str, Scores], rows: Sequence[int] | None = None) -> dict[str, float]:
    return {metric: float(np.mean(scores if rows is None else scores[list(rows)])) for metric, scores in figures.items()}
