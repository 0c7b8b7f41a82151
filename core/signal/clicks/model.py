"""Position bias from a whole log: the position-based click model, fitted by expectation and maximisation.

The steps are those of Wang, Golbandi, Bendersky, Metzler and Najork, "Position bias estimation for unbiased learning to rank in
personal search" (WSDM 2018), with one attraction for each query and document. Attractions share a weak prior, so that a log in
which nothing was ever shown at two positions gets an answer too: that positions are equally attractive on average.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from .counts import Counts
from .log import Floats

PRIOR: Final = 2.0
"""Looks that the prior of an attraction is worth."""

_ROUNDS: Final = 1_000
_STILL: Final = 1e-5
"""Largest change of a look between two rounds at which the fit has settled."""

_LEAST_ROUNDS: Final = 20
"""At the start every attraction is the same, which explains each position alone, so that looks stand still for a round."""

_EDGE: Final = 1e-6


def fitted(counts: Counts) -> Floats:
    """Looks by position, the first being 1."""
    place = counts.position - 1
    shown = np.bincount(place, weights=counts.shown, minlength=counts.deepest)
    clicks = np.bincount(place, weights=counts.clicks, minlength=counts.deepest)
    rates = (clicks + _EDGE) / (shown + _EDGE)
    looks = np.clip(rates / rates.max(), _EDGE, 1 - _EDGE)
    mean = float(rates.max())
    attraction = np.full(counts.pairs, mean)
    total = np.bincount(counts.pair, weights=counts.shown, minlength=counts.pairs)
    missed = counts.shown - counts.clicks
    for number in range(_ROUNDS):
        look, attract = looks[place], attraction[counts.pair]
        unseen = np.maximum(1 - look * attract, _EDGE)
        looked = counts.clicks + missed * look * (1 - attract) / unseen
        attracted = counts.clicks + missed * attract * (1 - look) / unseen
        seen = np.bincount(place, weights=looked, minlength=counts.deepest)
        held = np.bincount(counts.pair, weights=attracted, minlength=counts.pairs)
        attraction = np.clip((held + PRIOR * mean) / (total + PRIOR), _EDGE, 1 - _EDGE)
        mean = float(np.average(attraction, weights=total / (total + PRIOR)))
        before, looks = looks, np.clip(np.divide(seen, shown, out=looks.copy(), where=shown > 0), _EDGE, 1 - _EDGE)
        if number >= _LEAST_ROUNDS and np.abs(looks - before).max() < _STILL:
            break
    return np.asarray(np.minimum(looks / looks[0], 1.0))
