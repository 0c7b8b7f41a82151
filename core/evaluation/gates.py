"""Whether a candidate may be promoted: three gates, each a measured result with words that a person can act on.

"Do not promote" is a normal answer. The gates look at the last model of an evaluation (the candidate) beside the first (the
base). The first gate takes each as it would be served, alone or fused with BM25, whichever judged queries chose without
looking at those that are counted here; slices and guard look at the models themselves, whose falls BM25 would partly hide.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from transvase.core.errors import BadValue

from .comparison import compare
from .evaluate import Evaluation
from .metrics import NDCG, Scores
from .runs import BM25, hybrid

SIGNIFICANT: Final = 0.05
"""Corrected p-value below which a slice's fall is none of chance."""

DEEP: Final = 0.05
"""A fall of NDCG@10 that nobody accepts of any slice: where the whole interval lies beyond it, no correction excuses it."""

FORGOTTEN: Final = 0.01
"""The most NDCG@10 that the general guard may lose."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One gate: what was measured, the bound it had to keep, and the reason in words."""

    name: str
    passed: bool
    measured: float
    threshold: float
    detail: str

    def as_json(self) -> dict[str, object]:
        """The form that ``evaluate --gates --json`` prints."""
        return {
            "gate": self.name,
            "passed": self.passed,
            "measured": self.measured,
            "threshold": self.threshold,
            "detail": self.detail,
        }


def gates(evaluation: Evaluation, *, guard: Evaluation | None) -> tuple[Gate, ...]:
    """All gates for the last model against the first; that of the guard where the guard was evaluated.

    BadValue with fewer than two models, or without the baselines.
    """
    found = (better_than_hybrid(evaluation), no_slice_fell(evaluation))
    return found if guard is None else (*found, guard_held(guard))


def better_than_hybrid(evaluation: Evaluation) -> Gate:
    """The candidate as served above the best of BM25, the base and their hybrid: the interval's lower end above zero."""
    _check(evaluation)
    if not evaluation.baselines:
        raise BadValue("baselines", "none", why="the gate compares with BM25 and hybrids; evaluate with them")
    runs, served = evaluation.runs, hybrid(evaluation.candidate)
    rivals = (BM25, evaluation.base, hybrid(evaluation.base))
    best = max(rivals, key=lambda name: runs[name][NDCG].mean())
    found, alone = (
        compare(runs[best][NDCG], runs[name][NDCG], metric=NDCG, families=evaluation.families)
        for name in (served, evaluation.candidate)
    )
    passed = found.ci_low > 0
    verdict = "better than" if passed else "worse than" if found.ci_high < 0 else "not shown to be better than"
    detail = (
        f"{served} ({evaluation.fusions[served].fusion}) at {runs[served][NDCG].mean():.4f} is {verdict} {best} at "
        f"{runs[best][NDCG].mean():.4f}: {found.difference:+.4f} (95 % {found.ci_low:+.4f} … {found.ci_high:+.4f}); "
        f"without BM25 {alone.difference:+.4f} ({alone.ci_low:+.4f} … {alone.ci_high:+.4f})"
    )
    return Gate(name="better than hybrid", passed=passed, measured=found.ci_low, threshold=0.0, detail=detail)


def no_slice_fell(evaluation: Evaluation) -> Gate:
    """No slice on which the candidate is significantly below the base after correction, or beyond ``DEEP`` by its interval."""
    _check(evaluation)
    contrasts = evaluation.contrasts
    fallen = [
        name
        for name, found in contrasts.items()
        if found.comparison.difference < 0 and (found.p_corrected < SIGNIFICANT or found.comparison.ci_high < -DEEP)
    ]
    lowest = min(contrasts, key=lambda name: contrasts[name].comparison.difference, default=None)
    measured = contrasts[lowest].comparison.difference if lowest is not None else 0.0
    told = [
        f"{name} {contrasts[name].comparison.difference:+.4f} "
        f"(95 % {contrasts[name].comparison.ci_low:+.4f} … {contrasts[name].comparison.ci_high:+.4f}, "
        f"{contrasts[name].queries} queries)"
        for name in (fallen or ([] if lowest is None else [lowest]))
    ]
    state = (
        "fell on"
        if fallen
        else f"none of {len(contrasts)} slices fell beyond chance; lowest:"
        if told
        else "no slices to look at"
    )
    return Gate(
        name="no slice fell",
        passed=not fallen,
        measured=measured,
        threshold=-DEEP,
        detail=" ".join([state, "; ".join(told)]).strip(),
    )


def guard_held(guard: Evaluation) -> Gate:
    """The candidate on general questions: at most ``FORGOTTEN`` of NDCG@10 below the base."""
    _check(guard)
    return held(guard.models[guard.base][NDCG], guard.models[guard.candidate][NDCG], families=guard.families)


def held(base: Scores, candidate: Scores, *, families: Sequence[str] | None) -> Gate:
    """The same from NDCG@10 of both models on the guard's questions, and the family of each."""
    found = compare(base, candidate, metric=NDCG, families=families)
    passed = found.difference >= -FORGOTTEN
    detail = (
        f"general questions {np.mean(base):.4f} → {np.mean(candidate):.4f}: {found.difference:+.4f} "
        f"(95 % {found.ci_low:+.4f} … {found.ci_high:+.4f}, {len(base)} questions)"
    )
    return Gate(name="the general guard held", passed=passed, measured=found.difference, threshold=-FORGOTTEN, detail=detail)


def _check(evaluation: Evaluation) -> None:
    if len(evaluation.models) < 2:
        raise BadValue("models", list(evaluation.models), why="gates judge a candidate against a base; name the base first")
