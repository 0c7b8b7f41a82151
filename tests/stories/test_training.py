"""Training runs from files to files: what is written, what is never read, and what is left behind when one dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest
from tiny_model import write_tiny_model
from transvase.cli.main import main
from transvase.core.encoders import load, space_of
from transvase.core.errors import BadValue, TransvaseError, UnknownName
from transvase.core.evaluation import evaluate, read
from transvase.core.training import Trained, TrainSettings, train

pytestmark = pytest.mark.model

PROMPTS = {"query": "query: ", "document": "passage: "}
HEADER = "query-id\tcorpus-id\tscore\n"
TOPICS = (
    "payroll runs", "invoice archive", "login tokens", "image resizing", "search ranking", "mail delivery", "backup rotation",
    "rate limiting", "audit trail", "video streaming", "tax reports", "shipping labels", "password resets", "chat history",
    "sensor readings", "map tiles", "coupon codes", "speech captions", "fraud scores", "calendar sync",
)  # fmt: skip
NAMES = (
    "Zorblat", "Quindle", "Mervox", "Tabrix", "Yolmer", "Pexwick", "Haldron", "Vintar", "Osbeck", "Crundle",
    "Jaxor", "Lumdin", "Farquil", "Wendrick", "Biltho", "Noxley", "Dremmel", "Kastoria", "Sundrow", "Ebrix",
)  # fmt: skip
ASKED = {
    "train": ("who owns {}", "outage of {} today", "deploy {} again", "cost of {} last month", "{} keeps failing", "logs of {}"),
    "dev": ("restart {} tonight", "what depends on {}"),
    "test": ("{} is slow", "new version of {}"),
}
SIGNS, LETTERS = "0123456789klmnop", "abcdefghijqrstuv"
ASKED_SHORT = {
    "train": ("{} valve", "valve {}", "{} invoice", "invoice {}", "{} valve invoice", "{} boiler"),
    "dev": ("boiler {}", "valve {} valve"),
    "test": ("{} valve boiler", "invoice {} valve"),
}


def progress(what: str, done: int, total: int) -> None:
    """Nobody watches."""


def write(data: Path, *, documents: Sequence[str], names: Sequence[str], asked: Mapping[str, Sequence[str]]) -> Path:
    """A collection in which each document has a name that stands in no document. Each wording of a question is a family."""
    (data / "qrels").mkdir(parents=True)
    queries = []
    for split, wordings in asked.items():
        judgments = []
        for number, wording in enumerate(wordings):
            for row, name in enumerate(names):
                query = f"{split}-{number}-{row}"
                text = wording.format(*[name] * wording.count("{}"))
                queries.append({"_id": query, "text": text, "metadata": {"family": f"{split}-{number}"}})
                judgments.append(f"{query}\td{row}\t1\n")
        (data / "qrels" / f"{split}.tsv").write_text(HEADER + "".join(judgments), encoding="utf-8")
    lines = [{"_id": f"d{row}", "text": text} for row, text in enumerate(documents)]
    (data / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    (data / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in queries), encoding="utf-8")
    return data


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    """What a model of sixteen dimensions can learn: which sign a letter stands for."""
    return write(tmp_path / "data", documents=[f"boiler {sign}" for sign in SIGNS], names=LETTERS, asked=ASKED_SHORT)


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return write_tiny_model(tmp_path / "base", prompts=PROMPTS)


@pytest.fixture
def run(collection: Path, base: Path, tmp_path: Path) -> Callable[..., Trained]:
    """Train the tiny model on the planted collection with a few settings changed."""

    def run(**changed: object) -> Trained:
        told = {"data": collection, "base": str(base), "out": tmp_path / "tuned", "epochs": 10, "batch": 16, "train_length": 8}
        return train(TrainSettings(**told | {"rate": 1e-2} | changed), progress=progress)

    return run


def test_what_was_trained_is_what_serves(run: Callable[..., Trained], base: Path, collection: Path) -> None:
    """Prompts, length and Space of the written model are the base's, the weights are not; sentence-transformers loads it."""
    (collection / "qrels" / "test.tsv").unlink()
    (collection / "qrels" / "test.tsv").mkdir()  # judgments of test are never opened, so this must not matter
    trained = run()
    before, after = space_of(str(base)), space_of(str(trained.out))

    assert trained.promote
    assert trained.best_ndcg > trained.base_ndcg
    assert after.id == trained.space == json.loads((trained.out / "space.json").read_text())["id"]
    assert (after.query_prompt, after.document_prompt, after.max_length) == ("query: ", "passage: ", 48)
    assert after.weights != before.weights
    assert (after.tokenizer, after.modules, after.pooling) == (before.tokenizer, before.modules, before.pooling)

    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(trained.out), device="cpu", local_files_only=True)
    assert (model.max_seq_length, model.prompts["query"], model.prompts["document"]) == (48, "query: ", "passage: ")


def test_nothing_that_was_taught_is_quoted_in_what_is_written(run: Callable[..., Trained], tmp_path: Path) -> None:
    trained = run()
    written = {path: path.read_text(encoding="utf-8") for path in trained.out.rglob("*") if path.suffix in (".md", ".json")}

    texts = [wording.format(*[letter] * wording.count("{}")) for wording in ASKED_SHORT["train"] for letter in LETTERS]

    assert {"README.md", "training.json", "space.json"} <= {path.name for path in written}
    for path, text in written.items():
        assert not [taught for taught in (*texts, *(f"boiler {sign}" for sign in SIGNS)) if taught in text], path
        assert str(tmp_path) not in text, path
    assert not list(trained.out.glob("**/*.pt"))
    assert [path.name for path in trained.out.parent.glob(".*")] == []


