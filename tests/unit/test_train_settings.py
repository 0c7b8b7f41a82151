"""Settings that contradict each other are refused before anything is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from transvase.core.errors import BadValue
from transvase.core.training.ladder import Rung
from transvase.core.training.settings import TrainSettings

PLACES = {"data": Path("data"), "base": "base", "out": Path("out")}


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"rungs": (Rung.SECOND,)}, "name both"),
        ({"rungs": ()}, "at least one"),
        ({"teacher": Path("teacher"), "negatives": 0}, "at least one"),
        ({"teacher": Path("teacher"), "loss": "triplet"}, "no other documents"),
        ({"guided": 0.1, "loss": "triplet"}, "no other documents"),
        ({"loss": "triplet", "negatives": 2}, "exactly one"),
        ({"guided": 1.5}, "between -1 and 1"),
        ({"minutes": 0.0}, "above 0"),
        ({"minutes": float("nan")}, "above 0"),
        ({"rate": float("nan")}, "choose a value"),
        ({"batch": 1}, "choose a value"),
        ({"matryoshka": (0,)}, "above 0"),
        ({"device": "tpu"}, "choose cpu"),
        ({"device": "cuda:"}, "choose cpu"),
    ],
)
def test_what_cannot_be_meant_is_refused(told: dict[str, object], said: str) -> None:
    with pytest.raises(BadValue, match=said) as caught:
        TrainSettings(**PLACES | told)
    assert caught.value.status == 2


def test_the_rungs_below_a_second_pass_can_be_left_out_but_for_the_first_pass() -> None:
    assert TrainSettings(**PLACES, rungs=(Rung.TUNE, Rung.SECOND)).rungs == (Rung.TUNE, Rung.SECOND)
