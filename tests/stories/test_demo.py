"""The demo itself, small: a real Postgres, a real model, readers and writers in a process of their own, every move made."""

from __future__ import annotations

from pathlib import Path

import pytest
from transvase.cli.demo.outcome import Outcome
from transvase.cli.demo.schooling import Schooled
from transvase.cli.demo.story import Settings, tell
from transvase.core.errors import BadValue
from transvase.core.ports import Progress

pytestmark = [pytest.mark.story, pytest.mark.model]


def stir(data: Path, out: Path, *, base: str, minutes: float, seed: int, progress: Progress) -> Schooled:
    """A Teacher that costs nothing: the base with its weights stirred a little is another Space, and not a better one."""
    import torch
    from transvase.core.encoders import directory_of
    from transvase.core.encoders.torch import load_model

    model = load_model(directory_of(base))
    torch.manual_seed(seed)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.ndim > 1:
                weight.add_(0.4 * weight.std() * torch.randn_like(weight))
    model.save_pretrained(str(out), create_model_card=False)
    return Schooled(pairs=0, seconds=0.0)


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    """One run with as little of everything as shows all of it."""
    settings = Settings(records=120, ordinary_s=2.0, dwell_s=1.0)
    return tell(settings, progress=lambda *_: None, teacher=stir)


def test_nothing_went_wrong_and_everything_was_looked_at(outcome: Outcome) -> None:
    found = outcome.as_json()

    assert found["problems"] == []
    assert [found[fault] for fault in ("errors", "stale", "lost", "mixed")] == [0, 0, 0, 0]
    assert outcome.sound
    assert outcome.survey.rows > 90
    assert outcome.after_rollback.rows > 90
    assert outcome.survey.least_cosine > 0.999


def test_every_move_was_made_while_the_application_worked(outcome: Outcome) -> None:
    assert [span.name for span in outcome.spans if not span.name.startswith("prove")] == [
        "open",
        "fill",
        "cutover",
        "rollback",
        "cutover again",
        "retire",
    ]
    assert len(outcome.switches_ms) == 3
    assert min(len(outcome.during([kind])) for kind in ("retriever", "sql", "writer")) > 10
    assert outcome.records >= 90


def test_both_spaces_answered_and_a_mix_would_have_shown(outcome: Outcome) -> None:
    assert outcome.mixing.hits > 500
    assert outcome.mixing.told_apart > 0.9
    assert outcome.mixing.furthest <= outcome.mixing.tolerance


def test_the_database_refused_the_old_space(outcome: Outcome) -> None:
    """The readers by SQL were refused at each of the three switches and went on; the stranger was refused for good."""
    assert "22000" in outcome.stranger
    assert "different vector dimensions 385 and 384" in outcome.stranger
    assert len(outcome.refusals) == 6


def test_a_model_that_was_not_trained_is_not_shown_as_better(outcome: Outcome) -> None:
    assert outcome.quality.queries >= 10
    assert outcome.quality.comparison.ci_low <= 0


def test_a_directory_in_use_is_not_worked_in(tmp_path: Path) -> None:
    (tmp_path / "something").touch()

    with pytest.raises(BadValue, match="name a directory that does not exist yet, or an empty one"):
        tell(Settings(keep=tmp_path), progress=lambda *_: None, teacher=stir)
