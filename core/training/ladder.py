"""The ladder: what may be trained, what moving to it costs, and which of the rungs tried is worth taking.

A smaller change is a cheaper migration, so among rungs that cannot be told apart the one is taken whose migration is
cheapest. "Cannot be told apart" is the rule of one standard error (Breiman et al. 1984): the best is ahead by no more than
one standard error of the difference, measured on the same queries and from family to family: queries of one family are no
evidence apart from each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from transvase.core.evaluation.metrics import Scores
from transvase.core.evaluation.resampling import grouped

GUARD_LOSS: Final = 0.01
"""The most NDCG@10 that a kept model may lose on the general guard."""


class Rung(StrEnum):
    """What may be trained, cheapest first."""

    QUERY = "query-adapter"
    BOTH = "adapter"
    TUNE = "fine-tune"
    SECOND = "second-pass"


ADAPTERS: Final = (Rung.QUERY, Rung.BOTH)
"""The rungs that need vectors alone, and no weights."""

MIGRATION: Final[Mapping[Rung | None, str]] = {
    None: "none",
    Rung.QUERY: "cutover",
    Rung.BOTH: "derive",
    Rung.TUNE: "fill",
    Rung.SECOND: "fill",
}
"""What a live index needs: nothing; a switch, because its document vectors stay as they are; new vectors computed from the
stored ones; every text encoded again."""

_COST: Final = {name: cost for cost, name in enumerate(("none", "cutover", "derive", "fill"))}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Standing:
    """A state that could be kept. ``alpha`` is how far it lies from the base, 1 being as trained."""

    rung: Rung | None
    scores: Scores
    """NDCG@10 of each validation query."""
    guard: float | None
    """Mean NDCG@10 on the guard; None where it was not asked."""
    alpha: float
    step: int
    fault: str = ""
    """Why it must not be kept, in words; empty: nothing speaks against it."""

    @property
    def mean(self) -> float:
        """Mean NDCG@10 on validation."""
        return float(self.scores.mean())

    @property
    def migration(self) -> str:
        """What moving to it takes."""
        return MIGRATION[self.rung]

    def as_json(self) -> dict[str, object]:
        """What the card and ``training.json`` tell of it."""
        facts: dict[str, object] = {"rung": self.rung, "migration": self.migration, "alpha": self.alpha, "step": self.step}
        return facts | {"ndcg": self.mean, "guard": self.guard, "fault": self.fault}


def holds(guard: float | None, before: float | None) -> bool:
    """True where the guard lost at most ``GUARD_LOSS``, or was not asked."""
    return guard is None or before is None or before - guard <= GUARD_LOSS


def choose(base: Standing, tried: Sequence[Standing], *, families: Sequence[str] | None) -> Standing:
    """The standing to keep: of those within noise of the best the one with the cheapest migration, then the best mean.

    Only what beats the base on validation and has no fault is looked at; the base itself where nothing does. ``families`` names
    that of each validation query.
    """
    better = [standing for standing in tried if not standing.fault and standing.mean > base.mean]
    if not better:
        return base
    best = max(better, key=lambda standing: standing.mean)
    near = [standing for standing in better if not ahead(best.scores, standing.scores, families=families)]
    return min(near, key=lambda standing: (_COST[standing.migration], -standing.mean))


def ahead(first: Scores, second: Scores, *, families: Sequence[str] | None) -> bool:
    """True where the first marks are better by more than one standard error of the difference over the same queries."""
    found = grouped(first - second, families)
    return found.mean > (found.error if len(first) > 1 else 0.0)


def worth_climbing(tried: Sequence[Standing], base: Standing, *, rung: Rung) -> bool:
    """Whether a rung may still gain: a second pass only upon a first that did.

    Fine-tuning is tried whatever the adapters reached: a matrix cannot part what the encoder maps together.
    """
    if rung is not Rung.SECOND:
        return True
    return any(standing.rung is Rung.TUNE and standing.mean > base.mean and not standing.fault for standing in tried)
