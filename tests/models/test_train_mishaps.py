"""Whole runs in which something goes wrong: memory runs out, a name is wrong, another machine's mind is changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from tiny_model import write_tiny_model
from transvase.core.errors import BadValue, TransvaseError
from transvase.core.training import Rung, Trained, TrainSettings, train
from transvase.core.training.tuning.collate import Collator

pytestmark = pytest.mark.model

SIGNS = "0123456789klmnop"
WORDINGS = {"train": ("{} valve", "valve {}", "{} invoice"), "dev": ("boiler {}",)}


def progress(what: str, done: int, total: int) -> None:
    """Nobody watches."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Sixteen documents, three training questions and one of validation about each."""
    return collection(tmp_path / "data", SIGNS, WORDINGS)


def collection(data: Path, signs: Sequence[str], asked: Mapping[str, Sequence[str]]) -> Path:
    (data / "qrels").mkdir(parents=True)
    lines = [json.dumps({"_id": f"d{row}", "text": f"boiler {sign}"}) for row, sign in enumerate(signs)]
    (data / "corpus.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    queries = []
    for split, wordings in asked.items():
        judged = ["query-id\tcorpus-id\tscore"]
        for number, wording in enumerate(wordings):
            for row, sign in enumerate(signs):
                name = f"{split}-{number}-{row}"
                queries.append({"_id": name, "text": wording.format(sign), "metadata": {"family": f"{split}-{number}"}})
                judged.append(f"{name}\td{row}\t1")
        (data / "qrels" / f"{split}.tsv").write_text("\n".join(judged) + "\n", encoding="utf-8")
    (data / "queries.jsonl").write_text("".join(json.dumps(query) + "\n" for query in queries), encoding="utf-8")
    return data


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
