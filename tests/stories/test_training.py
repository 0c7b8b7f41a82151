"""Training runs from files to files: what is written, what is never read, and what is left behind when one dies."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny_model import write_tiny_model
from transvase.cli.main import main
from transvase.core.encoders import load, space_of
from transvase.core.errors import BadValue, TransvaseError, UnknownName
from transvase.core.evaluation import evaluate, read
from transvase.core.space import Role
from transvase.core.training import Rung, Trained, TrainSettings, train
from transvase.core.training.settings import AUTO

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


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A collection that a model of sixteen dimensions can learn (which sign a letter stands for), a base, and a guard."""
    place = tmp_path_factory.mktemp("ground")
    write(place / "data", documents=[f"boiler {sign}" for sign in SIGNS], names=LETTERS, asked=ASKED_SHORT)
    write_tiny_model(place / "base", prompts=PROMPTS)
    names = [f"{first}{second}" for first in LETTERS[:8] for second in SIGNS[:8]]
    write(place / "guard", documents=[f"invoice {name}" for name in names], names=names, asked={"dev": ("{}",)})
    return place


@pytest.fixture
def collection(place: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(place / "data", tmp_path / "data"))


@pytest.fixture
def base(place: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(place / "base", tmp_path / "base"))


def told(place: Path, out: Path, **changed: object) -> TrainSettings:
    """Settings of a run that takes seconds."""
    usual = {"data": place / "data", "base": str(place / "base"), "guard": place / "guard", "out": out, "rungs": (Rung.TUNE,)}
    return TrainSettings(**usual | {"replay": None, "epochs": 30, "batch": 16, "train_length": 8, "rate": 1e-2} | changed)


@pytest.fixture
def run(place: Path, collection: Path, base: Path, tmp_path: Path) -> Callable[..., Trained]:
    """Train the tiny model on the planted collection with a few settings changed."""

    def run(**changed: object) -> Trained:
        usual = {"data": collection, "base": str(base), "out": tmp_path / "tuned"}
        return train(told(place, **usual | changed), progress=progress)

    return run


@pytest.fixture(scope="module")
def done(place: Path) -> Trained:
    """One run that several tests look at. Judgments of test are a directory meanwhile: whoever opened them would fail."""
    judgments = place / "data" / "qrels" / "test.tsv"
    kept = judgments.read_text(encoding="utf-8")
    judgments.unlink()
    judgments.mkdir()
    trained = train(told(place, place / "done"), progress=progress)
    judgments.rmdir()
    judgments.write_text(kept, encoding="utf-8")
    return trained


def test_what_was_trained_is_what_serves(done: Trained, place: Path) -> None:
    """Prompts, length and Space of the written model are the base's, the weights are not; sentence-transformers loads it."""
    before, after = space_of(str(place / "base")), space_of(str(done.out))

    assert done.promote
    assert done.best_ndcg > done.base_ndcg
    assert (done.rung, done.migration) == ("fine-tune", "fill")
    assert after.id == done.space == json.loads((done.out / "space.json").read_text())["id"]
    assert (after.query_prompt, after.document_prompt, after.max_length) == ("query: ", "passage: ", 48)
    assert after.weights != before.weights
    assert (after.tokenizer, after.modules, after.pooling) == (before.tokenizer, before.modules, before.pooling)

    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(done.out), device="cpu", local_files_only=True)
    assert (model.max_seq_length, model.prompts["query"], model.prompts["document"]) == (48, "query: ", "passage: ")


def test_nothing_that_was_taught_is_quoted_in_what_is_written(done: Trained, place: Path) -> None:
    ran = place / "runs" / done.run
    kinds = (".md", ".json", ".tsv", ".jsonl")
    written = {
        path: path.read_text(encoding="utf-8") for where in (done.out, ran) for path in where.rglob("*") if path.suffix in kinds
    }
    texts = [wording.format(*[letter] * wording.count("{}")) for wording in ASKED_SHORT["train"] for letter in LETTERS]

    assert {"README.md", "training.json", "space.json", "mined.tsv", "metrics.jsonl"} <= {path.name for path in written}
    for path, text in written.items():
        assert not [taught for taught in (*texts, *(f"boiler {sign}" for sign in SIGNS)) if taught in text], path
        assert str(place) not in text, path
    assert not [path for where in (done.out, ran) for path in where.glob("**/*.pt")]
    assert [path.name for path in done.out.parent.glob(".*")] == []


