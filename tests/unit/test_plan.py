"""Plans that keep within a budget, and validation drawn within it."""

from __future__ import annotations

import math
import time
from dataclasses import replace

import pytest
from transvase.core.errors import BadValue
from transvase.core.evaluation import Document, Judged, Query
from transvase.core.evaluation.exam import draw
from transvase.core.space import Role
from transvase.core.training import TrainSettings
from transvase.core.training.plan import Clock, Pace, batch_size, exam_size, guard_size


def test_without_a_budget_the_steps_say_how_far_a_course_has_come() -> None:
    pace = Pace(steps=60)

    assert [pace.look(step) for step in (0, 30, 60)] == [0, 0.5, 1]
    assert math.isinf(Clock.start(None).left)
    assert math.isinf(Clock.start(None).share(0.1))


def test_under_a_budget_the_time_says_it_where_it_is_further() -> None:
    """Half of the time has passed and a tenth of the steps: a machine that became slower still ends in time, at rate zero."""
    pace = Pace(steps=100, seconds=10.0, began=time.monotonic() - 5.0)

    assert pace.look(10) == pytest.approx(0.5, abs=0.01)
    assert pace.look(80) == 0.8
    assert Pace(steps=100, seconds=10.0, began=time.monotonic() - 11.0).look(1) == 1


def test_what_is_paused_takes_no_time_of_the_course() -> None:
    pace = Pace(steps=1000, seconds=10.0, began=time.monotonic() - 2.0)
    with pace.pausing():
        pace.began -= 3.0  # as if the pause had taken three seconds
        pace.paused += 3.0

    assert pace.look(0) == pytest.approx(0.2, abs=0.01)


def test_the_rate_rises_in_a_tenth_and_falls_to_zero() -> None:
    pace = Pace(steps=100)
    rates = [pace.rate(step) for step in range(101)]

    assert rates[0] == pytest.approx(0.1)
    assert max(rates) == rates[10] == 1
    assert rates[10:] == sorted(rates[10:], reverse=True)
    assert rates[100] == 0
    pace.share = 0.9  # time has run ahead of the steps
    assert pace.rate(20) == pytest.approx(rates[90])


def test_a_guard_is_as_large_as_the_time_allows() -> None:
    assert guard_size(Clock(time.monotonic(), 100.0), texts_per_s=50, crowd=4) == 20
    assert guard_size(Clock.start(None), texts_per_s=50, crowd=4) == 300


def test_a_batch_is_large_only_where_that_leaves_updates_enough() -> None:
    assert batch_size(8_000) == 64
    assert batch_size(1_919) == 32
    assert batch_size(100) == 32


def test_sizes_follow_the_measured_speed() -> None:
    clock = Clock(time.monotonic(), 600.0)

    assert exam_size(clock, texts_per_s=100) == 1500
    assert clock.share(0.5) == 300


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


def test_an_exam_knows_which_of_its_queries_are_of_one_family() -> None:
    """Also where it is a draw: two that are asked in the same words stay one, whatever stands between them."""
    whole = collection(60)
    asked = tuple(replace(query, metadata={"family": row // 2}) for row, query in enumerate(whole.queries))
    exam = draw(replace(whole, queries=asked), size=40, seed=1)
    family_of = {query.text: row // 2 for row, query in enumerate(whole.queries)}

    assert len(exam.families) == len(exam.queries) == 20
    for one, first in zip(exam.queries, exam.families, strict=True):
        for other, second in zip(exam.queries, exam.families, strict=True):
            assert (first == second) == (family_of[one] == family_of[other])


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


FAULTS = (
    {"loss": "cosine"}, {"rungs": ()}, {"matryoshka": (0,)}, {"guided": 3}, {"lora": -1}, {"replay_share": 0},
    {"loss": "triplet", "negatives": 2},
    {"minutes": 0}, {"minutes": -1}, {"minutes": math.nan}, {"batch": 1}, {"epochs": 0}, {"rate": 0}, {"seed": -1},
)  # fmt: skip


@pytest.mark.parametrize("changed", FAULTS)
def test_settings_that_cannot_be_meant_are_refused(changed: dict[str, float], tmp_path: object) -> None:
    with pytest.raises(BadValue, match=list(changed)[-1]):
        TrainSettings(**{"data": tmp_path, "base": "b", "out": tmp_path} | changed)
