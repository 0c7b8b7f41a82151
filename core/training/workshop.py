"""What every rung of one run works with: the model, the lesson, the exams, the clock, and what the base reached."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.evaluation.exam import Exam
from transvase.core.evaluation.metrics import Scores
from transvase.core.ports import Progress
from transvase.core.space import Role

from .ladder import Standing
from .lessons.lesson import Lesson
from .plan import ANSWERS_A_TEXT, QUESTION, Clock
from .records.rundir import RunDirectory
from .settings import CurvePoint, TrainSettings
from .weights.collapse import Spread, alarm, spread
from .weights.fixed import encoded
from .weights.learner import Learner
from .weights.shelf import Shelf

_LOOKED_AT: Final = 200
"""Documents that are encoded to see whether trained weights have collapsed."""


@dataclass(slots=True, eq=False, kw_only=True)
class Workshop:
    """One run's tools. Figures of the base are measured once; times of an exam are the longest seen."""

    settings: TrainSettings
    lesson: Lesson
    learner: Learner
    clock: Clock
    run: RunDirectory
    progress: Progress
    exam: Exam
    guard: Exam | None
    shelf: Shelf
    """Vectors of the base."""
    weights: dict[str, Any]
    """The base's."""
    base: Standing
    spread: Spread
    """Of the base's documents."""
    texts_per_s: float
    reserve_s: float
    """Kept for writing the model and reading it back."""
    exam_s: float = 0.0
    guard_s: float = 0.0
    curve: list[CurvePoint] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    facts: dict[str, object] = field(default_factory=dict)
    _spreads: list[tuple[Scores, Spread]] = field(default_factory=list)

    def ask(self, *, label: str = "validate") -> tuple[Scores, Spread]:
        """Validation with the weights of this moment, and how its documents spread; what is not finite scores nothing."""
        began, kept = time.perf_counter(), list[NDArray[np.float32]]()

        def vectors(texts: Sequence[str], role: Role) -> NDArray[np.float32]:
            matrix = self._encoded(texts, role, label=label)
            if role is Role.DOCUMENT:
                kept.append(matrix)
            return np.nan_to_num(matrix)

        scores = self.exam.mark(vectors)
        self.exam_s = max(self.exam_s, time.perf_counter() - began)
        return scores, spread(kept[0])

    def examine(self) -> Scores:
        """Validation while training; the spread that was seen with it is remembered."""
        scores, seen = self.ask()
        self._spreads.append((scores, seen))
        return scores

    def seen(self, scores: Scores) -> Spread | None:
        """How the documents spread in the validation that gave these scores; None where an earlier process gave them."""
        return next((seen for known, seen in self._spreads if np.array_equal(known, scores)), None)

    def ask_guard(self) -> float | None:
        """Mean NDCG@10 on the guard with the weights of this moment; None without a guard."""
        if self.guard is None:
            return None
        began = time.perf_counter()
        mean = float(self.guard.mark(lambda texts, role: self._encoded(texts, role, label="ask the guard")).mean())
        self.guard_s = max(self.guard_s, time.perf_counter() - began)
        return mean

    def from_base(self, texts: Sequence[str], role: Role, *, label: str = "read with the base") -> NDArray[np.float32]:
        """The base's vectors, each encoded once in the whole run."""
        return self.shelf.take(texts, role, progress=self.progress, label=label)

    def collapsed(self, after: Spread | None = None) -> str:
        """Why weights whose documents spread so must not be served; empty where nothing is wrong. None: look at some now."""
        if after is None:
            texts = self.exam.documents[:_LOOKED_AT]
            after = spread(self._encoded(texts, Role.DOCUMENT, label="look for collapse"))
            return alarm(spread(self.from_base(texts, Role.DOCUMENT)), after)
        return alarm(self.spread, after)

    @property
    def left(self) -> float:
        """Seconds for whatever comes next: what is needed for writing is not among them."""
        return self.clock.left - self.reserve_s

    def answers_in(self, seconds: float, *, asked: float = 1.0) -> float:
        """Answers that a fine-tuning is expected to read in so many seconds, so many questions each; infinite for infinite."""
        if math.isinf(seconds):
            return seconds
        return max(0.0, seconds) * self.texts_per_s * ANSWERS_A_TEXT / (1 + QUESTION * asked)

    def _encoded(self, texts: Sequence[str], role: Role, *, label: str) -> NDArray[np.float32]:
        def passed(count: int) -> None:
            self.progress(label, count, len(texts))

        return encoded(self.learner, texts, role, passed=passed)
