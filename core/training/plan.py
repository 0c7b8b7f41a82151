"""Fitting a run into its wall-clock budget: what each kind of work may take, and how far a fine-tuning has come.

Nothing is planned from a speed measured once: a fine-tuning under a budget follows the clock. Its learning rate falls with
the share of its time that has passed, so it ends at zero whether the machine became slower or faster meanwhile.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

EXAM_SHARE: Final = 0.025
"""Of the budget, for one validation."""

GUARD_SHARE: Final = 0.02
"""Of the budget, for asking the guard once."""

MINING_SHARE: Final = 0.15
"""Of the budget, for encoding what negatives are mined from and for, at the length that training reads."""

ADAPTER_SHARE: Final = 0.05
"""Of the budget, for what the adapters need: vectors of the training queries and of their answers."""

ANSWERS_A_TEXT: Final = 1.4
"""Answers that are trained in the time of encoding one text at serving length; measured about 1.5 with half the layers frozen."""

QUESTION: Final = 0.25
"""Time that training takes for a question, as a part of what it takes for an answer; measured 0.24."""

MINED_A_TEXT: Final = 3
"""Pairs that are read for mining, at the length of training, in the time of encoding one text at serving length; measured 2.7."""

BATCHES: Final = (64, 32)
"""Answers in a batch: the larger one where it leaves ``UPDATES``, else the smaller one."""

UPDATES: Final = 30

RESERVE_S: Final = 5.0
"""Kept for writing the model and reading it back, beside twice what loading it took."""

UNBOUNDED_EXAM: Final = 4000
"""Documents of a validation where no budget is given."""

MOST_POOL: Final = 20_000
"""Documents of a larger corpus that negatives are mined from where no budget is given."""

UNBOUNDED_GUARD: Final = 300
"""Questions of the guard where no budget is given."""

SHORT_S: Final = 300.0
"""Budgets below this make one fine-tuning and ask nothing that can be left out: mining for a second would leave it too few
updates, and one more validation on the way back to the base is a twelfth of them."""

WARM_UP: Final = 0.1


@dataclass(frozen=True, slots=True)
class Clock:
    """When the run began and how long it may take in all (None: as long as it needs)."""

    started: float
    budget_s: float | None

    @classmethod
    def start(cls, minutes: float | None, *, spent_s: float = 0.0) -> Clock:
        """A clock that runs from now on, or from so many seconds ago."""
        return cls(time.monotonic() - spent_s, None if minutes is None else minutes * 60)

    @property
    def elapsed(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    @property
    def left(self) -> float:
        """Seconds left of the budget; infinite without one."""
        return math.inf if self.budget_s is None else self.budget_s - self.elapsed

    def share(self, part: float) -> float:
        """Seconds that this part of the whole budget is; infinite without one."""
        return math.inf if self.budget_s is None else part * self.budget_s


@dataclass(slots=True)
class Pace:
    """How far one fine-tuning has come: by its steps, or by its seconds where those are nearer their end.

    Time spent in ``pausing`` (validation, checkpoints) does not count.
    """

    steps: int
    """The most updates that may be made."""
    seconds: float = math.inf
    began: float = field(default_factory=time.monotonic)
    paused: float = 0.0
    share: float = 0.0
    """The last that ``look`` saw, from 0 to 1."""

    def look(self, step: int) -> float:
        """How much is done after ``step`` updates, from 0 to 1."""
        timed = (time.monotonic() - self.began - self.paused) / self.seconds if math.isfinite(self.seconds) else 0.0
        return min(1.0, max(step / self.steps, timed))

    def rate(self, step: int) -> float:
        """The learning rate's multiplier for the update after ``step``: up in a tenth of the course, then straight to zero."""
        share = max(self.share, step / self.steps)
        return min(1.0, (share + 1 / self.steps) / WARM_UP, max(0.0, 1 - share) / (1 - WARM_UP))

    @contextmanager
    def pausing(self) -> Iterator[None]:
        """What is done inside takes no time of the course."""
        began = time.monotonic()
        try:
            yield
        finally:
            self.paused += time.monotonic() - began


def exam_size(clock: Clock, *, texts_per_s: float) -> int:
    """Documents that one validation may encode."""
    return UNBOUNDED_EXAM if clock.budget_s is None else max(200, int(EXAM_SHARE * clock.budget_s * texts_per_s))


def guard_size(clock: Clock, *, texts_per_s: float, crowd: int) -> int:
    """Questions of the guard, each with ``crowd`` documents and counted with its own text."""
    if clock.budget_s is None:
        return UNBOUNDED_GUARD
    return min(UNBOUNDED_GUARD, int(GUARD_SHARE * clock.budget_s * texts_per_s / (crowd + 1)))


def batch_size(answers: float) -> int:
    """Answers in a batch where a fine-tuning will read so many, repeated ones counted again."""
    large, small = BATCHES
    return large if answers >= UPDATES * large else small
