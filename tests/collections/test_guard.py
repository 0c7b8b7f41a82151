from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from transvase.core.errors import BadValue, UnknownName
from transvase.core.evaluation.docstrings import _passage, passages
from transvase.core.evaluation.guard import CROWD, general_pairs, guard_set


def own_collection(directory: Path, *, questions: int, split: str = "dev") -> Path:
    directory.mkdir(exist_ok=True)
    (directory / "qrels").mkdir(exist_ok=True)
    documents = [{"_id": f"d{n}", "title": "", "text": f"the lamp of room {n} is dimmed by its own switch"} for n in range(500)]
    queries = [{"_id": f"q{n}", "text": f"dim the light in {n}"} for n in range(questions)]
    grades = ["query-id\tcorpus-id\tscore", *(f"q{n}\td{n}\t1" for n in range(questions))]
    (directory / "corpus.jsonl").write_text("\n".join(json.dumps(row) for row in documents), encoding="utf-8")
    (directory / "queries.jsonl").write_text("\n".join(json.dumps(row) for row in queries), encoding="utf-8")
    (directory / "qrels" / f"{split}.tsv").write_text("\n".join(grades), encoding="utf-8")
    return directory


def test_the_guard_is_the_same_for_the_same_seed_and_another_for_another() -> None:
    first, again, other = (guard_set(None, size=60, seed=seed) for seed in (3, 3, 4))
    assert first == again
    assert {query.id for query in first.queries} != {query.id for query in other.queries}


def test_every_question_has_its_answer_in_a_bounded_crowd() -> None:
    guard = guard_set(None, size=60, seed=1)
    held = {document.id for document in guard.documents}
    assert len(guard.queries) == 60
    assert len(guard.documents) == CROWD * 60
    assert all(guard.answers(query.id) <= held for query in guard.queries)


def test_replay_and_guard_share_no_family_and_no_question() -> None:
    guard = guard_set(None, size=100_000, seed=1)
    replayed = general_pairs(count=100_000, seed=2)
    assert len(guard.queries) > 500
    assert len(replayed) > 500
    assert not {query.family for query in guard.queries} & {passage.family for passage in replayed}
    assert not {query.text.casefold() for query in guard.queries} & {passage.question.casefold() for passage in replayed}


def test_replay_is_cut_to_what_was_asked_for() -> None:
    assert len(general_pairs(count=7, seed=1)) == 7


def test_no_two_passages_ask_the_same() -> None:
    found = passages(800)
    assert len({passage.question.casefold() for passage in found}) == len(found) == 800


def test_the_name_is_taken_out_of_the_body() -> None:
    found = _passage(
        "open_valve",
        "Open the valve of the boiler.\n\nopen_valve lets the water in; call ``Open_Valve`` with care and never twice in a row.",
    )
    assert found is not None
    assert "open_valve" not in found.body.casefold()
    assert found.body.startswith("this lets the water in")


def test_a_docstring_without_prose_is_no_passage() -> None:
    assert _passage("f", "Short one.\n\nAlso short.") is None
    assert _passage("f", "A summary line with enough words to ask for.") is None


def test_reading_the_documentation_imports_none_of_the_packages() -> None:
    seen = (
        "import sys; from transvase.core.evaluation.docstrings import passages; passages(50); print('onnxruntime' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", seen], capture_output=True, text=True, check=True).stdout.strip() == "False"


def test_the_users_own_collection_is_the_guard(tmp_path: Path) -> None:
    guard = guard_set(own_collection(tmp_path, questions=80), size=60, seed=1)
    assert len(guard.queries) == 60
    assert len(guard.documents) == CROWD * 60
    assert all(guard.answers(query.id) == {query.id.replace("q", "d")} for query in guard.queries)


def test_a_guard_too_small_to_see_a_loss_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadValue, match="50"):
        guard_set(None, size=10, seed=1)
    with pytest.raises(BadValue, match="judge more"):
        guard_set(own_collection(tmp_path, questions=20), size=60, seed=1)


def test_a_collection_with_training_judgments_only_is_no_guard(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match=r"dev or test\.tsv"):
        guard_set(own_collection(tmp_path, questions=80, split="train"), size=60, seed=1)
