"""Adapters on bases whose weights nobody can tune: behind an endpoint (a real server), and as an ONNX export."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from embedding_server import Endpoint, serving
from numpy.typing import NDArray
from tiny_model import write_tiny_model
from transvase.cli.main import main
from transvase.core.encoders import is_remote, load, space_of
from transvase.core.errors import BadValue, EncoderFailed
from transvase.core.export import export
from transvase.core.space import Role
from transvase.core.training import Rung, Trained, TrainSettings, train

pytestmark = pytest.mark.model

COUNT = 60


def progress(what: str, done: int, total: int) -> None:
    """Nobody watches."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Each document is asked for by its number; two of three are trained on."""
    data = tmp_path / "data"
    (data / "qrels").mkdir(parents=True)
    rows = [{"_id": f"d{row}", "text": f"boiler {row} valve"} for row in range(COUNT)]
    asked = [{"_id": f"q{row}", "text": f"invoice {row}", "metadata": {"family": f"f{row}"}} for row in range(COUNT)]
    for name, lines in (("corpus", rows), ("queries", asked)):
        (data / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    for split, part in (("train", range(40)), ("dev", range(40, COUNT))):
        lines = ["query-id\tcorpus-id\tscore", *(f"q{row}\td{row}\t1" for row in part)]
        (data / "qrels" / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return data


@contextmanager
def numbered(turn: NDArray[np.float64]) -> Iterator[Endpoint]:
    """A server for which a text is its number, and a document's vector its question's times a matrix."""
    with serving() as endpoint:
        plain = endpoint.vector

        def vector(text: str, width: int) -> list[float]:
            number = next((word for word in text.split() if word.isdigit()), text)
            found = np.asarray(plain(number, width))
            return (turn @ found if text.startswith("boiler") else found).tolist()

        endpoint.vector = vector  # type: ignore[method-assign]
        yield endpoint


@pytest.fixture
def turned() -> Iterator[Endpoint]:
    """Documents are their questions turned: what a matrix can learn, and nothing less."""
    with numbered(np.linalg.qr(np.random.default_rng(1).standard_normal((12, 12)))[0]) as endpoint:
        yield endpoint


def run(data: Path, base: str, out: Path, **changed: object) -> Trained:
    return train(TrainSettings(**{"data": data, "base": base, "out": out, "guard": None} | changed), progress=progress)


def test_an_adapter_is_trained_on_a_model_behind_an_endpoint(data: Path, turned: Endpoint, tmp_path: Path) -> None:
    trained = run(data, turned.enc, tmp_path / "tuned")

    assert trained.promote, trained.rungs
    assert trained.rung in (Rung.QUERY, Rung.BOTH)
    assert trained.best_ndcg > trained.base_ndcg + 0.03
    assert any("fine-tune and second-pass left out" in note for note in trained.notes)
    assert trained.space == space_of(str(trained.out)).id != space_of(turned.enc).id
    vectors = load(str(trained.out)).encode(["invoice 3"], Role.QUERY).matrix
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1], abs=1e-5)
    assert 'load("tuned")' in (trained.out / "README.md").read_text(encoding="utf-8")


def test_only_what_an_adapter_learns_from_is_asked_of_an_endpoint(
    data: Path, turned: Endpoint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The corpus has 100 records more that nobody asks for; validation takes 30 in all, the pairs have 40 answers."""
    monkeypatch.setattr("transvase.core.training.opening.exam_size", lambda clock, texts_per_s: 30)
    with (data / "corpus.jsonl").open("a", encoding="utf-8") as file:
        file.writelines(json.dumps({"_id": f"x{row}", "text": f"boiler {1000 + row}"}) + "\n" for row in range(100))
    run(data, turned.enc, tmp_path / "tuned")
    sent = [text for body in turned.asked for text in body["input"] if text.startswith("boiler")]

    assert 40 < len(sent) <= 30 + 40
    assert len(sent) == len(set(sent))


def test_a_run_that_failed_half_way_does_not_pay_again_for_what_was_answered(
    data: Path, turned: Endpoint, tmp_path: Path
) -> None:
    """The 60 records are four requests, of which the endpoint refuses the last; a text that was answered is never sent again."""
    real, base = turned.answer, f"{turned.url}?batch=16#tiny-embed"

    def answer(body: dict) -> dict:
        return {"error": "no credit"} if "boiler 59 valve" in body["input"] else real(body)

    turned.answer = answer  # type: ignore[method-assign]
    with pytest.raises(EncoderFailed, match="no list"):
        run(data, base, tmp_path / "tuned")
    answered = [text for body in turned.asked for text in body["input"] if "boiler 59 valve" not in body["input"]]
    first = {text for text in answered if text.startswith(("boiler", "invoice"))}
    assert sum(text.startswith("boiler") for text in first) >= 16
    turned.answer, turned.asked = real, []  # type: ignore[method-assign]
    trained = run(data, base, tmp_path / "tuned")
    second = {text for body in turned.asked for text in body["input"]}

    assert trained.facts["resumed"]
    assert not first & second
    assert any(f"{len(first)} vectors were kept" in note for note in trained.notes)
    assert not list((tmp_path / "runs").rglob("vectors*"))


def test_where_an_adapter_gains_nothing_the_endpoint_is_kept_and_papers_alone_are_written(data: Path, tmp_path: Path) -> None:
    with numbered(np.eye(12)) as endpoint:
        trained = run(data, endpoint.enc, tmp_path / "tuned", rungs=(Rung.QUERY,))

    assert not trained.promote
    assert sorted(path.name for path in trained.out.iterdir()) == ["README.md", "training.json"]
    assert any("stays behind its endpoint" in note for note in trained.notes)


def test_an_export_and_an_adapter_over_it_can_be_adapted(data: Path, tmp_path: Path) -> None:
    base = write_tiny_model(tmp_path / "base")
    export(str(base), tmp_path / "onnx", progress=progress)
    trained = run(data, str(tmp_path / "onnx"), tmp_path / "tuned")

    assert trained.rung in (Rung.QUERY, Rung.BOTH, None)
    assert not is_remote(str(trained.out))
    assert load(str(trained.out)).space.id == trained.space
    again = run(data, str(trained.out), tmp_path / "again", rungs=(Rung.BOTH,))
    assert load(str(again.out)).space.id == again.space


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"rungs": (Rung.TUNE,)}, "only query-adapter and adapter"),
        ({"prompt_query": "q: "}, "leave it out"),
        ({"matryoshka": (8,)}, "leave it out"),
        ({"lora": 4}, "leave it out"),
    ],
)
def test_what_needs_weights_is_refused_before_the_endpoint_is_asked(
    data: Path, tmp_path: Path, changed: dict[str, object], said: str
) -> None:
    with serving() as endpoint:
        with pytest.raises(BadValue, match=said):
            run(data, endpoint.enc, tmp_path / "tuned", **changed)
        assert not endpoint.asked
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_a_collection_can_be_assessed_with_a_model_behind_an_endpoint_or_exported(
    data: Path, turned: Endpoint, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    base = write_tiny_model(tmp_path / "base")
    export(str(base), tmp_path / "onnx", progress=progress)
    for enc in (turned.enc, str(tmp_path / "onnx")):
        words = ["--usable-pairs", "1", "--overfitting-pairs", "1", "--failing-queries", "1"]
        assert main(["assess", "--data", str(data), "--base", enc, "--json", *words]) == 0
        told = json.loads(capsys.readouterr().out)
        assert told["verdict"] in ("train", "do not train", "unclear")
        assert told["base"] == enc
        assert told["trial"] is None
