"""``assess`` from outside: every wrong call ends on its status before a model is loaded or a word is said on stdout."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import planted
import pytest
from transvase.cli import assess as assess_command
from transvase.cli.main import main
from transvase.core.ports import Encoder


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A collection that nobody changes."""
    return str(planted.plain(tmp_path_factory.mktemp("given") / "c", count=60))


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> None:
    """ENC is an encoder that needs no files."""

    def load(enc: str) -> Encoder:
        assert enc == "words"
        return planted.WordEncoder()

    monkeypatch.setattr(assess_command, "load", load)


def test_the_verdict_goes_to_stdout_as_one_object(place: str, words: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["assess", "--data", place, "--base", "words", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "do not train"
    assert set(found["ways"]) == {"bm25", "dense", "hybrid"}
    assert set(found["conditions"]) == {"gap", "signal", "worth"}
    assert found["split"] == "dev"


def test_people_read_tables_and_the_verdict_on_stderr(place: str, words: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["assess", "--data", place, "--base", "words", "--maturity", "nobody"]) == 0
    told = capsys.readouterr()
    assert not told.out
    for said in ("verdict: do not train", "cheaper step", "reranker", "nobody's work", "next:"):
        assert said in told.err


@pytest.mark.parametrize(
    "wrong",
    [("--bar", "1.5"), ("--least-gap", "-1"), ("--maturity", "wild"), ("--minutes", "-1"), ("--seed", "-1"), ("--split", "moon")],
)
def test_a_wrong_option_is_misuse(place: str, words: None, capsys: pytest.CaptureFixture[str], wrong: tuple[str, str]) -> None:
    assert main(["assess", "--data", place, "--base", "words", *wrong]) == 2
    assert not capsys.readouterr().out


def test_a_collection_that_is_not_there_is_named_before_the_model_is_loaded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["assess", "--data", str(tmp_path / "moon"), "--base", "no-such-model"]) == 2
    assert "moon" in capsys.readouterr().err


def test_a_broken_line_is_named_with_its_number(tmp_path: Path, words: None, capsys: pytest.CaptureFixture[str]) -> None:
    place = planted.plain(tmp_path / "c", count=30)
    with (place / "qrels" / "train.tsv").open("a") as file:
        file.write("\nq1\n")
    assert main(["assess", "--data", str(place), "--base", "words"]) == 2
    assert "train.tsv:" in capsys.readouterr().err


def test_assessing_loads_no_torch() -> None:
    heavy = "('torch', 'onnxruntime', 'sentence_transformers')"
    seen = f"import sys, transvase.cli.assess; print(*(name for name in {heavy} if name in sys.modules))"
    assert not subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True).stdout.strip()


@pytest.mark.parametrize(("queries", "families"), [(9, 9), (30, 1)])
def test_too_few_judged_queries_are_refused(
    tmp_path: Path, words: None, capsys: pytest.CaptureFixture[str], queries: int, families: int
) -> None:
    """An interval over one family would have no width, and look like certainty."""
    place = planted.write(
        tmp_path / "c",
        [(f"record {row}", {}) for row in range(30)],
        [(f"question {row}", row, {"family": f"f{row % families}"}) for row in range(queries)],
        dev=1.0,
    )
    assert main(["assess", "--data", str(place), "--base", "words", "--minutes", "0"]) == 2
    assert f"{queries} queries with answers in {families} families" in capsys.readouterr().err
