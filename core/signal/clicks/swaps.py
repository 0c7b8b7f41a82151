"""Position bias from documents that were shown at several positions for one query: intervention harvesting, by all pairs of them.

Agarwal, Zaitsev, Wang, Li, Najork and Joachims, "Estimating position bias without intrusive interventions" (WSDM 2019): between
two positions only documents count that were shown at both, weighted so that each counts equally on both sides; then what they
attract cancels, and the ratio of clicks is the ratio of looks. Where they maximise a likelihood over all pairs, we take the
logarithms of the ratios and solve them by least squares, each weighted by its precision: closed form, with standard errors. Where
comparisons are few, the curve leans on a power of the position (as Joachims, Swaminathan and Schnabel 2017 assume throughout),
whose power is estimated with it; where they are many, it goes its own way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from .counts import Counts
from .log import Flags, Floats

LEAST_CLICKS: Final = 10
"""Clicks on either side before two positions are compared."""

DEEPEST: Final = 50
"""Positions that are compared; those below follow the law alone."""

DEPARTURE: Final = 0.3
"""How far the logarithm of a look is expected to lie from a power of the position, one standard deviation."""


@dataclass(frozen=True, slots=True, eq=False)
class Harvested:
    """Looks by position, the standard error of their logarithms, and which positions the log itself knows."""

    looks: Floats
    error: Floats
    known: Flags


@dataclass(frozen=True, slots=True)
class _Ratio:
    above: int
    below: int
    log_ratio: float
    precision: float


def harvested(counts: Counts) -> Harvested | None:
    """Looks from swaps; None where no position is comparable with the first."""
    compared = min(counts.deepest, DEEPEST)
    ratios = _ratios(counts, compared)
    known = _connected(ratios, compared)
    if known.sum() < 2:
        return None
    logs, errors = _solved([ratio for ratio in ratios if known[ratio.above]], compared, deepest=counts.deepest)
    known = np.append(known, np.zeros(counts.deepest - compared, dtype=bool))
    return Harvested(np.minimum(np.exp(logs), 1.0), errors, known)


def _ratios(counts: Counts, deepest: int) -> list[_Ratio]:
    several = np.flatnonzero(np.bincount(counts.pair, minlength=counts.pairs) > 1)
    row_of = np.full(counts.pairs, -1)
    row_of[several] = np.arange(len(several))
    used = (row_of[counts.pair] >= 0) & (counts.position <= deepest)
    shown, clicks = (np.zeros((len(several), deepest)) for _ in range(2))
    shown[row_of[counts.pair[used]], counts.position[used] - 1] = counts.shown[used]
    clicks[row_of[counts.pair[used]], counts.position[used] - 1] = counts.clicks[used]
    ratios = []
    for above in range(deepest):
        for below in range(above + 1, deepest):
            both = np.flatnonzero((shown[:, above] > 0) & (shown[:, below] > 0))
            if not len(both):
                continue
            here, there = shown[both, above], shown[both, below]
            weight = here * there / (here + there)  # the same on both sides, and the most precise when looks are alike
            first, second = weight * clicks[both, above] / here, weight * clicks[both, below] / there
            fewest = min(clicks[both, above].sum(), clicks[both, below].sum())
            if fewest >= LEAST_CLICKS:
                spread = _relative(weight / here, clicks[both, above]) + _relative(weight / there, clicks[both, below])
                ratios.append(_Ratio(above, below, float(np.log(first.sum() / second.sum())), 1 / spread))
    return ratios


def _relative(weight: Floats, clicks: Floats) -> float:
    """Squared relative error of a weighted sum of counts, taken as Poisson."""
    return float((weight**2 * clicks).sum() / (weight * clicks).sum() ** 2)


def _connected(ratios: list[_Ratio], deepest: int) -> Flags:
    """Positions that a chain of comparisons leads to from the first."""
    known = np.zeros(deepest, dtype=bool)
    known[0] = True
    for _ in range(deepest):
        for ratio in ratios:
            known[ratio.above] = known[ratio.below] = known[ratio.above] or known[ratio.below]
    return known


def _solved(ratios: list[_Ratio], compared: int, *, deepest: int) -> tuple[Floats, Floats]:
    """Logarithms of looks by position, the first being 0, and their standard errors; the last unknown is the power of the law.

    Positions below those that are ``compared`` have but one equation each, which the law fulfils: they need no solving.
    """
    design = np.zeros((len(ratios) + compared - 1, compared + 1))
    target, weight = np.zeros(len(design)), np.full(len(design), 1 / DEPARTURE**2)
    for row, ratio in enumerate(ratios):
        design[row, ratio.above], design[row, ratio.below] = 1, -1
        target[row], weight[row] = ratio.log_ratio, ratio.precision
    below = np.arange(1, compared)
    design[len(ratios) + below - 1, below] = 1
    design[len(ratios) + below - 1, compared] = np.log(below + 1)
    design = design[:, 1:]  # the first position is 0 by definition
    inverse = np.linalg.inv(design.T @ (weight[:, None] * design))
    solved = inverse @ (design.T @ (weight * target))
    spread = np.diag(inverse)
    further = np.log(np.arange(compared + 1, deepest + 1))
    logs = np.concatenate([[0.0], solved[:-1], -solved[-1] * further])
    return logs, np.sqrt(np.concatenate([[0.0], spread[:-1], DEPARTURE**2 + spread[-1] * further**2]))
