"""Fitting a run into its wall-clock budget, from speeds measured on the machine at hand a moment ago."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import Final

EXAM_SHARE: Final = 0.06
"""Of the budget, for one validation: with the base's own and three more a quarter goes into choosing well."""

MINING_SHARE: Final = 0.15
"""Of the budget, for encoding the texts that negatives are mined from."""

RESERVE_S: Final = 8.0
"""Kept for writing the model and reading it back."""

UNBOUNDED_EXAM: Final = 4000
"""Documents of a validation where no budget is given."""


@dataclass(frozen=True, slots=True)
class Clock:
    """When the run began and how long it may take in all (None: as long as it needs)."""

    started: float
    budget_s: float | None

    @classmethod
    def start(cls, minutes: float | None) -> Clock:
        """A clock that runs from now on."""
        return cls(time.monotonic(), None if minutes is None else minutes * 60)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    @property
    def left(self) -> float:
        """Seconds left of the budget; infinite without one."""
        return math.inf if self.budget_s is None else self.budget_s - self.elapsed


@dataclass(frozen=True, slots=True)
class Plan:
    """How many updates, and after how many of them validation comes."""

    steps: int
    every: int


def exam_size(clock: Clock, *, texts_per_s: float) -> int:
    """Documents that one validation may encode."""
    return UNBOUNDED_EXAM if clock.budget_s is None else max(200, int(EXAM_SHARE * clock.budget_s * texts_per_s))


def mining_size(clock: Clock, *, texts_per_s: float, wanted: int) -> int:
    """Texts, of those wanted, that may be encoded to mine from."""
    return wanted if clock.budget_s is None else min(wanted, int(MINING_SHARE * clock.budget_s * texts_per_s))


def plan(*, seconds: float, step_s: float, exam_s: float, pairs: int, batch: int, epochs: int, evaluations: int) -> Plan:
    """As many steps as the epochs ask for and the seconds hold, a whole number of them between validations; at least one."""
    wanted = epochs * math.ceil(pairs / batch)
    exams = evaluations
    if math.isfinite(seconds):
        while exams > 1 and exams * exam_s > seconds / 5:  # better one validation of something than three of nothing
            exams -= 1
        wanted = min(wanted, int((seconds - exams * exam_s) / step_s))
    exams = min(exams, max(1, wanted))
    every = max(1, wanted // exams)
    return Plan(steps=every * exams, every=every)
