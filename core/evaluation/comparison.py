"""Is one model better than another, or was it these queries? Paired, because both answered the same ones.

The interval is the percentile bootstrap over queries (Efron 1979), the p-value the sign-flip permutation test on the mean
difference (Fisher 1935), which needs no assumption on how the differences are spread.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.errors import BadValue

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
    drawn = np.concatenate(
        [differences[rng.integers(0, len(differences), size=shape)].mean(axis=1) for shape in _shapes(len(first), rounds)]
    )
    flipped = np.concatenate([_flipped_means(differences, shape, rng) for shape in _shapes(len(first), rounds)])
    extreme = np.count_nonzero(np.abs(flipped) >= abs(mean) - 1e-12)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Comparison(metric, mean, float(low), float(high), (1 + int(extreme)) / (1 + rounds))


def _flipped_means(differences: NDArray[np.float64], shape: tuple[int, int], rng: np.random.Generator) -> NDArray[np.float64]:
    signs = rng.integers(0, 2, size=shape, dtype=np.int8) * 2 - 1
    return np.asarray(signs @ differences / len(differences), dtype=np.float64)


def _shapes(queries: int, rounds: int) -> Iterator[tuple[int, int]]:
    step = max(1, _CELLS // queries)
    for start in range(0, rounds, step):
        yield min(step, rounds - start), queries
