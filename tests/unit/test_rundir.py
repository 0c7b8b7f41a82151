"""A run's directory: what was measured when a run began holds for every process that goes on with it."""

from __future__ import annotations

from pathlib import Path

from transvase.core.training.records.rundir import RunDirectory, open_run
from transvase.core.training.settings import TrainSettings


def opened(place: Path) -> RunDirectory:
    return open_run(TrainSettings(data=place / "data", base="base", out=place / "out"), space="a space")


def test_a_run_that_goes_on_keeps_what_its_first_process_measured(tmp_path: Path) -> None:
    assert opened(tmp_path).decided("bf16-cpu", measured=True)

    again = opened(tmp_path)
    assert again.resumed
    assert again.decided("bf16-cpu", measured=False)
    assert not again.decided("bf16-cuda", measured=False)


def test_a_speed_is_kept_so_that_the_exam_stays_the_same(tmp_path: Path) -> None:
    assert opened(tmp_path).decided("texts-per-s", measured=12.5) == 12.5
    assert opened(tmp_path).decided("texts-per-s", measured=99.0) == 12.5


def test_a_new_run_decides_anew(tmp_path: Path) -> None:
    run = opened(tmp_path)
    run.decided("bf16-cpu", measured=True)
    run.close()

    assert not opened(tmp_path).decided("bf16-cpu", measured=False)


def test_a_decision_that_a_kill_cut_short_is_made_again(tmp_path: Path) -> None:
    run = opened(tmp_path)
    (run.stages / "bf16-cpu.json").write_text("tr")

    assert not run.decided("bf16-cpu", measured=False)
    assert not opened(tmp_path).decided("bf16-cpu", measured=True)
