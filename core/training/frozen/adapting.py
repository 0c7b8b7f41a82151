"""The adapter rungs: a matrix on the base's frozen vectors, on the query side alone or on both.

Everything it needs is encoded once, by the base: what validation and mining read anyway lies on the shelf already. That is the
questions and answers of its pairs alone: documents that no pair has make bad negatives (``adapter``), and an endpoint wants to be
paid for each.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.evaluation.exam import Exam
from transvase.core.evaluation.metrics import Scores
from transvase.core.space import Role, Side
from transvase.core.training.ladder import ADAPTERS, Rung, Standing
from transvase.core.training.lessons.lesson import LEAST_PAIRS
from transvase.core.training.lessons.pairs import Pair
from transvase.core.training.lessons.table import answers_to_avoid
from transvase.core.training.plan import ADAPTER_SHARE
from transvase.core.training.weights.collapse import alarm, spread
from transvase.core.training.weights.fixed import Fixed
from transvase.core.training.weights.forgetting import best_of, sweep
from transvase.core.training.workshop import Workshop

from .adapter import AdapterSettings, fit_adapter, shrunk
from .examples import Examples

ADAPTER_S: Final = 360.0
"""Budgets below this leave the adapters out: what they need encoded would cost a fine-tuning more than it can spare."""

ALONE_SHARE: Final = 0.6
"""The same where the base can only be adapted."""

FEWEST: Final = 200
"""Pairs below which a budget's share is too small for an adapter; without a budget all there are are used."""

SIDES: Final = {Rung.QUERY: Side.QUERY, Rung.BOTH: Side.BOTH}

_LABEL: Final = "read for the adapter"


def adapter_fits(shop: Workshop) -> str:
    """Why no adapter is tried; empty where one is."""
    settings = shop.settings
    if settings.prompt_query is not None or settings.prompt_document is not None:
        return "other prompts make other vectors, so there are no stored ones to adapt"
    if shop.clock.budget_s is None or _alone(shop):
        return ""
    if shop.clock.budget_s < ADAPTER_S or _most(shop) < FEWEST:
        return "the time is better spent on fine-tuning"
    return ""


def adapt(shop: Workshop, rung: Rung) -> Standing:
    """Fit the rung's matrix, keep it in the run's directory, sweep it towards the identity, give the best standing."""
    shop.learner.restore(shop.weights)
    matrix = _fitted(shop, rung)
    np.save(_place(shop, rung), matrix)
    held = shop.from_base(shop.exam.documents, Role.DOCUMENT)
    before = spread(held)

    def fault(alpha: float) -> str:
        return alarm(before, spread(held @ shrunk(matrix, alpha))) if rung is Rung.BOTH else ""

    def guarded(alpha: float) -> float | None:
        return None if shop.guard is None else float(_marked(shop, shop.guard, rung, shrunk(matrix, alpha)).mean())

    tried = sweep(
        rung,
        step=0,
        ask=lambda alpha: _marked(shop, shop.exam, rung, shrunk(matrix, alpha)),
        ask_guard=guarded,
        fault=fault,
        before=shop.base.guard,
        room=lambda: math.inf,
    )
    for standing in tried:
        shop.run.log("standing", standing.as_json())
    shop.facts |= {f"{rung} pairs": len(_pairs(shop))}
    return best_of(tried, families=shop.exam.families)


def fitted_matrix(shop: Workshop, kept: Standing) -> NDArray[np.float32]:
    """The matrix of a standing, at its weight; shape (d, d)."""
    assert kept.rung is not None
    matrix: NDArray[np.float32] = np.load(_place(shop, kept.rung))
    return shrunk(matrix, kept.alpha)


def _fitted(shop: Workshop, rung: Rung) -> NDArray[np.float32]:
    pairs = _pairs(shop)
    queries = {pair.query: pair.anchor for pair in pairs}
    documents = {pair.document: pair.positive for pair in pairs}
    query_row = {query: row for row, query in enumerate(queries)}
    document_row = {document: row for row, document in enumerate(documents)}
    avoid = answers_to_avoid(shop.lesson.answers, shop.lesson.twin_of)
    known = [
        (query_row[query], document_row[document]) for query in queries for document in avoid[query] if document in document_row
    ]
    examples = Examples(
        queries=shop.from_base(list(queries.values()), Role.QUERY, label=_LABEL),
        documents=shop.from_base(list(documents.values()), Role.DOCUMENT, label=_LABEL),
        pairs=np.asarray([(query_row[pair.query], document_row[pair.document]) for pair in pairs], dtype=np.intp),
        weights=np.asarray([pair.weight for pair in pairs], dtype=np.float32),
        known=np.asarray(known, dtype=np.intp).reshape(-1, 2),
    )
    return fit_adapter(examples, side=SIDES[rung], settings=AdapterSettings(seed=shop.settings.seed))


def _pairs(shop: Workshop) -> list[Pair]:
    """All pairs, or as many as the time allows, drawn by the seed."""
    pairs = list(shop.lesson.pairs)
    most = len(pairs) if shop.clock.budget_s is None else _most(shop)
    if len(pairs) <= most:
        return pairs
    return [pairs[row] for row in np.random.default_rng(shop.settings.seed).permutation(len(pairs))[:most]]


def _most(shop: Workshop) -> int:
    """Pairs that may be encoded in the adapters' share of the budget, two texts each; queries count as long as documents."""
    share = ALONE_SHARE if _alone(shop) else ADAPTER_SHARE
    return max(LEAST_PAIRS, int(shop.clock.share(share) * shop.texts_per_s / 2))


def _alone(shop: Workshop) -> bool:
    """Whether nothing else will need the time: the weights cannot be tuned, or nobody asked for it."""
    return isinstance(shop.learner, Fixed) or set(shop.settings.rungs) <= set(ADAPTERS)


def _marked(shop: Workshop, exam: Exam, rung: Rung, matrix: NDArray[np.float32]) -> Scores:
    """An exam's scores with the matrix on the rung's side; nothing is encoded."""

    def vectors(texts: Sequence[str], role: Role) -> NDArray[np.float32]:
        rows = shop.from_base(texts, role)
        return rows if rung is Rung.QUERY and role is Role.DOCUMENT else np.asarray(rows @ matrix, dtype=np.float32)

    return exam.mark(vectors)


def _place(shop: Workshop, rung: Rung) -> Path:
    return shop.run.stage(rung.value) / "matrix.npy"
