"""How likely a position is to be looked at, as a share of the first: what the position alone does to clicks.

The position-based model: a click needs a look, which depends on the position alone, and an attraction, which depends on query and
document alone (Richardson, Dominowska and Ragno 2007; Craswell et al. 2008). Where the log has shown one document for one query
at several positions, by chance or by swaps, looks are estimated from those alone; else by the whole model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from transvase.core.errors import BadValue

from .counts import Counts
from .log import Flags, Floats
from .model import fitted
from .swaps import harvested

ESTIMATORS: Final = ("auto", "swaps", "model")
LEAST_COVERED: Final = 0.8
"""Share of all clicks that must lie on positions which swaps connect with the first, before swaps are relied upon."""

LEAST_SWAPPED: Final = 0.1
"""Share of the pairs that must have been shown at several positions before the model is free to say anything."""

_BLIND: Final = (
    "hardly any document was shown at two positions for one query, so the log cannot tell position from relevance: the model "
    "takes positions to be equally relevant on average, and looks to fall no steeper than 1/position. Swap a few results at "
    "random, and it will know"
)


@dataclass(frozen=True, slots=True, eq=False)
class Bias:
    """Chance of a look by position (row 0 is position 1, which is 1 by definition), and how it was found."""

    looks: Floats
    how: str
    error: Floats | None
    swapped: int
    notes: tuple[str, ...]

    def as_json(self, *, clip: float) -> dict[str, object]:
        """The curve, with the standard error of its logarithm where there is one."""
        return {
            "estimator": self.how,
            "pairs_seen_at_several_positions": self.swapped,
            "looks": [round(float(look), 4) for look in self.looks],
            "standard_error_of_log": None if self.error is None else [round(float(one), 4) for one in self.error],
            "clipped_below": clip,
        }


def position_bias(counts: Counts, *, estimator: str) -> Bias:
    """Estimate the looks. BadValue for ``swaps`` where the log has too few of them, or an estimator that there is not."""
    if estimator not in ESTIMATORS:
        raise BadValue("estimator", estimator, why=f"give one of {', '.join(ESTIMATORS)}")
    several = np.bincount(counts.pair, minlength=counts.pairs) > 1
    swapped = int(several.sum())
    if estimator != "model":
        found = harvested(counts)
        covered = 0.0 if found is None else _covered(counts, found.known)
        if found is not None and (covered >= LEAST_COVERED or estimator == "swaps"):
            return Bias(found.looks, "swaps", found.error, swapped, _unknown(found.known))
        if estimator == "swaps":
            why = "too few documents were clicked at more than one position for the same query; use the model"
            raise BadValue("estimator", estimator, why=why)
    looks = fitted(counts)
    if swapped >= LEAST_SWAPPED * counts.pairs:
        return Bias(looks, "model", None, swapped, ())
    steepest = 1 / np.arange(1, counts.deepest + 1)
    return Bias(np.maximum(looks, steepest), "model", None, swapped, (_BLIND,))


def _unknown(known: Flags) -> tuple[str, ...]:
    if known.all():
        return ()
    return (
        f"position {int(np.argmin(known)) + 1} and others were never compared with the first: they follow the curve of the rest",
    )


def _covered(counts: Counts, known: Flags) -> float:
    clicks = np.bincount(counts.position - 1, weights=counts.clicks, minlength=counts.deepest)
    return float(clicks[known].sum() / clicks.sum())
