"""How sure a mean is when the queries come in families: whole families are drawn again, not single queries.

The percentile bootstrap over clusters (Cameron, Gelbach and Miller 2008): queries of one family fail together, and drawn one by
one they would feign more evidence than there is. Also the exact test of a failure rate within a group against outside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, lgamma
from typing import Final

import numpy as np
from numpy.typing import NDArray

ROUNDS: Final = 4_000
_CELLS: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class Interval:
    """A figure with the ends of its 95 % interval."""

    mean: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.mean:+.3f} (95 % {self.low:+.3f} … {self.high:+.3f})"

    def as_json(self) -> dict[str, float]:
        """Mean and both ends."""
        return {"mean": self.mean, "ci_low": self.low, "ci_high": self.high}


def interval(values: NDArray[np.float64], families: Sequence[str], *, seed: int = 1) -> Interval:
    """The mean of ``values``, one for each query, and its interval over ``families`` drawn with replacement."""
    _, cluster = np.unique(np.asarray(families), return_inverse=True)
    sums, sizes = np.bincount(cluster, weights=values), np.bincount(cluster).astype(np.float64)
    rng = np.random.default_rng(seed)
    step = max(1, _CELLS // len(sums))
    means = []
    for start in range(0, ROUNDS, step):
        drawn = rng.integers(0, len(sums), size=(min(step, ROUNDS - start), len(sums)))
        means.append(sums[drawn].sum(axis=1) / sizes[drawn].sum(axis=1))
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))


def fisher(inside: int, of_inside: int, outside: int, of_outside: int) -> float:
    """One-sided p-value of Fisher's exact test: that failures are no more frequent inside than outside."""
    failed, total = inside + outside, of_inside + of_outside
    return min(1.0, sum(_hypergeometric(n, failed, of_inside, total) for n in range(inside, min(failed, of_inside) + 1)))


def _hypergeometric(hits: int, marked: int, drawn: int, total: int) -> float:
    """Chance of ``hits`` marked ones among ``drawn`` of ``total``, ``marked`` of which are."""
    if hits < 0 or drawn - hits > total - marked:
        return 0.0
    return exp(_choices(marked, hits) + _choices(total - marked, drawn - hits) - _choices(total, drawn))


def _choices(n: int, k: int) -> float:
    return lgamma(n + 1) - lgamma(k + 1) - lgamma(n - k + 1)
