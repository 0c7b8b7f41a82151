"""How sure a figure is: the interval of a mean over families of queries, and whether a group fails more often than the rest.

The interval draws whole families (``transvase.core.evaluation.resampling``); the test of a failure rate within a group against
outside it is Fisher's, and exact.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import exp, lgamma
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.evaluation.resampling import grouped

ROUNDS: Final = 4_000


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
    found = grouped(values, families)
    low, high = found.ends(found.drawn(np.random.default_rng(seed), rounds=ROUNDS))
    return Interval(float(values.mean()), low, high)


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
