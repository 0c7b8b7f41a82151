"""Two processes on one run, as torchrun starts them, when one of the two breaks: neither is left waiting."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from tiny_collection import SIGNS, WORDINGS, collection
from tiny_model import write_tiny_model
from transvase.core.errors import BadValue
from transvase.core.training.tuning import ranks

pytestmark = pytest.mark.model

PROGRAM = """
import json, os, pathlib, sys
from transvase.core.training import Rung, TrainSettings, train
from transvase.core.training.tuning import course
from transvase.core.training.tuning.collate import Collator

collate, write, own = Collator.__call__, course.write_weights, os.environ["RANK"]
place = pathlib.Path(sys.argv[1])

def plant(fault):
    def collated(self, rows):
        if fault == "memory " + own and len({int(self.table.rows[row["row"], 1]) for row in rows}) > 4:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        if fault == "defect " + own:
            raise ZeroDivisionError("planted")
        return collate(self, rows)

    def written(weights, path):
        if fault == "disk 0" and path.name == course.BEST:
            raise OSError(28, "No space left on device")
        write(weights, path)

    Collator.__call__, course.write_weights = collated, written

for fault in ("memory 0", "memory 1", "disk 0", "defect 1", "none"):
    plant(fault)
    settings = TrainSettings(data=place / "data", base=str(place / "base"), out=place / fault.replace(" ", "-"), epochs=1,
        batch=8, train_length=8, rungs=(Rung.TUNE,), replay=None, negatives=0, crops=0, guard=place / "guard", device="cpu")
    try:
        trained = train(settings, progress=lambda *_: None)
        said = [note for note in trained.notes if "memory" in note]
    except Exception as error:
        said = [type(error).__name__, str(error)]
    (place / f"{fault} heard by {own}.json").write_text(json.dumps(said))
"""


@pytest.fixture(scope="module")
def heard(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """What each of two processes got from five runs one after the other."""
    place = tmp_path_factory.mktemp("ranks")
    write_tiny_model(place / "base")
    collection(place / "data", SIGNS, WORDINGS)
    collection(place / "guard", [f"{one}{two}" for one in SIGNS[:8] for two in SIGNS[:8]], {"dev": ("{}",)})
    (place / "program.py").write_text(PROGRAM, encoding="utf-8")
    start = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone"]
    ended = subprocess.run(
        [*start, str(place / "program.py"), str(place)],
        env=os.environ | {"HF_HUB_OFFLINE": "1"},
        check=False,
        capture_output=True,
        text=True,
        timeout=500,
    )
    assert ended.returncode == 0, ended.stderr[-3000:]
    return {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in place.glob("*heard*.json")}


@pytest.mark.parametrize("who", [0, 1])
def test_memory_that_runs_out_in_one_of_two_processes_halves_the_batch_of_both(heard: dict[str, list[str]], who: int) -> None:
    note = ["out of memory: fine-tune began again with batches of 4"]
    assert [heard[f"memory {who} heard by {process}"] for process in (0, 1)] == [note, note]


def test_a_disk_that_is_full_in_the_first_process_ends_both(heard: dict[str, list[str]]) -> None:
    assert heard["disk 0 heard by 0"] == ["OSError", "[Errno 28] No space left on device"]
    assert heard["disk 0 heard by 1"] == ["WorldFailed", "[Errno 28] No space left on device"]


def test_what_breaks_in_another_process_is_told_by_the_first(heard: dict[str, list[str]]) -> None:
    for process in (0, 1):
        assert "process 1 of 2 broke (ZeroDivisionError: planted)" in heard[f"defect 1 heard by {process}"][1]


def test_after_all_that_the_same_two_processes_train_another_model(heard: dict[str, list[str]]) -> None:
    assert heard["none heard by 0"] == heard["none heard by 1"] == []


def test_a_card_that_is_not_there_is_refused_before_the_processes_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(BadValue, match="torch sees 0 such cards"):
        ranks.join("cuda")


def test_an_environment_that_says_no_number_of_processes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "x")
    with pytest.raises(BadValue, match="a number is needed"):
        ranks.join(None)