def test_the_papers_tell_settings_curve_and_gain(done: Trained) -> None:
    papers = json.loads((done.out / "training.json").read_text(encoding="utf-8"))

    assert papers["settings"]["base"] == "base"
    assert [point["step"] for point in papers["curve"]] == [0, 20, 40, 60]
    assert papers["curve"][0]["loss"] is None
    assert papers["curve"][-1]["loss"] > 0
    assert papers["validation"]["best"] == papers["rungs"][0]["ndcg"]
    assert papers["guard"]["after"] == papers["rungs"][0]["guard"]
    assert papers["facts"]["pairs"] == 96
    assert papers["facts"]["exam_documents"] == 16
    assert papers["migration"] == "fill"
    assert done.note in (done.out / "README.md").read_text(encoding="utf-8").replace("**", "")


def test_the_run_keeps_settings_curves_and_an_audit_of_what_was_mined(done: Trained, place: Path) -> None:
    ran = place / "runs" / done.run
    sheet = (ran / "mined.tsv").read_text(encoding="utf-8").splitlines()
    kinds = [json.loads(line)["kind"] for line in (ran / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]

    assert sheet[0].split("\t") == ["query-id", "corpus-id", "negative-id", "rank", "by", "cosine", "limit"]
    assert len(sheet) == 1 + 96
    assert all(line.split("\t")[1] != line.split("\t")[2] for line in sheet[1:])
    assert kinds.count("validation") == 3
    assert {"training", "standing"} < set(kinds)
    assert (ran / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert not (ran / "stages").exists()


def test_a_second_run_gives_the_same_weights_and_another_seed_others(done: Trained, run: Callable[..., Trained]) -> None:
    assert run().space == done.space
    assert run(out=done.out.with_name("other"), seed=2).space != done.space


def test_a_killed_run_goes_on_and_gives_the_same_weights(done: Trained, place: Path, tmp_path: Path) -> None:
    """The process kills itself between two checkpoints; the same command gives what the uninterrupted run gave."""
    settings = told(place, tmp_path / "tuned", checkpoint_s=0)
    plain = {name: getattr(settings, name) for name in settings.__slots__ if name != "rungs"}
    code = f"""
import os, signal
from pathlib import PosixPath
from transvase.core.training import Rung, train, TrainSettings
def progress(what, done, total):
    if what == "train" and done == 33:
        os.kill(os.getpid(), signal.SIGKILL)
train(TrainSettings(**{plain!r}, rungs=(Rung.TUNE,)), progress=progress)
"""
    ended = subprocess.run(
        [sys.executable, "-c", code], env=os.environ | {"HF_HUB_OFFLINE": "1"}, check=False, capture_output=True
    )
    assert ended.returncode == -signal.SIGKILL, ended.stderr[-2000:]
    assert not (tmp_path / "tuned").exists()
    assert len(list(tmp_path.glob("runs/*/stages/fine-tune/16/checkpoint-*"))) >= 1

    steps: list[int] = []
    trained = train(settings, progress=lambda what, count, _: steps.append(count) if what == "train" else None)

    assert steps[0] == 33  # the last whole checkpoint is that of step 32
    assert trained.space == done.space
    assert trained.facts["resumed"] is True
    assert [point.ndcg for point in trained.curve] == [point.ndcg for point in done.curve]
    assert list(tmp_path.glob(".tuned.part-*")) == []


def test_where_nothing_beats_the_base_its_own_weights_are_returned(run: Callable[..., Trained], base: Path) -> None:
    trained = run(rate=1e-8, epochs=1)

    assert not trained.promote
    assert "Do not promote" in trained.note
    assert (trained.best_step, trained.rung, trained.migration) == (0, None, "none")
    assert trained.comparison.difference == 0
    assert trained.space == space_of(str(base)).id


def test_a_run_that_stops_leaves_no_model_and_only_its_own_directory(tmp_path: Path, place: Path) -> None:
    def interrupted(what: str, done: int, total: int) -> None:
        if what == "train" and done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(told(place, tmp_path / "tuned"), progress=interrupted)

    assert [path.name for path in tmp_path.iterdir()] == ["runs"]


def test_a_query_adapter_needs_no_new_documents_and_loads_anywhere(run: Callable[..., Trained], base: Path) -> None:
    trained = run(rungs=(Rung.QUERY,))
    if not trained.promote:
        pytest.skip("the planted letters cannot be told apart by a matrix with this seed")
    space = space_of(str(trained.out))

    assert (trained.rung, trained.migration) == ("query-adapter", "cutover")
    assert space.documents_of == space_of(str(base)).id


def test_prompts_that_are_given_are_trained_with_saved_and_part_of_the_space(run: Callable[..., Trained], base: Path) -> None:
    trained = run(prompt_query="ask: ", epochs=2, rungs=(Rung.QUERY, Rung.TUNE))
    space = space_of(str(trained.out))

    assert (space.query_prompt, space.document_prompt) == ("ask: ", "passage: ")
    assert space.id != space_of(str(base)).id
    assert any("no stored ones to adapt" in note for note in trained.notes)


def test_cuts_are_models_of_unit_length_with_figures_beside_their_bytes(run: Callable[..., Trained]) -> None:
    trained = run(matryoshka=(8, 4))
    sizes = trained.facts["dimensions"]

    assert trained.promote
    assert [(width, figures["bytes"]) for width, figures in sizes.items()] == [("16", 64), ("8", 32), ("4", 16)]
    for width in (8, 4):
        vectors = load(str(trained.out.with_name(f"tuned-{width}"))).encode(["a valve", "k"], Role.DOCUMENT).matrix
        assert vectors.shape == (2, width)
        assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-5)


@pytest.mark.parametrize("changed", [{"lora": 2}, {"loss": "cached"}, {"loss": "triplet"}, {"guided": 0.0}, {"freeze": 0.0}])
def test_every_way_of_training_ends_in_a_plain_model(run: Callable[..., Trained], base: Path, changed: dict[str, object]) -> None:
    trained = run(epochs=3, **changed)

    assert trained.facts["fine-tune steps"] == 6  # 16 answers with six questions are read twice, in batches of 16
    assert [point.step for point in trained.curve] == [0, 2, 4, 6]
    assert space_of(str(trained.out)).modules == space_of(str(base)).modules


@pytest.mark.parametrize(("replay", "batches"), [("own collection", 1), ("installed", 3)])
def test_general_pairs_are_replayed_in_batches_of_their_own(
    run: Callable[..., Trained], place: Path, replay: str, batches: int
) -> None:
    """48 of them: the collection's have fewer answers than that."""
    trained = run(epochs=1, replay=Path("installed") if replay == "installed" else place / "data", replay_share=0.5)

    assert trained.facts["replayed"] == 48
    assert trained.facts["fine-tune rows"] == 96 + 48
    assert trained.facts["fine-tune steps"] == 2 + batches


@pytest.mark.parametrize(("minutes", "some"), [(None, True), (100.0, True), (0.3, False)])
def test_general_pairs_are_replayed_by_default_where_there_is_time(
    run: Callable[..., Trained], minutes: float | None, *, some: bool
) -> None:
    """A thousand passes do not fit into a third of a minute; one fits into an hour."""
    trained = run(epochs=1 if some else 1000, replay=AUTO, replay_share=1.0, minutes=minutes, patience=100, evaluations=1)

    assert trained.facts.get("replayed", 0) == (96 if some else 0)


def test_two_processes_train_one_model(place: Path, tmp_path: Path) -> None:
    """Started by torchrun, the command runs twice; one of the two writes and speaks."""
    command = ["train", "--data", str(place / "data"), "--base", str(place / "base"), "--out", str(tmp_path / "tuned")]
    options = [
        "--guard",
        str(place / "guard"),
        "--rungs",
        "fine-tune",
        "--batch",
        "8",
        "--epochs",
        "2",
        "--replay",
        "none",
        "--device",
        "cpu",
        "--json",
    ]
    code = "import sys; from transvase.cli.main import main; sys.exit(main(sys.argv[1:]))"
    (tmp_path / "start.py").write_text(code, encoding="utf-8")
    told = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--nproc-per-node",
        "2",
        "--standalone",
        str(tmp_path / "start.py"),
    ]
    ended = subprocess.run(
        [*told, *command, *options], env=os.environ | {"HF_HUB_OFFLINE": "1"}, check=False, capture_output=True, text=True
    )

    assert ended.returncode == 0, ended.stderr[-3000:]
    facts = json.loads(ended.stdout)
    assert facts["facts"]["fine-tune steps"] == 2 * 4 / 2
    assert space_of(str(tmp_path / "tuned")).id == facts["space"]


