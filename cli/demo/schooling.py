"""The learning half of the demo: a model is trained on what the application has, and judged on what it has never seen."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from transvase.core.errors import NotReady
from transvase.core.evaluation.evaluate import Evaluation, evaluate
from transvase.core.evaluation.judged import Judged, read
from transvase.core.evaluation.metrics import NDCG
from transvase.core.ports import Encoder, Progress
from transvase.core.training import TrainSettings, train

from .corpus import Document
from .outcome import Example, Quality, TopHit

SHOWN_QUERIES = 3
SHOWN_HITS = 3


@dataclass(frozen=True, slots=True)
class Schooled:
    """How a model was come by: pairs it learned from, and wall seconds."""

    pairs: int
    seconds: float


class Teacher(Protocol):
    """Writes a model of a new Space to ``out``, learned from the collection in ``data``."""

    def __call__(self, data: Path, out: Path, *, base: str, minutes: float, seed: int, progress: Progress) -> Schooled:
        """``data`` holds nothing of the modules that are asked about later."""
        ...


def school(data: Path, out: Path, *, base: str, minutes: float, seed: int, progress: Progress) -> Schooled:
    """The demo's own Teacher: ``train`` as everybody has it, once more with twice the time where nothing better came of it.

    On a busy machine the first budget may be spent after a handful of steps. NotReady when the second was not enough either.
    """
    for budget in (minutes, 2 * minutes):
        trained = train(TrainSettings(data=data, base=base, out=out, minutes=budget, seed=seed), progress=progress)
        if trained.rung is not None:
            pairs = trained.facts["pairs"]
            return Schooled(pairs if isinstance(pairs, int) else 0, trained.seconds)
        progress(trained.note, 0, 0)
        shutil.rmtree(out)
    raise NotReady("open", f"{trained.note} There is nothing to move to: give the training more --minutes")


def judge(
    data: Path, encoders: Sequence[Encoder], *, schooled: Schooled, documents: Sequence[Document], progress: Progress
) -> Quality:
    """Both models (base, then tuned) on the held-out queries of ``data``, each against the whole corpus."""
    judged = read(data, split="test")
    names = ("base", "tuned")
    evaluation = evaluate(judged, dict(zip(names, encoders, strict=True)), split="test", progress=progress)
    before, after = (evaluation.models[name][NDCG] for name in names)
    assert evaluation.comparison is not None, "two models were evaluated"
    return Quality(
        queries=len(judged.queries),
        before=float(before.mean()),
        after=float(after.mean()),
        comparison=evaluation.comparison,
        examples=_examples(judged, evaluation, documents),
        pairs=schooled.pairs,
        training_s=schooled.seconds,
    )


def _examples(judged: Judged, evaluation: Evaluation, documents: Sequence[Document]) -> tuple[Example, ...]:
    """The query that gained most, one of another module that gained next, and the one that lost most: a page must not flatter."""
    gain = evaluation.models["tuned"][NDCG] - evaluation.models["base"][NDCG]
    order = sorted(range(len(judged.queries)), key=lambda row: (-float(gain[row]), judged.queries[row].id))
    best = order[0]
    family = judged.queries[best].metadata.get("family")
    others = [row for row in order[1:-1] if judged.queries[row].metadata.get("family") != family]
    chosen = list(dict.fromkeys([best, *others[:1], order[-1]]))[:SHOWN_QUERIES]
    return tuple(_example(row, judged, evaluation, documents) for row in chosen)


def _example(row: int, judged: Judged, evaluation: Evaluation, documents: Sequence[Document]) -> Example:
    query = judged.queries[row]
    right = judged.grades[query.id]

    def hits(model: str) -> tuple[TopHit, ...]:
        ids = list(evaluation.rankings[model][row])[:SHOWN_HITS]
        return tuple(TopHit(f"{documents[int(i) - 1].module}.{documents[int(i) - 1].name}", i in right) for i in ids)

    return Example(query.text, hits("base"), hits("tuned"))
