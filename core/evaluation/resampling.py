"""How far a mean over queries can be trusted where the queries come in families: whole families are drawn, never parts of one.

Queries of one family are answered rightly or wrongly together; drawn one by one they would feign more evidence than there is
(the bootstrap over clusters; Cameron, Gelbach and Miller 2008). Where all queries are of one family there is nothing to draw but
these, and what is said is said of that family. Few families draw too narrow an interval, hence it is widened as Student's t
widens a normal one (Hesterberg 2015): by 2 % for a hundred of them, by a fifth for ten, ninefold for two.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
from numpy.typing import NDArray

from .metrics import Scores

_CELLS: Final = 4_000_000
"""Random numbers held at a time."""

_NORMAL: Final = 1.959964
_STUDENT: Final = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)
"""Quantiles of Student's t at 0.975 for 1 to 10 degrees of freedom."""


@dataclass(frozen=True, slots=True, eq=False)
class Grouped:
    """Figures of queries, added up by family: shape (families,) each, families in the order of their first query."""

    sums: Scores
    sizes: NDArray[np.float64]
    """Queries in each."""

    @property
    def mean(self) -> float:
        """Of all queries, each counting the same."""
        return float(self.sums.sum() / self.sizes.sum())

    @property
    def error(self) -> float:
        """The standard error of the mean; infinite where there is but one query."""
        count = len(self.sums)
        if count < 2:
            return float("inf")
        residual = self.sums - self.mean * self.sizes
        return sqrt(count / (count - 1) * float(residual @ residual)) / float(self.sizes.sum())

    def drawn(self, rng: np.random.Generator, *, rounds: int) -> Scores:
        """The means of as many families drawn with replacement."""
        if (self.sizes == self.sizes[0]).all():
            means = self.sums / self.sizes[0]
            return np.concatenate([means.take(rows).mean(axis=1) for rows in self._draws(rng, rounds)])
        # Sum and size of a family in one number, so that a draw is one look-up; about the mean, for it is of single precision.
        pairs = ((self.sums - self.mean * self.sizes) + 1j * self.sizes).astype(np.complex64)
        sums = np.concatenate([pairs.take(rows).sum(axis=1) for rows in self._draws(rng, rounds)])
        return np.asarray(self.mean + sums.real / sums.imag, dtype=np.float64)

    def flipped(self, rng: np.random.Generator, *, rounds: int) -> Scores:
        """The means with each family's sign kept or turned, one random bit for each."""
        count, total, queries = len(self.sums), self.sums.sum(), self.sizes.sum()
        found = []
        for draws in self._steps(rounds):
            octets = rng.integers(0, 256, size=(draws, -(-count // 8)), dtype=np.uint8)
            kept = np.unpackbits(octets, axis=1, count=count).astype(np.float64)
            found.append((2 * (kept @ self.sums) - total) / queries)
        return np.concatenate(found)

    def ends(self, drawn: Scores) -> tuple[float, float]:
        """The 95 % interval of the mean, from what was ``drawn``."""
        mean, wider = self.mean, _widening(len(self.sums))
        low, high = np.percentile(drawn, [2.5, 97.5])
        return mean + wider * (float(low) - mean), mean + wider * (float(high) - mean)

    def _draws(self, rng: np.random.Generator, rounds: int) -> Iterator[NDArray[np.int32]]:
        count = len(self.sums)
        for draws in self._steps(rounds):
            yield rng.integers(0, count, size=(draws, count), dtype=np.int32)

    def _steps(self, rounds: int) -> Iterator[int]:
        step = max(1, _CELLS // len(self.sums))
        for start in range(0, rounds, step):
            yield min(step, rounds - start)


def grouped(values: Scores, families: Sequence[str] | None) -> Grouped:
    """Add up figures by family, one name for each query; with None, or one name for all, every query counts by itself."""
    numbers: dict[str, int] = {}
    rows = [numbers.setdefault(name, len(numbers)) for name in families or ()]
    if len(numbers) < 2:
        return Grouped(np.asarray(values, dtype=np.float64), np.ones(len(values)))
    return Grouped(np.bincount(rows, weights=values).astype(np.float64), np.bincount(rows).astype(np.float64))


def _widening(families: int) -> float:
    """What the percentiles of so many families are short of: Student's quantile, and a variance divided by one too many."""
    if families < 2:
        return 1.0
    return _student(families - 1) / _NORMAL * sqrt(families / (families - 1))


def _student(freedom: int) -> float:
    """The quantile at 0.975, exact to 0.003 (Fisher and Cornish 1960 where no table has it)."""
    if freedom <= len(_STUDENT):
        return _STUDENT[freedom - 1]
    z = _NORMAL
    return z + (z**3 + z) / (4 * freedom) + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)
