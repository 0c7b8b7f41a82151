"""The paired comparison beside scipy's own resampling, which takes a second to load and another to run."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from transvase.core.evaluation import compare


def test_interval_and_p_value_are_those_of_scipy() -> None:
    rng = np.random.default_rng(2)
    first, second = rng.random(60), rng.random(60) + 0.08
    found = compare(first, second, metric="ndcg@10", families=None)
    differences = second - first
    interval = stats.bootstrap((differences,), np.mean, method="percentile", n_resamples=10_000, rng=3).confidence_interval
    p_value = stats.permutation_test((second, first), lambda a, b: np.mean(a - b), permutation_type="samples", rng=3).pvalue

    assert (found.ci_low, found.ci_high) == pytest.approx((interval.low, interval.high), abs=0.006)
    assert found.p_value == pytest.approx(p_value, abs=0.02)
