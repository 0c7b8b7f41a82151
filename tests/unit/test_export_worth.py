"""What a variant costs in answers, and when that is too much."""

from __future__ import annotations

import pytest
from costless import HashEncoder
from transvase.core.errors import BadValue, Unfit
from transvase.core.evaluation.exam import Exam
from transvase.core.export.trial import draw_trial
from transvase.core.export.worth import hold, worth

TEXTS = tuple(f"record {number}" for number in range(40))
EXAM = Exam(TEXTS, TEXTS, tuple(map(str, range(40))), tuple({str(number): 1.0} for number in range(40)), TEXTS)


class Forgetful(HashEncoder):
    """Finds nothing: a query's vector is that of another text."""

    def encode(self, texts, role):  # type: ignore[no-untyped-def]
        return super().encode([text + ("?" if role == "query" else "") for text in texts], role)


def quiet(what: str, done: int, total: int) -> None:
    assert done <= total or not total


def test_a_variant_that_answers_alike_loses_nothing() -> None:
    found = worth(EXAM, HashEncoder(), HashEncoder(), asked_of="records", progress=quiet)
    assert found.overlap == 1.0
    assert found.ndcg == 1.0
    assert found.change.difference == 0.0
    hold(found, most_loss=0.0)


def test_a_variant_that_loses_more_than_is_allowed_is_refused() -> None:
    found = worth(EXAM, HashEncoder(), Forgetful(seed=0), asked_of="records", progress=quiet)
    assert found.change.difference < -0.5
    with pytest.raises(Unfit, match=r"may lose 0\.01"):
        hold(found, most_loss=0.01)
    hold(found, most_loss=1.0)


def test_a_variant_in_a_space_of_its_own_is_ranked_in_it() -> None:
    """Both are asked with their own queries: answers are compared, never vectors of two Spaces."""
    found = worth(EXAM, HashEncoder(seed=1), HashEncoder(seed=2), asked_of="records", progress=quiet)
    assert found.change.difference == 0.0
    assert found.overlap < 1.0


@pytest.mark.parametrize("bound", [-0.1, 1.5, float("nan")])
def test_a_bound_that_is_no_share_is_refused(bound: float) -> None:
    with pytest.raises(BadValue, match="between 0 and 1"):
        draw_trial(None, split="dev", most_loss=bound)
