"""Steps that are cheaper than training, each with the figure that speaks for or against it on this collection."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.evaluation.metrics import Scores
from transvase.core.ports import Encoder

from .intervals import fisher, interval
from .survey import BM25, DENSE, HYBRID, Survey, way

WORTH: Final = 0.03
"""NDCG@10 from which a step is advised, as for training itself."""

LEAST: Final = 0.01
"""NDCG@10 from which joining a second index is worth its upkeep: far less than training costs, but not nothing."""

NEAR: Final = 0.10
"""Share of queries whose first answer stands at 6 to 20, from which a reranker has something to lift."""

SHARE_CUT: Final = 0.10
MOST_CLASSES: Final = 50
_TOP, _DEEP = 5, 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One cheaper step: what it could gain in NDCG@10 (``at_most`` where that takes a perfect one), and why or why not."""

    step: str
    advised: bool
    gain: float
    at_most: bool
    reason: str
    figures: Mapping[str, float | str]

    def as_json(self) -> dict[str, object]:
        """All of it."""
        return {
            "step": self.step,
            "advised": self.advised,
            "gain": self.gain,
            "at_most": self.at_most,
            "reason": self.reason,
            "figures": dict(self.figures),
        }


def steps(survey: Survey, encoder: Encoder) -> tuple[Step, ...]:
    """All of them, cheapest to try first."""
    return (_hybrid(survey), *_filters(survey), _reranker(survey), _chunking(survey, encoder))


def _hybrid(survey: Survey) -> Step:
    """Against dense alone, which is what a team has that thinks of tuning; its weight was chosen on other queries."""
    dense, lexical = survey.ways[DENSE].ndcg, survey.ways[BM25].ndcg
    best = survey.best if survey.best != DENSE else HYBRID
    gain = interval(survey.ways[best].ndcg - dense, survey.families)
    advised = gain.low > 0 and gain.mean >= LEAST and survey.choice.fusion.lexical > 0
    if advised:
        name = "BM25 alone" if survey.choice.fusion.alone == "lexical" else f"fusing with BM25 ({survey.choice.fusion})"
        reason = f"{name} gains {gain} over dense alone, without a model to keep"
    else:
        reason = f"fusing with BM25 gains too little here: {gain} against dense alone"
    figures = {BM25: float(lexical.mean()), DENSE: float(dense.mean()), HYBRID: float(survey.ways[HYBRID].ndcg.mean())}
    return Step(step="hybrid", advised=advised, gain=gain.mean, at_most=False, reason=reason, figures=figures)


def _reranker(survey: Survey) -> Step:
    """The oracle: the first 20 of the best way in perfect order."""
    best = survey.ways[survey.best]
    right = _right(survey, best.rows[:, :_DEEP])
    first = np.where(right.any(axis=1), right.argmax(axis=1), _DEEP)
    near = float(((first >= _TOP) & (first < _DEEP)).mean())
    gain = interval(_reordered(survey, best.rows[:, :_DEEP]) - best.ndcg, survey.families)
    advised = near >= NEAR and gain.low > WORTH
    reason = (
        f"the right record is among the first {_DEEP} but not the first {_TOP} for {near:.0%} of the queries; "
        f"a reranker that ordered the first {_DEEP} perfectly would gain {gain.mean:+.3f}"
    )
    figures = {"share_at_6_to_20": near, "oracle_ndcg@10": float(best.ndcg.mean()) + gain.mean}
    return Step(step="reranker", advised=advised, gain=gain.mean, at_most=True, reason=reason, figures=figures)


def _filters(survey: Survey) -> list[Step]:
    """For each metadata field of the records that is a class: the first hits that share the answer's value alone.

    Where the queries carry the field too, the filter by the query's own value is measured; else the oracle's, by the answer's.
    """
    found = [_filter(survey, field) for field in _fields(survey)]
    return [max(found, key=lambda step: (step.advised, step.gain))] if found else []


