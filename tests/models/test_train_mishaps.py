"""Whole runs in which something goes wrong: memory runs out, a name is wrong, another machine's mind is changed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from tiny_collection import SIGNS, WORDINGS, collection
from tiny_model import write_tiny_model
from transvase.core.errors import BadValue, EncoderFailed, TransvaseError, Unfit
from transvase.core.evaluation.exam import Exam
from transvase.core.space import Side, Space
from transvase.core.training import Rung, Trained, TrainSettings, train
from transvase.core.training.frozen.graft import graft_into
from transvase.core.training.tuning.collate import Collator

pytestmark = pytest.mark.model


def progress(what: str, done: int, total: int) -> None:
    """Nobody watches."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Sixteen documents, three training questions and one of validation about each."""
    return collection(tmp_path / "data", SIGNS, WORDINGS)


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Callable[..., Trained]:
    """One fine-tuning of a tiny model, with a few settings changed."""
    base = write_tiny_model(tmp_path / "base")
    guard = collection(tmp_path / "guard", [f"{one}{two}" for one in SIGNS[:8] for two in SIGNS[:8]], {"dev": ("{}",)})

    def run(**changed: object) -> Trained:
        usual = {
            "data": data,
            "base": str(base),
            "guard": guard,
            "out": tmp_path / "tuned",
            "rungs": (Rung.TUNE,),
            "replay": None,
        }
        return train(
            TrainSettings(**usual | {"epochs": 2, "batch": 16, "train_length": 8, "rate": 1e-2} | changed), progress=progress
        )

    return run


@pytest.mark.parametrize("lora", [0, 2])
def test_memory_that_runs_out_halves_the_batch_and_the_run_goes_on(
    run: Callable[..., Trained], monkeypatch: pytest.MonkeyPatch, lora: int
) -> None:
    collate, sizes = Collator.__call__, []

    def short(self: Collator, rows: list[dict[str, int]]) -> dict[str, object]:
        sizes.append(len({int(self.table.rows[row["row"], 1]) for row in rows}))
        if sizes[-1] > 4:
            raise RuntimeError("[enforce fail at alloc_cpu.cpp:127] DefaultCPUAllocator: can't allocate memory: 4096 bytes")
        return collate(self, rows)

    monkeypatch.setattr(Collator, "__call__", short)
    trained = run(lora=lora)

    assert [note for note in trained.notes if "out of memory" in note] == [
        "out of memory: fine-tune began again with batches of 8",
        "out of memory: fine-tune began again with batches of 4",
    ]
    assert 0 < max(size for size in sizes if size <= 4) <= 4
    assert trained.facts["fine-tune steps"] == 2 * 16 / 4
    assert "out of memory" in (trained.out / "README.md").read_text(encoding="utf-8")


def no_room(model: object, *, most: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """More than ``most`` texts encoded at a time do not fit; the sizes that were tried."""
    encode, sizes = type(model).encode, []

    def short(self: object, *given: object, batch_size: int = 32, **told: object) -> object:
        sizes.append(batch_size)
        if batch_size > most:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return encode(self, *given, batch_size=batch_size, **told)

    monkeypatch.setattr(type(model), "encode", short)
    return sizes


@pytest.fixture
def library_model(tmp_path: Path) -> object:
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(write_tiny_model(tmp_path / "any")), device="cpu")


