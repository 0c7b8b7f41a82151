"""What a team may set: the thresholds of the three conditions, with their defaults, and what only the team can know."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from enum import StrEnum

from transvase.core.errors import BadValue


class Maturity(StrEnum):
    """Who looks after search quality. A tuned model has to be looked after too: judged again, retrained, migrated to."""

    NOBODY = "nobody"
    MEASURED = "measured"
    OWNED = "owned"
    ROUTINE = "routine"

    @property
    def rank(self) -> int:
        """0 for nobody to 3 for routine."""
        return list(Maturity).index(self)


@dataclass(frozen=True, slots=True, kw_only=True)
class Conditions:
    """When training is worth it. Shares and NDCG@10 lie in 0 … 1; None means that the team has not said.

    ``bar`` is the quality that is wanted, in NDCG@10; without it the bar is what tuning is estimated to reach.
    ``value_per_search`` is what one search that is answered instead of failed is worth, ``upkeep_per_month`` what keeping a
    model of one's own costs, in the same money. BadValue for anything out of its range.
    """

    least_gap: float = 0.03
    usable_pairs: int = 1_000
    overfitting_pairs: int = 500
    failing_queries: int = 200
    least_maturity: Maturity = Maturity.OWNED
    bar: float | None = None
    maturity: Maturity | None = None
    searches_per_month: float | None = None
    value_per_search: float | None = None
    upkeep_per_month: float | None = None

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, int | float) and not isinstance(value, bool) and (not math.isfinite(value) or value < 0):
                raise BadValue(field.name, value, why="a number of 0 or more is needed")
        for name in ("least_gap", "bar"):
            value = getattr(self, name)
            if value is not None and value > 1:
                raise BadValue(name, value, why="NDCG@10 lies between 0 and 1")
        if self.overfitting_pairs > self.usable_pairs:
            why = f"the warning comes before the refusal: at most {self.usable_pairs}"
            raise BadValue("overfitting_pairs", self.overfitting_pairs, why=why)