def _filter(survey: Survey, field: str) -> Step:
    values = [_class(document.metadata.get(field)) for document in survey.data.documents]
    own = [_class(query.metadata.get(field)) for query in survey.data.queries]
    at = {document.id: row for row, document in enumerate(survey.data.documents)}
    meant = [{values[at[answer]] for answer in survey.data.answers(query.id)} for query in survey.data.queries]
    agreeing = float(np.mean([value in answers for value, answers in zip(own, meant, strict=True)]))
    known = agreeing >= 0.9  # a few wrong labels do not make the field another one
    best = survey.ways[survey.best]
    wanted = [{value} if known and value is not None else answers for value, answers in zip(own, meant, strict=True)]
    rows = _kept(
        best.rows, [[values[row] in want for row in ranking] for ranking, want in zip(best.rows.tolist(), wanted, strict=True)]
    )
    gain = interval(way(survey.data, rows).ndcg - best.ndcg, survey.families)
    failing = best.failed
    rescued = float((~way(survey.data, rows).failed[failing]).mean()) if failing.any() else 0.0
    if known:
        reason = f"the queries name their {field}; searching only records of the same {field} gains {gain}"
    else:
        reason = f"if the application knew the {field} that is meant, a filter would gain {gain.mean:+.3f}"
    reason += f" and answer {rescued:.0%} of the failing queries"
    figures: dict[str, float | str] = {"field": field, "rescued": rescued, "queries_that_name_it": agreeing}
    return Step(step="filter", advised=gain.low > WORTH, gain=gain.mean, at_most=not known, reason=reason, figures=figures)


def _chunking(survey: Survey, encoder: Encoder) -> Step:
    """Answers longer than the model reads, and whether their queries fail more often."""
    limit = encoder.space.max_length
    at = {document.id: row for row, document in enumerate(survey.data.documents)}
    answers = sorted({at[answer] for query in survey.data.queries for answer in survey.data.answers(query.id)})
    counts = dict(zip(answers, encoder.tokens([survey.data.documents[row].content for row in answers]), strict=True))
    cut = np.array([all(counts[at[answer]] > limit for answer in survey.data.answers(query.id)) for query in survey.data.queries])
    dense = survey.ways[DENSE]
    failing, share = dense.failed, float(cut.mean())
    rate, rate_whole = (float(failing[mask].mean()) if mask.any() else 0.0 for mask in (cut, ~cut))
    p_value = fisher(int((failing & cut).sum()), int(cut.sum()), int((failing & ~cut).sum()), int((~cut).sum()))
    gain = share * max(0.0, float(dense.ndcg[~cut].mean() - dense.ndcg[cut].mean())) if cut.any() and not cut.all() else 0.0
    cut_texts = "no answer is" if not cut.any() else f"the answers of {share:.0%} of the queries are"
    reason = f"{cut_texts} longer than the {limit} tokens that the model reads"
    if cut.all():
        reason += f"; {rate:.0%} of them fail"
    elif cut.any():
        reason += f"; those queries fail in {rate:.0%} of the cases, the others in {rate_whole:.0%} (p = {p_value:.3f})"
    advised = share >= SHARE_CUT and (bool(failing.any()) if cut.all() else p_value < 0.05)
    figures = {"share_cut": share, "rate_cut": rate, "rate_whole": rate_whole, "p_value": p_value}
    return Step(step="chunking", advised=advised, gain=gain, at_most=True, reason=reason, figures=figures)


def _right(survey: Survey, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    ids = [document.id for document in survey.data.documents]
    answers = [survey.data.answers(query.id) for query in survey.data.queries]
    return np.array(
        [[row >= 0 and ids[row] in own for row in ranking] for ranking, own in zip(rows.tolist(), answers, strict=True)]
    )


def _reordered(survey: Survey, rows: NDArray[np.intp]) -> Scores:
    """NDCG@10 with these rows of each query in the order of their grades."""
    ids = [document.id for document in survey.data.documents]
    ordered = []
    for ranking, query in zip(rows.tolist(), survey.data.queries, strict=True):
        grades = [survey.data.grades[query.id].get(ids[row], 0.0) if row >= 0 else -np.inf for row in ranking]
        ordered.append([ranking[place] for place in np.argsort(np.negative(grades), kind="stable")])
    return way(survey.data, np.array(ordered, dtype=np.intp)).ndcg


def _kept(rows: NDArray[np.intp], keep: list[list[bool]]) -> NDArray[np.intp]:
    """The rows that are kept, moved up; -1 behind them."""
    found = np.full_like(rows, -1)
    for at, (ranking, mask) in enumerate(zip(rows.tolist(), keep, strict=True)):
        left = [row for row, kept in zip(ranking, mask, strict=True) if kept and row >= 0]
        found[at, : len(left)] = left
    return found


def _fields(survey: Survey) -> list[str]:
    """Metadata fields with 2 to ``MOST_CLASSES`` values among the records, most of which have one; never the family."""
    names = {name for document in survey.data.documents for name in document.metadata} - {"family"}
    kept = []
    for name in sorted(names):
        values = [_class(document.metadata.get(name)) for document in survey.data.documents]
        told = [value for value in values if value is not None]
        if 2 <= len(set(told)) <= MOST_CLASSES and len(told) >= len(values) / 2:
            kept.append(name)
    return kept


def _class(value: object) -> str | None:
    return str(value) if isinstance(value, str | bool | int) and value != "" else None