def test_memory_that_runs_out_in_encoding_halves_what_is_encoded_and_not_what_is_trained(
    run: Callable[..., Trained], library_model: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes = no_room(library_model, most=4, monkeypatch=monkeypatch)
    trained = run()

    assert [note for note in trained.notes if "out of memory" in note] == [
        "out of memory in encoding: texts were encoded 4 at a time"
    ]
    assert trained.facts["fine-tune batch"] == 16
    assert sizes[:4] == [32, 16, 8, 4]
    assert set(sizes[4:]) == {4}  # known for the rest of the run
    assert "4 at a time" in (trained.out / "README.md").read_text(encoding="utf-8")


def test_memory_that_runs_out_with_one_text_is_told_as_what_it_is(
    run: Callable[..., Trained], library_model: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    no_room(library_model, most=0, monkeypatch=monkeypatch)
    with pytest.raises(EncoderFailed, match=r"out of memory even with 1 at a time; .*max_seq_length"):
        run()


def test_an_encoding_that_breaks_is_told_with_the_name_of_the_model(
    run: Callable[..., Trained], library_model: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(type(library_model), "encode", lambda *_, **__: 1 / 0)
    with pytest.raises(EncoderFailed, match="base: encoding failed"):
        run()


def test_memory_that_runs_out_in_a_validation_does_not_begin_the_training_again(
    run: Callable[..., Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    mark, collate, asked, batches = Exam.mark, Collator.__call__, [], []

    def short(self: Exam, vectors: Callable[..., object]) -> object:
        asked.append(self)
        if batches:
            raise MemoryError("Unable to allocate 9.5 GiB for an array")
        return mark(self, vectors)

    def counted(self: Collator, rows: list[dict[str, int]]) -> dict[str, object]:
        batches.append(len(rows))
        return collate(self, rows)

    monkeypatch.setattr(Exam, "mark", short)
    monkeypatch.setattr(Collator, "__call__", counted)
    with pytest.raises(EncoderFailed, match="out of memory in its validation"):
        run(epochs=1, evaluations=1)
    assert len(batches) <= 4  # one pass over 16 answers, with what the loader had prepared


@pytest.mark.parametrize(
    ("fault", "said"),
    [({"teacher": "gone"}, "there is no teacher"), ({"replay": "gone"}, "gone"), ({"guard": "gone"}, "gone")],
)
def test_a_wrong_name_is_told_before_anything_is_trained(
    run: Callable[..., Trained], tmp_path: Path, fault: dict[str, str], said: str
) -> None:
    with pytest.raises(TransvaseError, match=said) as caught:
        run(**{name: tmp_path / value for name, value in fault.items()})

    assert caught.value.status == 2
    assert not (tmp_path / "tuned").exists()
    assert not (tmp_path / "runs").exists()


def test_a_run_that_goes_on_computes_as_it_began(
    run: Callable[..., Trained], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transvase.core.training.weights.learner.bf16_pays", lambda _: False)
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(Collator, "__call__", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run()
    monkeypatch.setattr("transvase.core.training.weights.learner.bf16_pays", lambda _: True)
    resumed = run()
    assert resumed.facts["resumed"] is True
    assert resumed.facts["bf16"] is False


def test_one_answer_to_everything_is_refused(run: Callable[..., Trained], data: Path, tmp_path: Path) -> None:
    path = data / "qrels" / "train.tsv"
    first, *rows = path.read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join([first, *(f"{row.split(chr(9))[0]}\td0\t1" for row in rows)]) + "\n", encoding="utf-8")

    with pytest.raises(BadValue, match="the one answer d0"):
        run()
    assert not (tmp_path / "tuned").exists()
    assert not (tmp_path / "runs").exists()


def names(place: Path) -> list[str]:
    """What lies beside the model, and the model."""
    return sorted(path.name for path in place.glob("*tuned*"))


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was trained is taken, however much it gained."""
    monkeypatch.setattr("transvase.core.training.trainer.choose", lambda _, tried, **__: tried[-1])


@pytest.mark.usefixtures("taken")
def test_a_kill_between_the_cuts_and_the_model_is_mended_by_the_same_command(
    run: Callable[..., Trained], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.rename

    def killed(self: Path, target: Path) -> Path:
        if target.name == "tuned":
            raise KeyboardInterrupt
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", killed)
        with pytest.raises(KeyboardInterrupt):
            run(matryoshka=(8, 4))
    assert names(tmp_path) == ["tuned-4", "tuned-8"]
    trained = run(matryoshka=(8, 4))

    assert trained.facts["resumed"]
    assert names(tmp_path) == ["tuned", "tuned-4", "tuned-8"]


@pytest.mark.usefixtures("taken")
def test_a_cut_that_cannot_be_written_leaves_neither_cuts_nor_model(
    run: Callable[..., Trained], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(place: Path, base: str, *, matrix: NDArray[np.float32], side: Side) -> Space:
        if matrix.shape[1] == 4:
            raise Unfit("the disk is full", remedy="free it")
        return graft_into(place, base, matrix=matrix, side=side)

    monkeypatch.setattr("transvase.core.training.dimensions.graft_into", full)
    with pytest.raises(Unfit, match="full"):
        run(matryoshka=(8, 4))

    assert names(tmp_path) == []


def test_a_directory_in_the_place_of_a_cut_is_left_alone(run: Callable[..., Trained], tmp_path: Path) -> None:
    (tmp_path / "tuned-8").mkdir()
    with pytest.raises(BadValue, match="remove it first"):
        run(matryoshka=(8, 4))

    assert names(tmp_path) == ["tuned-8"]
    assert not list((tmp_path / "runs").iterdir())
