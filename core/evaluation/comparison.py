"""Is one model better than another, or was it these queries? Paired, because both answered the same ones.

The interval is the percentile bootstrap over queries (Efron 1979), the p-value the sign-flip permutation test on the mean
difference (Fisher 1935), which needs no assumption on how the differences are spread.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.errors import BadValue

from .metrics import Scores

ROUNDS: Final = 10_000
"""Draws for either figure: the interval's ends move by less than 2 % of its width from seed to seed."""

_CELLS: Final = 4_000_000
"""Random numbers held at a time."""


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
    first: NDArray[np.float64], second: NDArray[np.float64], *, metric: str, seed: int = 1, rounds: int = ROUNDS
) -> Comparison:
    """Compare two models' figures for the same queries in the same order; the same seed gives the same answer."""
    if first.shape != second.shape or first.ndim != 1 or not len(first):
        raise BadValue("figures", (first.shape, second.shape), why="both models need one figure for each of the same queries")
    differences = second - first
    mean = float(differences.mean())
    rng = np.random.default_rng(seed)
    shapes = list(_shapes(len(first), rounds))
    drawn = np.concatenate([_drawn_means(differences, shape, rng) for shape in shapes])
    flipped = np.concatenate([_flipped_means(differences, shape, rng) for shape in shapes])
    extreme = np.count_nonzero(np.abs(flipped) >= abs(mean) - 1e-12)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Comparison(metric, mean, float(low), float(high), (1 + int(extreme)) / (1 + rounds))


def holm(p_values: Sequence[float]) -> list[float]:
    """The p-values corrected for having looked at all of them (Holm 1979), in their order; at most 1."""
    order = sorted(range(len(p_values)), key=lambda at: p_values[at])
    corrected, highest = [1.0] * len(p_values), 0.0
    for rank, at in enumerate(order):
        highest = max(highest, min(1.0, (len(order) - rank) * p_values[at]))
        corrected[at] = highest
    return corrected


def _drawn_means(differences: Scores, shape: tuple[int, int], rng: np.random.Generator) -> Scores:
    return np.asarray(differences[rng.integers(0, shape[1], size=shape, dtype=np.int32)].mean(axis=1), dtype=np.float64)


def _flipped_means(differences: Scores, shape: tuple[int, int], rng: np.random.Generator) -> Scores:
    """One random bit a query and round: kept or flipped."""
    draws, queries = shape
    octets = rng.integers(0, 256, size=(draws, -(-queries // 8)), dtype=np.uint8)
    kept = np.unpackbits(octets, axis=1, count=queries).astype(np.float64)
    return np.asarray((2 * (kept @ differences) - differences.sum()) / queries, dtype=np.float64)


def _shapes(queries: int, rounds: int) -> Iterator[tuple[int, int]]:
    step = max(1, _CELLS // queries)
    for start in range(0, rounds, step):
        yield min(step, rounds - start), queries