def test_the_papers_tell_settings_curve_and_gain(run: Callable[..., Trained]) -> None:
    trained = run(evaluations=2)
    papers = json.loads((trained.out / "training.json").read_text(encoding="utf-8"))

    assert papers["settings"]["base"] == "base"
    assert [point["step"] for point in papers["curve"]] == [0, 30, 60]
    assert papers["curve"][0]["loss"] is None
    assert papers["curve"][-1]["loss"] > 0
    assert papers["validation"]["best"] == max(point["ndcg"] for point in papers["curve"])
    assert papers["facts"]["pairs"] == 96
    assert papers["facts"]["exam_documents"] == 16
    assert trained.note in (trained.out / "README.md").read_text(encoding="utf-8")


def test_two_runs_give_the_same_weights(run: Callable[..., Trained], tmp_path: Path) -> None:
    spaces = {run(out=tmp_path / name).space for name in ("one", "two")}

    assert len(spaces) == 1
    assert run(out=tmp_path / "three", seed=2).space not in spaces


def test_where_nothing_beats_the_base_its_own_weights_are_returned(run: Callable[..., Trained], base: Path) -> None:
    trained = run(rate=1e-8)

    assert not trained.promote
    assert "Do not promote" in trained.note
    assert trained.best_step == 0
    assert trained.comparison.difference == 0
    assert trained.space == space_of(str(base)).id


def test_an_interrupted_run_leaves_nothing(run: Callable[..., Trained], collection: Path, base: Path, tmp_path: Path) -> None:
    def interrupted(what: str, done: int, total: int) -> None:
        if what == "train" and done == 2:
            raise KeyboardInterrupt

    settings = TrainSettings(data=collection, base=str(base), out=tmp_path / "tuned", batch=16)
    with pytest.raises(KeyboardInterrupt):
        train(settings, progress=interrupted)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "data"]


def test_a_killed_run_leaves_no_model_and_the_next_one_clears_up(
    run: Callable[..., Trained], collection: Path, base: Path, tmp_path: Path
) -> None:
    """The process kills itself while it trains: no directory has the name, and the next run removes what lies beside it."""
    told = f"data=Path({str(collection)!r}), base={str(base)!r}, out=Path({str(tmp_path / 'tuned')!r}), batch=16"
    code = f"""
import os, signal
from pathlib import Path
from transvase.core.training import train, TrainSettings
def progress(what, done, total):
    if what == "train" and done == 2:
        os.kill(os.getpid(), signal.SIGKILL)
train(TrainSettings({told}), progress=progress)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"HF_HUB_OFFLINE": "1"}, check=False, capture_output=True
    )

    assert ended.returncode == -signal.SIGKILL
    assert not (tmp_path / "tuned").exists()
    assert len(list(tmp_path.glob(".tuned.part-*"))) == 1

    assert run().out.is_dir()
    assert list(tmp_path.glob(".tuned.part-*")) == []


def test_a_directory_with_something_in_it_is_never_overwritten(run: Callable[..., Trained], tmp_path: Path) -> None:
    (tmp_path / "tuned").mkdir()
    (tmp_path / "tuned" / "precious").touch()

    with pytest.raises(BadValue, match="exists"):
        run()
    assert [path.name for path in (tmp_path / "tuned").iterdir()] == ["precious"]


@pytest.mark.parametrize("fault", ["no model", "no weights", "no data"])
def test_a_faulty_base_or_collection_is_refused_and_nothing_is_written(
    run: Callable[..., Trained], base: Path, tmp_path: Path, fault: str
) -> None:
    (base / "model.safetensors").write_bytes(b"not weights")
    changed = {"no model": {"base": str(tmp_path / "none")}, "no weights": {}, "no data": {"data": tmp_path / "none"}}[fault]

    with pytest.raises(UnknownName if fault != "no weights" else TransvaseError):
        run(**changed)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["base", "data"]


def test_the_commands_print_one_object_and_end_with_the_right_status(
    collection: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tuned"
    assert main(["train", "--data", str(collection), "--base", str(base), "--out", str(out), "--minutes", "1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["space"] == space_of(str(out)).id

    assert main(["evaluate", "--data", str(collection), str(base), str(out), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert set(figures["models"]) == {str(base), str(out)}
    assert figures["comparison"]["metric"] == "ndcg@10"

    assert main(["evaluate", "--data", str(collection), str(base), "--split", "none", "--json"]) == 2
    assert main(["evaluate", "--data", str(collection), str(base), str(base)]) == 2
    assert main(["train", "--data", str(collection), "--base", str(base), "--out", str(out)]) == 2
    assert capsys.readouterr().out == ""


def test_names_that_the_base_has_never_seen_are_learnt(tmp_path: Path) -> None:
    """On test questions in wordings that were not taught, the tuned model is far above the base, its interval clear of zero."""
    topics = [f"This service takes care of {topic}." for topic in TOPICS]
    collection = write(tmp_path / "data", documents=topics, names=NAMES, asked=ASKED)
    settings = TrainSettings(
        data=collection, base="builtin:minilm", out=tmp_path / "tuned", epochs=4, batch=20, rate=3e-4, evaluations=1
    )
    trained = train(settings, progress=progress)
    judged = read(collection, split="test")
    encoders = {name: load(name) for name in ("builtin:minilm", str(trained.out))}
    found = evaluate(judged, encoders, split="test", progress=progress)

    assert trained.promote
    assert found.comparison is not None
    assert found.comparison.ci_low > 0.2
    assert found.comparison.p_value < 0.01
