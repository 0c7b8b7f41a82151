"""A run's directory: what was measured when a run began holds for every process that goes on with it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

from transvase.core.training.ladder import Rung
from transvase.core.training.records.rundir import RunDirectory, open_run
from transvase.core.training.settings import TrainSettings
from transvase.core.training.tuning.tune import batch_of


def opened(place: Path) -> RunDirectory:
    return open_run(TrainSettings(data=place / "data", base="base", out=place / "out"), space="a space")


def test_a_run_that_goes_on_keeps_what_its_first_process_measured(tmp_path: Path) -> None:
    assert opened(tmp_path).decided("bf16-cpu", measure=lambda: True)

    again = opened(tmp_path)
    assert again.resumed
    assert again.decided("bf16-cpu", measure=lambda: False)
    assert not again.decided("bf16-cuda", measure=lambda: False)


def test_a_speed_is_kept_so_that_the_exam_stays_the_same(tmp_path: Path) -> None:
    assert opened(tmp_path).decided("texts-per-s", measure=lambda: 12.5) == 12.5
    assert opened(tmp_path).decided("texts-per-s", measure=lambda: 99.0) == 12.5


def test_a_new_run_decides_anew(tmp_path: Path) -> None:
    run = opened(tmp_path)
    run.decided("bf16-cpu", measure=lambda: True)
    run.close()

    assert not opened(tmp_path).decided("bf16-cpu", measure=lambda: False)


def test_a_decision_that_a_kill_cut_short_is_made_again(tmp_path: Path) -> None:
    run = opened(tmp_path)
    (run.stages / "bf16-cpu.json").write_text("tr")

    assert not run.decided("bf16-cpu", measure=lambda: False)
    assert not opened(tmp_path).decided("bf16-cpu", measure=lambda: True)


def test_a_run_that_goes_on_with_less_time_keeps_its_batches_and_so_finds_what_it_finished(tmp_path: Path) -> None:
    """The weights of a fine-tuning lie under the number of its batch."""

    def batch(seconds: float) -> int:
        settings = SimpleNamespace(batch=None)
        shop = SimpleNamespace(settings=settings, run=opened(tmp_path), answers_in=lambda given, asked: 100 * given / asked)
        return batch_of(shop, Rung.TUNE, 24_000, asked=1.0, seconds=seconds)

    assert batch(600.0) == 64
    assert batch(1.0) == 64


def test_what_is_known_is_not_measured_again(tmp_path: Path) -> None:
    asked = []

    def measure() -> float:
        asked.append(1)
        return 12.5

    for _ in range(2):
        opened(tmp_path).decided("texts-per-s", measure=measure)

    assert len(asked) == 1


def test_another_teacher_or_another_guard_of_the_same_name_is_another_run(tmp_path: Path) -> None:
    """Nor are the test judgments of the data part of it: nobody opens them."""

    def place(content: str, *, split: str, data: str = "") -> Path:
        for name in ("guard/qrels", "teacher/1_Dense", "data/qrels"):
            (tmp_path / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / "guard" / "qrels" / f"{split}.tsv").write_text(content)
        (tmp_path / "teacher" / "1_Dense" / "model.safetensors").write_text("teacher")
        (tmp_path / "data" / "qrels" / "test.tsv").write_text(data)
        named = {name: tmp_path / name for name in ("data", "guard", "teacher", "out")}
        return open_run(TrainSettings(base="base", **named), space="a space").path

    first = place("one", split="test")
    assert place("one", split="test", data="judged anew") == first
    assert place("two", split="test") != first
    place("dev", split="dev")
    assert place("three", split="test") == place("four", split="test"), "a guard with a dev split is asked by that"
    before = place("four", split="test")
    (tmp_path / "teacher" / "1_Dense" / "more.safetensors").write_text("another teacher")
    assert place("four", split="test") != before