def test_a_card_that_is_not_there_is_refused(run: Callable[..., Trained], tmp_path: Path) -> None:
    with pytest.raises(BadValue, match=r"cuda:7"):
        run(device="cuda:7")
    with pytest.raises(BadValue, match="choose cpu"):
        run(device="gpu")
    assert not (tmp_path / "tuned").exists()


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


@pytest.mark.parametrize(
    "fault", [["--rungs", "ladder"], ["--matryoshka", "a"], ["--matryoshka", "16"], ["--batch", "1"], ["--loss", "none"]]
)
def test_options_that_cannot_be_meant_end_with_status_two(place: Path, tmp_path: Path, fault: list[str]) -> None:
    out = tmp_path / "tuned"

    assert main(["train", "--data", str(place / "data"), "--base", str(place / "base"), "--out", str(out), *fault]) == 2
    assert list(tmp_path.iterdir()) == []


def test_the_commands_print_one_object_and_end_with_the_right_status(
    collection: Path, base: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "tuned"
    assert main(["train", "--data", str(collection), "--base", str(base), "--out", str(out), "--minutes", "2", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["space"] == space_of(str(out)).id

    assert main(["evaluate", "--allow-leaks", "--data", str(collection), str(base), str(out), "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert set(figures["models"]) >= {str(base), str(out)}
    assert figures["comparison"]["metric"] == "ndcg@10"

    assert main(["evaluate", "--data", str(collection), str(base), "--split", "none", "--json"]) == 2
    assert main(["evaluate", "--data", str(collection), str(base), str(base)]) == 2
    assert main(["train", "--data", str(collection), "--base", str(base), "--out", str(out)]) == 2
    assert capsys.readouterr().out == ""


def test_a_budget_ends_a_course_that_would_go_on_for_days(run: Callable[..., Trained]) -> None:
    """What it took is no matter of a test on a busy machine; that it ended with its rate at zero long before its epochs is."""
    trained = run(epochs=1000, batch=2, minutes=0.4, evaluations=1, patience=100)

    assert trained.facts.get("fine-tune steps", 0) < 1000 * 16 / 2  # none at all where loading took all the time
    assert trained.seconds < 3 * 24
    assert {point.rung for point in trained.curve} <= {"base", "fine-tune"}


def test_names_that_the_base_has_never_seen_are_learnt(tmp_path: Path, place: Path) -> None:
    """On test questions in wordings that were not taught, the tuned model is far above the base, its interval clear of zero."""
    topics = [f"This service takes care of {topic}." for topic in TOPICS]
    collection = write(tmp_path / "data", documents=topics, names=NAMES, asked=ASKED)
    settings = TrainSettings(
        data=collection,
        base="builtin:minilm",
        out=tmp_path / "tuned",
        epochs=4,
        batch=20,
        rate=3e-4,
        evaluations=1,
        guard=place / "guard",
        rungs=(Rung.TUNE,),
    )
    trained = train(settings, progress=progress)
    judged = read(collection, split="test")
    # Twenty names are the sample that the claim is about, and not the two wordings that all of them are asked in.
    named = tuple(replace(query, metadata={"family": query.id.rpartition("-")[2]}) for query in judged.queries)
    judged = replace(judged, queries=named)
    encoders = {name: load(name) for name in ("builtin:minilm", str(trained.out))}
    found = evaluate(judged, encoders, split="test", progress=progress)

    assert trained.promote
    assert found.comparison is not None
    assert found.comparison.ci_low > 0.2
    assert found.comparison.p_value < 0.01
