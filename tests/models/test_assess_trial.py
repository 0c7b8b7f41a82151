"""The trial run of ``assess``: real training of a tiny model, measured on queries that had no part in it."""

from __future__ import annotations

from pathlib import Path

import planted
import pytest
from tiny_model import write_tiny_model
from transvase.core.assessment.survey import surveyed
from transvase.core.assessment.trial import Trial, trial
from transvase.core.encoders import load
from transvase.core.evaluation.judged import read

pytestmark = pytest.mark.model


def silent(what: str, done: int, total: int) -> None:
    """Nobody watches."""


def test_a_trial_tunes_a_real_model_and_measures_it_on_queries_it_never_saw(tmp_path: Path) -> None:
    base = str(write_tiny_model(tmp_path / "tiny"))
    collection = planted.plain(tmp_path / "c", count=80)
    survey = surveyed(collection, load(base), split=None, seed=1, progress=silent)
    found = trial(collection, base, survey=survey, minutes=0.5, seed=1, progress=silent)
    assert isinstance(found, Trial)
    assert found.gain.low <= found.gain.mean <= found.gain.high
    assert found.documents == len(survey.data.documents)
    assert not {query.id for query in survey.lesson.queries} & {query.id for query in read(collection, split="dev").queries}
    assert not list(tmp_path.glob("*assess*"))


def test_an_encoder_that_cannot_be_tuned_is_said_and_ends_nothing(tmp_path: Path) -> None:
    collection = planted.plain(tmp_path / "c", count=80)
    survey = surveyed(collection, planted.WordEncoder(), split=None, seed=1, progress=silent)
    found = trial(collection, str(tmp_path / "no-model"), survey=survey, minutes=0.5, seed=1, progress=silent)
    assert isinstance(found, str)
    assert "no trial run was possible" in found
