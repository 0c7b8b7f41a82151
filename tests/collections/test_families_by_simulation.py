"""How often comparisons and gates see a difference that is not there, over many planted sets of queries in families."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from transvase.core.assessment.intervals import interval
from transvase.core.evaluation import compare
from transvase.core.training.ladder import ahead


def alike(rng: np.random.Generator, sizes: Sequence[int]) -> tuple[np.ndarray, list[str]]:
    """Differences without any on the mean, of queries whose families are answered much alike; and the families."""
    shared = np.repeat(rng.normal(0, 0.1, len(sizes)), sizes)
    return shared + rng.normal(0, 0.05, len(shared)), [f"f{row}" for row, size in enumerate(sizes) for _ in range(size)]


@pytest.mark.parametrize("sizes", [(6,) * 30, (1,) * 40 + (2, 3, 5, 8) * 10, (20,) * 3], ids=["even", "uneven", "three"])
def test_families_that_are_answered_alike_raise_no_more_false_alarms_than_single_queries(sizes: tuple[int, ...]) -> None:
    """At 95 %, one of twenty intervals lies beside no difference; drawn query by query it is one of three."""
    rng, alarms, assessed_alarms, low_p, naive = np.random.default_rng(8), 0, 0, 0, 0
    for seed in range(300):
        found, families = alike(rng, sizes)
        none = np.zeros(len(found))
        by_family = compare(none, found, metric="m", families=families, seed=seed, rounds=400)
        by_query = compare(none, found, metric="m", families=None, seed=seed, rounds=400)
        alarms += by_family.ci_low > 0 or by_family.ci_high < 0
        low_p += by_family.p_value < 0.05
        naive += by_query.ci_low > 0 or by_query.ci_high < 0
        assessed = interval(found, families, seed=seed)
        assessed_alarms += assessed.low > 0 or assessed.high < 0

    assert alarms <= 26
    assert assessed_alarms <= 26
    assert low_p <= 26
    assert naive >= 75


def test_one_standard_error_is_one_of_families() -> None:
    """By one standard error chance is ahead in 16 of 100; by that of single queries it would be in a third."""
    rng, by_family, by_query = np.random.default_rng(3), 0, 0
    for _ in range(400):
        found, families = alike(rng, (6,) * 60)
        by_family += ahead(found, np.zeros(len(found)), families=families)
        by_query += ahead(found, np.zeros(len(found)), families=None)

    assert 40 <= by_family <= 88
    assert by_query >= 110
