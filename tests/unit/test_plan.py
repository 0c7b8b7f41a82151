"""Plans that keep within a budget, and validation drawn within it."""

from __future__ import annotations

import math
import time

import pytest
from transvase.core.errors import BadValue
from transvase.core.evaluation import Document, Judged, Query
from transvase.core.space import Role
from transvase.core.training import TrainSettings
from transvase.core.training.exam import draw
from transvase.core.training.plan import Clock, exam_size, mining_size, plan


@pytest.mark.parametrize("seconds", [5.0, 40.0, 100.0, 1000.0])
@pytest.mark.parametrize("step_s", [0.1, 3.0])
@pytest.mark.parametrize("exam_s", [0.5, 10.0])
def test_what_is_planned_fits_into_the_time_and_ends_on_a_validation(seconds: float, step_s: float, exam_s: float) -> None:
    made = plan(seconds=seconds, step_s=step_s, exam_s=exam_s, pairs=5000, batch=32, epochs=3, evaluations=3)

    assert made.steps >= 1
    assert made.steps % made.every == 0
    assert made.steps * step_s + made.steps // made.every * exam_s <= max(seconds, step_s + exam_s)
    assert made.steps <= 3 * math.ceil(5000 / 32)


def test_without_a_budget_the_epochs_decide() -> None:
    made = plan(seconds=math.inf, step_s=1.0, exam_s=9.0, pairs=960, batch=32, epochs=2, evaluations=3)

    assert (made.steps, made.every) == (60, 20)


def test_little_time_is_not_spent_on_validation() -> None:
    made = plan(seconds=60, step_s=1.0, exam_s=10.0, pairs=5000, batch=32, epochs=3, evaluations=3)

    assert made.steps == made.every == 50


def test_sizes_follow_the_measured_speed() -> None:
    clock = Clock(time.monotonic(), 600.0)

    assert exam_size(clock, texts_per_s=100) == 3600
    assert mining_size(clock, texts_per_s=100, wanted=10**6) == 9000
    assert mining_size(clock, texts_per_s=100, wanted=50) == 50
    assert mining_size(Clock.start(None), texts_per_s=1, wanted=10**6) == 10**6


def collection(count: int) -> Judged:
    """Each query shares one rare word with its answer, and one with a distractor that has its own number plus ``count``."""
    documents = [Document(f"d{row}", "", f"answer{row} text", {}) for row in range(count)]
    documents += [Document(f"x{row}", "", f"decoy{row} text", {}) for row in range(count)]
    documents += [Document(f"o{row}", "", "other matter", {}) for row in range(5 * count)]
    queries = tuple(Query(f"q{row}", f"answer{row} decoy{row}", {}) for row in range(count))
    return Judged("dev", tuple(documents), queries, {query.id: {f"d{query.id[1:]}": 1.0} for query in queries})


def test_a_cut_validation_holds_all_answers_and_what_is_near_them_in_words() -> None:
    exam = draw(collection(50), size=100, seed=1)

    assert len(exam.queries) == 50
    assert sorted(exam.identifiers) == sorted([f"d{row}" for row in range(50)] + [f"x{row}" for row in range(50)])
    assert draw(collection(50), size=100, seed=1).documents == exam.documents


def test_a_small_corpus_is_asked_whole() -> None:
    assert len(draw(collection(50), size=1000, seed=1).documents) == 350


def test_the_mark_is_ndcg_of_what_the_encoding_finds() -> None:
    import numpy as np

    exam = draw(collection(4), size=1000, seed=1)

    def encode(texts: object, role: Role) -> np.ndarray:
        """Words answer0 … answer3 are axes, so every answer is found; queries q2 and q3 are turned to wrong ones."""
        rows = np.zeros((len(texts), 5), dtype=np.float32)
        for row, text in enumerate(texts):
            number = int(text[6]) if text.startswith("answer") else 4
            rows[row, (number if role is Role.DOCUMENT or number < 2 else number ^ 1)] = 1
        return rows

    marks = exam.mark(encode)

    assert marks[:2].tolist() == [1, 1]
    assert (marks[2:] < 0.7).all()


FAULTS = ({"minutes": 0}, {"minutes": -1}, {"minutes": math.nan}, {"batch": 1}, {"epochs": 0}, {"rate": 0}, {"seed": -1})


@pytest.mark.parametrize("changed", FAULTS)
def test_settings_that_cannot_be_meant_are_refused(changed: dict[str, float], tmp_path: object) -> None:
    with pytest.raises(BadValue, match=next(iter(changed))):
        TrainSettings(**{"data": tmp_path, "base": "b", "out": tmp_path} | changed)
