"""``transvase evaluate`` from the command line: figures, files, gates and every way of calling it wrongly."""

from __future__ import annotations

import json
import random
import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from costless import HashEncoder
from transvase.cli.main import main
from transvase.core.evaluation.gather import gather
from transvase.core.space import Role, Vectors

WORDS = [f"{a}{b}{c}" for a in "bdfgklmnprst" for b in "aeiou" for c in ("la", "mi", "no", "ru", "te")]
SIZES = {"train": 40, "dev": 60, "test": 90}


class Words:
    """A real encoder: the sum of one seeded vector a word, of as many words as it reads."""

    def __init__(self, name: str) -> None:
        self.name, self.reads = name, {"short": 3, "whole": 99}[name.rpartition("/")[2]]
        self.space = replace(SPACE, weights=name)

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        return Vectors(self.space, np.stack([self._sum(text.split()[: self.reads]) for text in texts]))

    def tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(text.split()) for text in texts]

    def _sum(self, words: list[str]) -> np.ndarray:
        return np.sum([VECTORS[word.casefold()] for word in words], axis=0).astype(np.float32)


SPACE = HashEncoder(dimension=64).space
VECTORS = {word: np.random.default_rng(zlib.crc32(word.encode())).standard_normal(64) for word in WORDS}


def write(directory: Path, *, seed: int) -> Path:
    """Documents of twelve words; a query has two of the last six words of its answer, and two of no matter what."""
    rng = random.Random(seed)
    documents = [rng.sample(WORDS, 12) for _ in range(250)]
    corpus = [{"_id": f"d{n}", "text": " ".join(words), "metadata": {"shelf": n % 2}} for n, words in enumerate(documents)]
    queries, qrels, number = [], {split: ["query-id\tcorpus-id\tscore"] for split in SIZES}, 0
    for split, size in SIZES.items():
        for _ in range(size):
            asked = rng.sample(documents[number][6:], 2) + rng.sample(WORDS, 2)
            queries.append({"_id": f"q{number}", "text": " ".join(asked), "metadata": {"team": f"t{number % 3}"}})
            qrels[split].append(f"q{number}\td{number}\t1")
            number += 1
    (directory / "qrels").mkdir(parents=True)
    for name, lines in (("corpus", corpus), ("queries", queries)):
        (directory / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    for split, judged in qrels.items():
        (directory / "qrels" / f"{split}.tsv").write_text("\n".join(judged) + "\n", encoding="utf-8")
    return directory


@pytest.fixture(scope="module")
def collection(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("given") / "collection", seed=1)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    def evaluate(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr("transvase.cli.evaluate.load", Words)
        status = main(["evaluate", *map(str, arguments)])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return evaluate


def test_models_stand_beside_bm25_and_hybrids(run: Callable[..., tuple[int, str, str]], collection: Path, tmp_path: Path) -> None:
    lines, page = tmp_path / "queries.jsonl", tmp_path / "page.html"
    status, out, _ = run("--data", collection, "short", "models/whole", "--k", 20, "--per-query", lines, "--html", page, "--json")
    found = json.loads(out)

    assert status == 0
    assert list(found["models"]) == ["short", "models/whole"]
    assert list(found["baselines"]) == ["bm25", "hybrid short", "hybrid models/whole"]
    figures = found["models"]["models/whole"]
    assert list(figures) == [
        *("ndcg@10", "recall@10", "mrr@10", "precision@5"),
        *("ndcg@20", "recall@20", "mrr@20", "precision@20"),
    ]
    assert figures["recall@20"] >= figures["recall@10"] > found["models"]["short"]["recall@10"]
    assert found["comparison"]["ci_low"] > 0
    assert found["fusions"]["hybrid short"]["queries"] == SIZES["dev"], "weights are chosen on the validation split"
    assert found["slices"]["team: t1"]["comparison"]["p_corrected"] >= found["slices"]["team: t1"]["comparison"]["p_value"]
    assert found["slices"]["answer shelf: 0"]["baselines"].keys() == found["baselines"].keys()
    assert list(found["against"]) == ["bm25", "short", "hybrid short", "hybrid models/whole"]
    assert found["against"]["short"] == found["comparison"]
    assert found["leaks"] is None
    assert "gates" not in found
    check_lines(lines, found)
    check_page(page.read_text(encoding="utf-8"))


def check_lines(path: Path, found: dict[str, dict[str, dict[str, float]]]) -> None:
    """The means of the lines are the figures of the object."""
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(lines) == SIZES["test"]
    for name in ("bm25", "models/whole", "hybrid short"):
        mean = np.mean([line["runs"][name]["ndcg@10"] for line in lines])
        assert mean == pytest.approx({**found["models"], **found["baselines"]}[name]["ndcg@10"])
    assert all(len(line["runs"]["short"]["ranked"]) == 20 for line in lines)


def check_page(page: str) -> None:
    """It says what came of it, in words and pictures, and asks for nothing."""
    assert "whole answers better than short" in page
    assert page.count("<svg") == page.count("</svg>") == 2
    assert "Gained" in page
    assert "hybrid whole" in page
    assert not re.search(r"<script|https?://|src=|<link|@import", page)


def test_gates_that_hold_end_well_and_gates_that_fail_end_with_status_1(
    run: Callable[..., tuple[int, str, str]], collection: Path, tmp_path: Path
) -> None:
    guard = write(tmp_path / "guard", seed=2)
    status, out, _ = run("--data", collection, "short", "whole", "--gates", "--guard", guard, "--json")
    held = {gate["gate"]: gate for gate in json.loads(out)["gates"]}
    back, told, err = run("--data", collection, "whole", "short", "--gates", "--guard", guard, "--json")
    fell = {gate["gate"]: gate["passed"] for gate in json.loads(told)["gates"]}

    assert list(held) == ["better than hybrid", "no slice fell", "the general guard held"]
    assert held["no slice fell"]["passed"]
    assert held["the general guard held"]["passed"]
    assert status == (0 if held["better than hybrid"]["passed"] else 1)
    assert back == 1
    assert fell == {"better than hybrid": False, "no slice fell": False, "the general guard held": False}
    assert "the gate “the general guard held” failed" in err


def test_a_leaking_split_is_refused_unless_asked_for(run: Callable[..., tuple[int, str, str]], tmp_path: Path) -> None:
    leaky = write(tmp_path / "leaky", seed=3)
    lines = (leaky / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    taught, tested = json.loads(lines[0]), json.loads(lines[SIZES["train"] + SIZES["dev"]])
    lines[SIZES["train"] + SIZES["dev"]] = json.dumps({**tested, "text": taught["text"].upper()})
    (leaky / "queries.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    status, out, err = run("--data", leaky, "whole", "--json")

    assert (status, out) == (1, "")
    assert "--allow-leaks" in err
    status, out, _ = run("--data", leaky, "whole", "--allow-leaks", "--json")
    assert status == 0
    assert "same text" in json.loads(out)["leaks"]


def test_without_a_validation_split_no_query_has_a_say_in_its_own_figure(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path
) -> None:
    bare = write(tmp_path / "bare", seed=4)
    for split in ("train", "dev"):
        (bare / "qrels" / f"{split}.tsv").unlink()
    status, out, err = run("--data", bare, "whole", "--json")
    _, _, shown = run("--data", bare, "short", "whole")

    assert status == 0, err
    assert json.loads(out)["fusions"]["hybrid whole"]["queries"] == SIZES["test"]
    assert json.loads(out)["comparison"] is None
    assert "last against first" in shown
    assert "gained most" in shown
    assert "as all queries choose" in shown
    assert "each part fused as the others chose" in shown


def test_a_hybrid_that_is_one_list_alone_is_called_so_and_a_pipe_folds_no_line(
    run: Callable[..., tuple[int, str, str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten judged queries of a validation split that is too small choose for themselves, and too few to choose a weight."""
    monkeypatch.setenv("COLUMNS", "80")
    small = write(tmp_path / "small", seed=5)
    for split, kept in (("dev", 5), ("test", 15)):
        path = small / "qrels" / f"{split}.tsv"
        path.write_text("".join(path.read_text(encoding="utf-8").splitlines(keepends=True)[: kept + 1]), encoding="utf-8")
    status, _, shown = run("--data", small, "short", "whole", "--k", 20)
    table = {line.split("  ")[0]: line for line in shown.splitlines()}

    assert status == 0
    assert "15 queries of test are too few to choose a weight" in shown
    named = next(line for name, line in table.items() if name.startswith("hybrid whole (") and name.endswith(" alone)"))
    alone = table["bm25" if "lexical" in named else "whole"]
    assert named.split()[4:12] == alone.split()[1:9], "its figures are that list's"
    assert re.search(r"[-+]\d\.\d{4} \([-+]\d\.\d{4} … [-+]\d\.\d{4}\)$", named.rstrip()), "the interval stands on its line"
    assert len(table["short"]) > 80


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["whole", "whole"], "once"),
        (["whole", "--gates"], "base first"),
        (["short", "whole", "--gates", "--no-baselines"], "leave one of the two out"),
        (["whole", "--guard", "somewhere"], "--gates too"),
        (["whole", "--html", "no/such/folder/page.html"], "make it first"),
        (["whole", "--per-query", "."], "it is a directory"),
        (["whole", "--split", "none"], "none.tsv"),
        (["whole", "--k", "0"], "0"),
        (["whole", "--k", "101"], "101"),
        (["whole", "--data", "nowhere"], "nowhere"),
    ],
)
def test_what_cannot_be_meant_is_said_before_anything_is_encoded(
    run: Callable[..., tuple[int, str, str]], collection: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], says: str
) -> None:
    monkeypatch.setattr(Words, "encode", lambda *_: pytest.fail("it encoded"))
    status, out, err = run("--data", collection, *arguments)

    assert (status, out) == (2, "")
    assert says in err


def test_only_the_splits_that_serve_are_opened(collection: Path, tmp_path: Path) -> None:
    copy = write(tmp_path / "copy", seed=1)
    (copy / "qrels" / "test.tsv").write_bytes(b"\x00")
    found = gather(copy, split="dev")

    assert (len(found.data.queries), found.validation, sum(found.trained.values())) == (SIZES["dev"], None, SIZES["train"])
    assert gather(collection, split="train").trained == {}
