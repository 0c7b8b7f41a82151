"""The collapse alarm sounds for what has collapsed and for nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from transvase.core.training.weights.collapse import alarm, spread


def cloud(seed: int, *, pull: float = 0.0, directions: int = 64) -> np.ndarray:
    """Rows around one direction, the more so the more ``pull``, spread in so many directions."""
    rng = np.random.default_rng(seed)
    rows = np.zeros((300, 64), dtype=np.float32)
    rows[:, :directions] = rng.standard_normal((300, directions))
    rows[:, 0] += pull
    return rows


def test_the_figures_are_those_of_known_shapes() -> None:
    one = spread(np.ones((10, 4), dtype=np.float32))
    axes = spread(np.eye(8, dtype=np.float32))

    assert (one.mean_cosine, one.effective_rank) == pytest.approx((1, 1))
    assert (axes.mean_cosine, axes.effective_rank) == pytest.approx((0, 8))


def test_everything_in_one_direction_is_a_collapse() -> None:
    assert "mean cosine" in alarm(spread(cloud(1, pull=8)), spread(cloud(2, pull=200)))


def test_everything_in_few_directions_is_a_collapse() -> None:
    assert "directions" in alarm(spread(cloud(1)), spread(cloud(2, directions=6)))


def test_vectors_that_are_not_numbers_are_a_collapse() -> None:
    assert alarm(spread(cloud(1)), spread(np.full((300, 64), np.nan, dtype=np.float32)))


@pytest.mark.parametrize("pull", [0, 2, 8])
def test_an_ordinary_change_is_none(pull: float) -> None:
    assert alarm(spread(cloud(1, pull=pull)), spread(cloud(2, pull=1.5 * pull))) == ""
