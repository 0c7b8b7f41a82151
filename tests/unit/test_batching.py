"""Batches of like length, within a budget, given back in order."""

from __future__ import annotations

import random

import numpy as np
import pytest
from transvase.core.encoders.batching import batches, in_batches


@pytest.mark.parametrize("budget", [1, 7, 64, 100_000])
def test_every_text_is_in_exactly_one_batch_and_no_batch_of_several_exceeds_the_budget(budget: int) -> None:
    source = random.Random(budget)
    lengths = [source.randrange(0, 60) for _ in range(300)]
    made = list(batches(lengths, budget=budget))
    assert sorted(int(n) for batch in made for n in batch) == list(range(300))
    assert all(len(batch) == 1 or max(lengths[n] for n in batch) * len(batch) <= budget for batch in made)


def test_texts_of_like_length_lie_together() -> None:
    made = list(batches([1, 50, 2, 49], budget=100))
    assert [sorted(batch.tolist()) for batch in made] == [[1, 3], [0, 2]]


def test_rows_come_back_in_the_order_of_the_texts() -> None:
    lengths = [3, 1, 2, 9, 1, 40]
    matrix = in_batches(lengths, lambda at: np.array([[lengths[n], n] for n in at], np.float32), dimension=2, budget=10)
    assert matrix.tolist() == [[length, n] for n, length in enumerate(lengths)]


def test_no_texts_give_a_matrix_without_rows_and_run_nothing() -> None:
    def never(at: np.ndarray) -> np.ndarray:
        raise AssertionError(at)

    matrix = in_batches([], never, dimension=7)
    assert (matrix.shape, matrix.dtype) == ((0, 7), np.float32)
