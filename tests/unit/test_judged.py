"""Reading judged collections: what is well formed is kept as it is, what is not is named by file and line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transvase.core.errors import BadValue, TransvaseError, UnknownName
from transvase.core.evaluation import read
from transvase.core.evaluation.judged import read_weights

HEADER = "query-id\tcorpus-id\tscore\n"


@pytest.fixture
def collection(tmp_path: Path) -> Path:
    (tmp_path / "qrels").mkdir()
    documents = [
        {"_id": "d1", "title": "Œuvre", "text": "premier", "metadata": {"team": "infra"}},
        {"_id": "d2", "title": "", "text": "日本語の文書"},
        {"_id": "d3", "title": "tar", "text": "tar: pack files"},
    ]
    queries = [{"_id": "q1", "text": "première œuvre", "metadata": {"family": "f"}}, {"_id": "q2", "text": "文書"}]
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in documents), encoding="utf-8")
    (tmp_path / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in queries), encoding="utf-8")
    (tmp_path / "qrels" / "test.tsv").write_text(HEADER + "q1\td1\t3\nq1\td2\t0\nq2\td2\t1.5\n", encoding="utf-8")
    return tmp_path


def test_a_collection_is_read_as_it_was_written(collection: Path) -> None:
    judged = read(collection, split="test")

    assert [query.id for query in judged.queries] == ["q1", "q2"]
    assert judged.queries[0].family == "f"
    assert judged.queries[1].family is None
    assert judged.grades == {"q1": {"d1": 3.0, "d2": 0.0}, "q2": {"d2": 1.5}}
    assert judged.answers("q1") == {"d1"}
    assert judged.documents[0].metadata == {"team": "infra"}


def test_title_and_text_are_joined_unless_the_text_begins_with_the_title(collection: Path) -> None:
    contents = [document.content for document in read(collection, split="test").documents]

    assert contents == ["Œuvre\npremier", "日本語の文書", "tar: pack files"]


def test_byte_order_marks_windows_line_ends_and_blank_lines_do_no_harm(collection: Path) -> None:
    plain = read(collection, split="test")
    for path in (*collection.glob("*.jsonl"), *collection.glob("qrels/*.tsv")):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n") + b"\r\n\r\n")

    assert read(collection, split="test") == plain


def test_a_query_without_an_answer_is_not_asked(collection: Path) -> None:
    (collection / "qrels" / "test.tsv").write_text(HEADER + "q1\td1\t0\nq2\td2\t1\n", encoding="utf-8")

    assert [query.id for query in read(collection, split="test").queries] == ["q2"]


def test_other_splits_are_not_opened(collection: Path) -> None:
    (collection / "qrels" / "train.tsv").mkdir()
    (collection / "qrels" / "dev.tsv").write_bytes(b"\x00garbled\xff")

    assert len(read(collection, split="test").queries) == 2


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_a_missing_file_is_named(collection: Path, name: str) -> None:
    (collection / name).unlink()

    with pytest.raises(UnknownName, match=name):
        read(collection, split="test")


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="nowhere"):
        read(tmp_path / "nowhere", split="test")


@pytest.mark.parametrize(
    ("name", "line", "says"),
    [
        ("corpus.jsonl", b'{"_id": "d4", "text": ', "not JSON"),
        ("corpus.jsonl", b'["d4", "text"]', "list"),
        ("corpus.jsonl", b'{"text": "no id"}', "_id"),
        ("corpus.jsonl", b'{"_id": "  ", "text": "blank id"}', "_id"),
        ("corpus.jsonl", b'{"_id": "d4", "title": "no text"}', "text"),
        ("corpus.jsonl", b'{"_id": "d4", "text": 7}', "text"),
        ("corpus.jsonl", b'{"_id": "d1", "text": "again"}', "earlier"),
        ("corpus.jsonl", b'{"_id": "d4", "text": "a\x00b"}', "NUL"),
        ("corpus.jsonl", b'{"_id": "d4", "text": "a\\u0000b"}', "NUL"),
        ("corpus.jsonl", b'{"_id": "d4", "text": "\xff\xfe"}', "UTF-8"),
        ("corpus.jsonl", b'{"_id": "d4", "text": "x", "metadata": "infra"}', "metadata"),
        ("corpus.jsonl", b"[" * 100_000, "not JSON"),
        ("queries.jsonl", b'{"_id": "q3"}', "text"),
        ("queries.jsonl", b'{"_id": "q3", "text": "  "}', "words"),
        ("queries.jsonl", b'{"_id": "q1", "text": "again"}', "earlier"),
        ("qrels/test.tsv", b"q1\td3", "2 fields"),
        ("qrels/test.tsv", b"q1 d3 1", "1 fields"),
        ("qrels/test.tsv", b"q1\td3\tgood", "number"),
        ("qrels/test.tsv", b"q1\td3\tnan", "number"),
        ("qrels/test.tsv", b"q9\td3\t1", "q9"),
        ("qrels/test.tsv", b"q1\td9\t1", "d9"),
        ("qrels/test.tsv", b"q1\td1\t1", "before"),
    ],
)
def test_a_faulty_line_is_refused_by_file_and_number(collection: Path, name: str, line: bytes, says: str) -> None:
    path = collection / name
    number = len(path.read_bytes().splitlines()) + 1
    path.write_bytes(path.read_bytes() + line + b"\n")

    with pytest.raises(BadValue) as caught:
        read(collection, split="test")

    assert f"{path}:{number}" in str(caught.value)
    assert says in str(caught.value)
    assert caught.value.status == 2


@pytest.mark.parametrize("content", ["", HEADER, HEADER + "q1\td1\t0\n"])
def test_a_split_in_which_nothing_is_answered_is_refused(collection: Path, content: str) -> None:
    path = collection / "qrels" / "test.tsv"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(BadValue, match=r"test\.tsv"):
        read(collection, split="test")


def test_judgments_without_a_header_do_not_lose_their_first_line(collection: Path) -> None:
    (collection / "qrels" / "test.tsv").write_text("q1\td1\t1\nq2\td2\t1\n", encoding="utf-8")

    with pytest.raises(BadValue, match="header"):
        read(collection, split="test")


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl"])
def test_an_empty_file_is_refused(collection: Path, name: str) -> None:
    (collection / name).write_bytes(b"\n")

    with pytest.raises(BadValue, match=name):
        read(collection, split="test")


def test_a_directory_in_a_files_place_is_refused(collection: Path) -> None:
    (collection / "corpus.jsonl").unlink()
    (collection / "corpus.jsonl").mkdir()

    with pytest.raises(TransvaseError, match=r"corpus\.jsonl"):
        read(collection, split="test")


def test_weights_are_read_and_a_missing_file_weighs_nothing(collection: Path) -> None:
    assert read_weights(collection, "train") == {}

    (collection / "weights").mkdir()
    (collection / "weights" / "train.tsv").write_text("query-id\tcorpus-id\tweight\nq1\td1\t0.25\nq1\td2\t0\n", encoding="utf-8")

    assert read_weights(collection, "train") == {("q1", "d1"): 0.25, ("q1", "d2"): 0.0}


@pytest.mark.parametrize(
    ("line", "says"),
    [("q1\td1", "2 fields"), ("q1\td1\theavy", "number"), ("q1\td1\tinf", "number"), ("q1\td1\t-1", "0 or more"),
     ("q2\td2\t2", "before")],
)  # fmt: skip
def test_a_faulty_weight_is_refused_by_file_and_number(collection: Path, line: str, says: str) -> None:
    path = collection / "weights" / "train.tsv"
    path.parent.mkdir()
    path.write_text(f"query-id\tcorpus-id\tweight\nq2\td2\t1\n{line}\n", encoding="utf-8")

    with pytest.raises(BadValue, match=says) as caught:
        read_weights(collection, "train")

    assert f"{path}:3" in str(caught.value)


def test_weights_without_a_header_do_not_lose_their_first_line(collection: Path) -> None:
    (collection / "weights").mkdir()
    (collection / "weights" / "train.tsv").write_text("q1\td1\t1\n", encoding="utf-8")

    with pytest.raises(BadValue, match="header"):
        read_weights(collection, "train")
