"""Leaks between splits: planted ones are found, kind by kind, and what is no leak is only remarked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from gleanings import collection, sentence
from transvase.cli.main import main
from transvase.core.errors import UnknownName
from transvase.core.evaluation import Document, Query
from transvase.core.signal.leaks import FAMILY, ID, NEAR, SAME, SESSION, SOURCE, find_leaks, leaks_between

LONG = "how do I reset the password of a user in the admin console"


def two(first: Query, second: Query) -> list[Query]:
    """The two that are looked at, among others that leak nothing."""
    return [first, second, *(Query(f"x{number}", sentence(number), {}) for number in range(20))]


def answers(*, shared: bool = False) -> dict[str, dict[str, set[str]]]:
    """One of the two in train, the other in test, among others."""
    train = {"a": {"d1"}} | {f"x{number}": {f"e{number}"} for number in range(10)}
    test = {"b": {"d1" if shared else "d2"}} | {f"x{number}": {f"e{number}"} for number in range(10, 20)}
    return {"train": train, "test": test}


PLANTED = {
    SAME: (Query("a", "Reset a password", {}), Query("b", "reset  a PASSWORD?", {})),
    NEAR: (Query("a", LONG, {}), Query("b", LONG.replace("console", "panel"), {"family": "b"})),
    FAMILY: (Query("a", "one thing", {"family": "f"}), Query("b", "something else", {"family": "f"})),
    SESSION: (Query("a", "one thing", {"session": 7}), Query("b", "something else", {"session": 7})),
    SOURCE: (Query("a", "one thing", {"source": "page#3"}), Query("b", "something else", {"source": "page#3"})),
}


@pytest.mark.parametrize("kind", PLANTED)
def test_a_planted_leak_is_found_and_nothing_else(kind: str) -> None:
    leaks = leaks_between(two(*PLANTED[kind]), answers())

    assert leaks.leaking
    assert dict(leaks.leaks) == {kind: 1}
    assert (leaks.examples[kind][0].splits, leaks.examples[kind][0].queries) == (("train", "test"), ("a", "b"))
    assert not leaks.remarks


def test_one_query_in_two_splits_is_a_leak() -> None:
    splits = {"train": {"a": {"d1"}}, "dev": {"a": {"d2"}}, "test": {"b": {"d3"}}}

    assert dict(leaks_between([Query("a", "one", {}), Query("b", "two", {})], splits).leaks) == {ID: 1}


def test_a_shared_document_is_remarked_and_no_leak() -> None:
    leaks = leaks_between(two(Query("a", "one thing", {}), Query("b", "something else", {})), answers(shared=True))

    assert not leaks.leaking
    assert dict(leaks.remarks) == {"document": 1}


def test_equal_words_declared_apart_are_believed_until_one_document_answers_both() -> None:
    queries = two(Query("a", "print help", {"family": "ls"}), Query("b", "print help", {"family": "cat"}))

    assert dict(leaks_between(queries, answers()).remarks) == {"same words, declared apart": 1}
    assert dict(leaks_between(queries, answers(shared=True)).leaks) == {SAME: 1}


def test_a_source_of_very_many_queries_is_a_category() -> None:
    queries = [Query(f"q{number}", sentence(number), {"source": "forum"}) for number in range(120)]
    splits = {"train": {f"q{n}": {"d"} for n in range(60)}, "test": {f"q{n}": {"e"} for n in range(60, 120)}}

    leaks = leaks_between(queries, splits)

    assert not leaks.leaking
    assert leaks.remarks["source of many"] == 60


def records(*sources: str | None, texts: tuple[str, ...] = ("one text", "another text")) -> list[Document]:
    """The answers of the two, d1 and d2, of these sources."""
    told = zip(("d1", "d2"), texts, sources, strict=True)
    return [Document(name, "", text, {} if source is None else {"source": source}) for name, text, source in told]


@pytest.mark.parametrize("queries", [({}, {}), ({}, {"family": "f"}), ({"source": "manual"}, {"family": "f"})])
def test_records_of_one_source_are_a_leak(queries: tuple[dict[str, object], dict[str, object]]) -> None:
    pair = two(Query("a", "one thing", queries[0]), Query("b", "something else", queries[1]))
    leaks = leaks_between(pair, answers(), documents=records("manual", "manual"))

    assert dict(leaks.leaks) == {SOURCE: 1}
    assert leaks.examples[SOURCE][0].shared == "manual"
    assert not leaks_between(pair, answers(), documents=records("manual", "guide")).leaking
    assert not leaks_between(pair, answers(), documents=records("manual", None)).leaking


def test_a_query_and_the_record_of_another_that_name_one_source_are_a_leak() -> None:
    pair = two(Query("a", "one thing", {"source": "manual"}), Query("b", "something else", {}))

    assert dict(leaks_between(pair, answers(), documents=records(None, "manual")).leaks) == {SOURCE: 1}


def test_one_record_of_a_source_is_remarked_as_the_document_that_it_is() -> None:
    pair = two(Query("a", "one thing", {}), Query("b", "something else", {}))
    leaks = leaks_between(pair, answers(shared=True), documents=records("manual", None))

    assert not leaks.leaking
    assert dict(leaks.remarks) == {"document": 1}


def test_records_of_one_source_under_queries_declared_apart_are_believed() -> None:
    pair = two(Query("a", "one thing", {"family": "f"}), Query("b", "something else", {"family": "g"}))
    leaks = leaks_between(pair, answers(), documents=records("manual", "manual"))

    assert not leaks.leaking
    assert dict(leaks.remarks) == {"same source, declared apart": 1}


def test_a_source_of_the_records_of_very_many_queries_is_a_category() -> None:
    queries = [Query(f"q{number}", sentence(number), {}) for number in range(120)]
    splits = {"train": {f"q{n}": {f"d{n}"} for n in range(60)}, "test": {f"q{n}": {f"d{n}"} for n in range(60, 120)}}
    documents = [Document(f"d{number}", "", f"text {number}", {"source": "forum"}) for number in range(120)]
    leaks = leaks_between(queries, splits, documents=documents)

    assert not leaks.leaking
    assert dict(leaks.remarks) == {"source of many": 60}


def test_one_text_under_two_ids_is_remarked_and_answers_both() -> None:
    copies = records(None, None, texts=("Reset it.", "reset  it"))
    plain = two(Query("a", "one thing", {}), Query("b", "something else", {}))
    apart = two(Query("a", "print help", {"family": "ls"}), Query("b", "print help", {"family": "cat"}))

    assert dict(leaks_between(plain, answers(), documents=copies).remarks) == {"same answer text": 1}
    assert not leaks_between(plain, answers(), documents=copies).leaking
    assert dict(leaks_between(apart, answers(), documents=copies).leaks) == {SAME: 1}


def test_the_command_reads_sources_out_of_the_corpus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    queries = [Query("a", "one thing", {}), Query("b", "something else", {})]
    data = collection(tmp_path / "data", queries, {"train": {"a": ["d1"]}, "test": {"b": ["d2"]}})
    lines = [json.loads(line) for line in (data / "corpus.jsonl").read_text(encoding="utf-8").splitlines()]
    told = [json.dumps(line | {"metadata": {"source": "manual"}}) for line in lines]
    assert main(["pairs", "leaks", "--data", str(data)]) == 0
    (data / "corpus.jsonl").write_text("\n".join(told) + "\n", encoding="utf-8")

    assert main(["pairs", "leaks", "--data", str(data)]) == 1
    assert "source (1)" in capsys.readouterr().err


def test_leaks_are_counted_by_query_of_the_later_split_and_kin_within_a_split_is_none() -> None:
    queries = [Query(f"q{number}", "the very same words", {}) for number in range(9)]
    splits = {"train": {"q0": {"d"}, "q1": {"d"}}, "dev": {"q2": {"e"}}, "test": {f"q{n}": {"f"} for n in range(3, 9)}}

    assert dict(leaks_between(queries, splits).leaks) == {SAME: 7}
    assert dict(leaks_between(queries, splits, split="test").leaks) == {SAME: 6}
    assert not leaks_between(queries, {"train": splits["train"]}).leaking


def test_only_leaks_into_the_split_that_is_asked_for_count(tmp_path: Path) -> None:
    queries = [Query("a", LONG, {}), Query("b", LONG, {}), Query("c", "another", {})]
    data = collection(tmp_path / "data", queries, {"train": {"a": ["d1"]}, "dev": {"b": ["d2"]}, "test": {"c": ["d3"]}})

    assert find_leaks(data).leaking
    assert find_leaks(data, split="dev").leaking
    assert not find_leaks(data, split="test").leaking


def test_the_command_ends_with_1_on_a_leak_and_shows_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    queries = [Query("a", LONG, {}), Query("b", LONG, {})]
    data = collection(tmp_path / "data", queries, {"train": {"a": ["d1"]}, "test": {"b": ["d2"]}})

    assert main(["pairs", "leaks", "--data", str(data), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["leaking"] is True
    assert found["leaks"]["same text"]["examples"][0]["queries"] == ["a", "b"]
    assert main(["pairs", "leaks", "--data", str(data)]) == 1
    assert "same text (1)" in capsys.readouterr().err


def test_without_judgments_there_is_nothing_to_look_at(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="qrels"):
        find_leaks(tmp_path)
