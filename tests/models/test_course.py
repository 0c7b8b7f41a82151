"""Which weights of a fine-tuning are kept, and that a process started again keeps the same."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest
from transvase.core.training.plan import Clock, Pace
from transvase.core.training.tuning.course import BEST, Course, weights_in

pytestmark = pytest.mark.model

HIGH, CLOSE, LOW = (
    np.tile([0.9, 0.7], 50),
    np.tile([0.88, 0.70], 50) + np.resize([0.2, -0.2], 100) * (np.arange(100) < 50),
    np.full(100, 0.3),
)
"""Marks of 100 queries: CLOSE is 0.01 below HIGH, which its own scatter makes nothing of; LOW is far below."""


class Weighed:
    """Stands for the model in memory: its weights are one number."""

    def __init__(self) -> None:
        self.number = 0.0

    def weights(self) -> Mapping[str, object]:
        import torch

        return {"number": torch.tensor([self.number])}


def course(directory: Path, marks: Sequence[np.ndarray], *, patience: int = 5) -> Course:
    left = iter(marks)
    return Course(
        directory=directory,
        rung="fine-tune",
        examine=lambda: next(left),
        log=lambda *_: None,
        clock=Clock.start(None),
        pace=Pace(steps=len(marks)),
        evaluations=len(marks),
        patience=patience,
        best=np.zeros(100),
        families=None,
    )


def walked(taken: Course, count: int) -> list[bool]:
    weighed, answers = Weighed(), []
    for step in range(1, count + 1):
        weighed.number = float(step)
        answers.append(taken.validate(weighed, step=step))
    return answers


def kept(directory: Path) -> float:
    return float(weights_in(directory / BEST)["number"][0])


def test_of_marks_within_noise_the_latest_is_kept(tmp_path: Path) -> None:
    taken = course(tmp_path, [LOW, HIGH, CLOSE])
    walked(taken, 3)

    assert (taken.best_step, kept(tmp_path)) == (3, 3.0)
    assert taken.bar == pytest.approx(0.8)


def test_a_mark_clearly_below_the_highest_is_not_kept(tmp_path: Path) -> None:
    taken = course(tmp_path, [HIGH, LOW])
    walked(taken, 2)

    assert (taken.best_step, kept(tmp_path)) == (1, 1.0)


def test_many_small_steps_down_do_not_lead_far_down(tmp_path: Path) -> None:
    """Each mark is within noise of the one before, yet all are measured by the highest."""
    scatter = np.resize([0.05, -0.05], 100)
    marks = [np.full(100, 0.8) - 0.004 * number + (scatter if number % 2 else -scatter) for number in range(12)]
    taken = course(tmp_path, marks, patience=100)
    walked(taken, 12)

    assert taken.bar - marks[taken.best_step - 1].mean() < 0.02


def test_patience_counts_from_the_highest(tmp_path: Path) -> None:
    assert walked(course(tmp_path, [HIGH, LOW, LOW, LOW], patience=2), 3) == [True, True, False]


def test_a_process_started_again_measures_by_the_same_height(tmp_path: Path) -> None:
    first = course(tmp_path, [HIGH])
    walked(first, 1)
    first.finish()
    second = course(tmp_path, [])

    assert second.recover(None)
    assert (second.best_step, second.bar) == (1, first.bar)
    assert np.array_equal(second.best, HIGH)
