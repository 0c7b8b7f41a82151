"""Is one model better than another, or was it these queries? Paired, because both answered the same ones.

The interval is the percentile bootstrap (Efron 1979), the p-value the sign-flip permutation test on the mean difference (Fisher
1935), which needs no assumption on how the differences are spread. Both take whole families of queries (``resampling``).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from transvase.core.errors import BadValue

from .metrics import Scores
from .resampling import grouped

ROUNDS: Final = 10_000
"""Draws for either figure: the interval's ends move by less than 2 % of its width from seed to seed."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """The mean difference (second minus first) on one metric, its 95 % interval, and the two-sided p-value of no difference."""

    metric: str
    difference: float
    ci_low: float
    ci_high: float
    p_value: float

    def as_json(self) -> dict[str, object]:
        """The form that ``evaluate --json`` prints."""
        return {
            "metric": self.metric,
            "difference": self.difference,
            "ci_low": self.ci_low,
            "ci_high": self.ci_high,
            "p_value": self.p_value,
        }


def compare(
    first: Scores, second: Scores, *, metric: str, families: Sequence[str] | None, seed: int = 1, rounds: int = ROUNDS
) -> Comparison:
    """Compare two models' figures for the same queries in the same order; the same seed gives the same answer.

    ``families`` names that of each query (``families.names``); None says that no query has to do with another.
    """
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise BadValue("figures", (first.shape, second.shape), why="both models need one figure for each of the same queries")
    if families is not None and len(families) != len(first):
        raise BadValue("families", len(families), why=f"{len(first)} queries need one family each")
    differences = second - first
    mean, rng = float(differences.mean()), np.random.default_rng(seed)
    found = grouped(differences, families)
    low, high = found.ends(found.drawn(rng, rounds=rounds))
    extreme = np.count_nonzero(np.abs(found.flipped(rng, rounds=rounds)) >= abs(mean) - 1e-12)
    return Comparison(metric, mean, low, high, (1 + int(extreme)) / (1 + rounds))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for having looked at all of them (Holm 1979), in their order; at most 1."""
    order = sorted(range(len(p_values)), key=lambda at: p_values[at])
    corrected, highest = [1.0] * len(p_values), 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[at]))
        corrected[at] = highest
    return corrected
