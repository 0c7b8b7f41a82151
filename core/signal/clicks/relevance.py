"""From clicks to judgments: what each result attracts once its positions are taken out, graded and weighed; and what was skipped.

Attraction is clicks over the looks that their positions earned (clicks over expected clicks: Zhang and Jones 2007; the
self-normalised form of inverse propensity weighting: Swaminathan and Joachims 2015), drawn to the mean of its positions as far as
it was hardly seen. A click counts by what came of it. A result that was passed over, above a click, and never clicked, is a
negative (skip above: Joachims 2002).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from transvase.core.errors import BadValue
from transvase.core.signal.harvest import Judgment, Tally

from .log import Flags, Floats, Integers, Log

HIGHEST: Final = 4
SATISFIED_S: Final = 30.0
"""Dwell from which a click counts whole (the half minute of Fox et al. 2005); a shorter one counts by its share of that."""

LEAST_CREDIT: Final = 0.1
CONVERSION: Final = 2.0
"""What a click counts for that ended in a conversion."""

LEAST_BELIEF, MOST_BELIEF = 0.5, 50.0
"""Looks that the mean attraction at a pair's positions is worth, at least and at most."""

HEAVIEST: Final = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """``clip``: the least chance of a look that is reckoned with; impressions and skips under which a pair says nothing."""

    clip: float = 0.05
    least_impressions: int = 3
    least_skips: int = 2

    def __post_init__(self) -> None:
        if not 0 < self.clip <= 1:
            raise BadValue("clip", self.clip, why="a chance of a look above 0 and at most 1")
        for name in ("least_impressions", "least_skips"):
            if getattr(self, name) < 1:
                raise BadValue(name, getattr(self, name), why="at least 1")


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """One row for each query and document, in the order of their numbers in the log; ``line`` is where it was first shown."""

    query: Integers
    document: Integers
    impressions: Integers
    looks: Floats
    clicks: Integers
    skips: Integers
    attraction: Floats
    line: Integers


def attractions(log: Log, *, looks: Floats, clip: float) -> Pairs:
    """What every pair attracts: its credit over the looks it had, drawn a little to the mean of its positions."""
    keys, first, pair = np.unique(log.query[log.of] * len(log.documents) + log.document, return_index=True, return_inverse=True)

    def total(values: Floats | Flags) -> Floats:
        return np.bincount(pair, weights=values.astype(np.float64), minlength=len(keys)).astype(np.float64)

    look, credit = np.maximum(looks, clip)[log.position - 1], _credit(log)
    seen = total(look)
    mean = total(look * _mean_at(log, look, credit)[log.position - 1]) / seen
    prior = _belief(total(credit) / seen, mean, seen)
    return Pairs(
        query=keys // len(log.documents),
        document=keys % len(log.documents),
        impressions=np.bincount(pair, minlength=len(keys)),
        looks=seen,
        clicks=total(log.clicked).astype(np.int64),
        skips=total(_skipped(log)).astype(np.int64),
        attraction=(total(credit) + prior * mean) / (seen + prior),
        line=log.line[log.of[first]],
    )


def graded(
    log: Log, pairs: Pairs, *, bounds: Bounds, known: Callable[[str], bool], name: Callable[[int], str], tally: Tally
) -> list[Judgment]:
    """Judgments of the pairs: grades 1 to 4 by the share of the query's most attractive document, weights by attraction, and 0.

    A clicked document under an eighth of the best is judged wrong, like one that was skipped over and never clicked. ``known``
    tells which documents the corpus has, ``name`` the id of a query by its number. Unknown documents and pairs that were shown
    too seldom are counted and left out.
    """
    keep = np.zeros(len(pairs.query), dtype=bool)
    for row in np.flatnonzero((pairs.clicks > 0) | (pairs.skips >= bounds.least_skips)).tolist():
        where = f"{log.file}:{pairs.line[row]}"
        if not known(log.documents[pairs.document[row]]):
            tally.drop("document not in the corpus", where)
        elif pairs.impressions[row] < bounds.least_impressions:
            tally.drop("shown too seldom", where)
        else:
            keep[row] = True
    clicked = keep & (pairs.clicks > 0)
    best = np.zeros(len(log.queries))
    np.maximum.at(best, pairs.query[clicked], pairs.attraction[clicked])
    share = np.divide(pairs.attraction, best[pairs.query], out=np.zeros(len(keep)), where=clicked)
    grades = np.where(clicked, np.floor(HIGHEST * np.minimum(share, 1.0) + 0.5), 0.0)
    mean = float(pairs.attraction[grades > 0].mean()) if (grades > 0).any() else 1.0
    weights = np.where(grades > 0, np.minimum(pairs.attraction / mean, HEAVIEST), 1.0)
    return [
        Judgment(
            name(int(pairs.query[row])),
            log.documents[pairs.document[row]],
            float(grades[row]),
            round(float(weights[row]), 6),
            f"{log.file}:{pairs.line[row]}",
        )
        for row in np.flatnonzero(keep).tolist()
    ]


def _mean_at(log: Log, look: Floats, credit: Floats) -> Floats:
    """Mean attraction by position: a ranking that was any good is evidence too, for what has hardly been looked at."""
    looks, earned = (np.bincount(log.position - 1, weights=values) for values in (look, credit))
    return np.asarray(np.divide(earned, looks, out=np.zeros(len(looks)), where=looks > 0))


def _belief(rates: Floats, mean: Floats, seen: Floats) -> Floats:
    """How many looks the mean at a pair's positions is worth: few where pairs of one position differ much.

    Empirical Bayes by moments: what the rates vary by beyond chance is what attractions differ by.
    """
    chance = mean / np.maximum(seen, 1e-9)
    spread = float((seen * ((rates - mean) ** 2 - chance)).sum() / seen.sum())
    return np.clip(mean / max(spread, 1e-9), LEAST_BELIEF, MOST_BELIEF)


def _credit(log: Log) -> Floats:
    """What a click counts: by dwell where it is known, whole where it is not, more with a conversion."""
    stay = np.where(np.isnan(log.dwell), 1.0, np.clip(log.dwell / SATISFIED_S, LEAST_CREDIT, 1.0))
    if not (log.dwell > 0).any():  # a log that knows no dwell at all
        stay = np.ones(len(log.dwell))
    return np.where(log.converted, CONVERSION, np.where(log.clicked, stay, 0.0))


def _skipped(log: Log) -> Flags:
    """Results above the lowest click of their list that were not clicked."""
    lowest = np.zeros(len(log.query), dtype=np.int64)
    np.maximum.at(lowest, log.of[log.clicked], log.position[log.clicked])
    return np.asarray(~log.clicked & (log.position < lowest[log.of]))
