"""Rows, masks and batches: nothing known to answer a query is ever its negative, whatever stands beside it."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from transvase.core.evaluation import Document, Judged, Query
from transvase.core.training.lessons.crops import crops_of
from transvase.core.training.lessons.lesson import Lesson
from transvase.core.training.lessons.pairs import pairs_of
from transvase.core.training.lessons.table import DOMAIN, REPLAY, build, known_wrong, with_crops, with_replay
from transvase.core.training.tuning.batches import arrange


def judged(grades: dict[str, dict[str, float]], texts: dict[str, str] | None = None) -> Judged:
    names = sorted({document for answers in grades.values() for document in answers})
    documents = tuple(Document(name, "", f"text {name}", {}) for name in names)
    queries = tuple(Query(name, (texts or {}).get(name, f"question {name}"), {}) for name in grades)
    return Judged("train", documents, queries, grades)


def lesson(data: Judged, *, twins: dict[str, str] | None = None, families: dict[str, str] | None = None) -> Lesson:
    own = {query.id: query.id for query in data.queries}
    return Lesson(
        documents=data.documents,
        pairs=pairs_of(data),
        answers={query.id: data.answers(query.id) for query in data.queries},
        wrong={query.id: tuple(name for name, grade in data.grades[query.id].items() if grade <= 0) for query in data.queries},
        family_of=own | (families or {}),
        twin_of=own | (twins or {}),
        validation=data,
        notes=(),
    )


def test_every_row_comes_once_an_epoch_in_an_order_of_its_own() -> None:
    blockers = [(row, 1000 + row // 3) for row in range(100)]
    first, second = (arrange(blockers, [0] * 100, size=16, seed=1, epoch=epoch) for epoch in (0, 1))

    for batches in (first, second):
        assert sorted(row for batch in batches for row in batch) == list(range(100))
        assert len(batches) == 7
    assert first != second
    assert first == arrange(blockers, [0] * 100, size=16, seed=1, epoch=0)


def test_no_batch_holds_two_family_mates_or_one_answer_twice() -> None:
    blockers = [(row % 40, 1000 + row // 4) for row in range(130)]
    batches = arrange(blockers, [0] * 130, size=16, seed=1, epoch=0)

    for batch in batches:
        assert max(Counter(number for row in batch for number in blockers[row]).values()) == 1


def test_one_family_for_all_still_gives_whole_batches() -> None:
    batches = arrange([(row, 7) for row in range(50)], [0] * 50, size=16, seed=1, epoch=0)

    assert sorted(len(batch) for batch in batches) == [12, 12, 13, 13]


def test_replayed_rows_stand_among_their_own() -> None:
    groups = [0] * 50 + [1] * 20
    batches = arrange([(row,) for row in range(70)], groups, size=16, seed=1, epoch=0)

    assert all(len({groups[row] for row in batch}) == 1 for batch in batches)
    assert len(batches) == 4 + 2


def test_several_processes_get_as_many_batches_each() -> None:
    assert len(arrange([(row,) for row in range(70)], [0] * 70, size=16, seed=1, epoch=0, multiple=2)) == 6


def test_planted_answers_in_the_batch_are_masked() -> None:
    """Query a is answered by x and y, b by y, c asks what a asks in other words: none of these is a negative of the others."""
    data = judged({"a": {"x": 1, "y": 1}, "b": {"y": 1}, "c": {"z": 1}, "d": {"w": 1}})
    table = build(lesson(data, twins={"c": "a"}), pairs_of(data))
    rows = [row for row, (query, document) in enumerate(table.rows) if table.document_ids[document] != "y" or query]
    mask = table.blocked(rows)
    names = [table.document_ids[table.rows[row, 1]] for row in rows]

    assert names == ["x", "y", "z", "w"]
    assert mask.tolist() == [
        [False, True, True, False],  # a: y and z answer it too
        [False, False, False, False],  # b
        [True, True, False, False],  # c: x and y answer a, which asks the same
        [False, False, False, False],  # d
    ]


def test_one_document_in_two_columns_counts_once() -> None:
    data = judged({"a": {"x": 1}, "b": {"y": 1}})
    table = build(lesson(data), pairs_of(data)).with_negatives(np.array([[1], [0]]))

    assert table.blocked([0, 1]).tolist() == [[False, False, True, True], [False, False, True, True]]


def test_a_row_keeps_its_answer_even_where_the_batch_has_it_twice() -> None:
    data = judged({"a": {"x": 1}, "b": {"x": 1}, "c": {"z": 1}})
    mask = build(lesson(data), pairs_of(data)).blocked([0, 1, 2])

    assert mask.tolist() == [[False, True, False], [True, False, False], [False, True, False]]


def test_grades_and_weights_say_what_a_pair_counts() -> None:
    data = judged({"a": {"x": 4, "y": 1}, "b": {"y": 2, "z": 0}})
    pairs = pairs_of(data, {("a", "x"): 0.5, ("a", "y"): 0.0})

    assert [(pair.query, pair.document, pair.weight) for pair in pairs] == [("a", "x", 0.5), ("b", "y", 0.5)]
    assert build(lesson(data), pairs).weights.mean() == pytest.approx(1)


def test_what_was_judged_wrong_is_a_known_negative() -> None:
    data = judged({"a": {"x": 4, "z": 0}, "b": {"y": 2}})
    pairs = pairs_of(data)
    table = build(lesson(data), pairs)

    assert known_wrong(lesson(data), table, pairs) == [[table.document_ids.index("z")], []]


def test_replayed_pairs_are_a_group_with_negatives_of_their_own() -> None:
    data = judged({"a": {"x": 1}, "b": {"y": 1}})
    table = build(lesson(data), pairs_of(data)).with_negatives(np.array([[1], [0]]))
    longer = with_replay(table, [("q1", "d1"), ("q2", "d2")])

    assert longer.groups.tolist() == [0, 0, REPLAY, REPLAY]
    assert [longer.documents[number] for number in longer.rows[2, 1:]] == ["d1", "d2"]
    assert longer.queries[longer.rows[3, 0]] == "q2"
    assert longer.weights.mean() == pytest.approx(1)
    assert len(set(longer.blockers()[2]) & set(longer.blockers()[3])) == 0


def with_sentences(count: int) -> Lesson:
    """``count`` records of one sentence of eight words, the first two of them asked for, and one too short to crop."""
    grades = {"q0": {"d0": 1.0}, "q1": {"d1": 1.0}}
    sentences = [" ".join(f"word{row}x{place}" for place in range(8)) for row in range(count)]
    documents = tuple(Document(f"d{row}", "", text, {}) for row, text in enumerate([*sentences, "two words"]))
    queries = (Query("q0", "first", {}), Query("q1", "second", {}))
    return lesson(Judged("train", documents, queries, grades))


def test_crops_are_words_of_their_own_records_and_the_same_for_the_same_seed() -> None:
    whole = with_sentences(6)
    texts = {document.id: document.text.split() for document in whole.documents}
    crops = crops_of(whole, count=100, seed=1)

    assert {identifier for _, identifier in crops} == {f"d{row}" for row in range(6)}  # d6 is too short
    for text, identifier in crops:
        assert set(text.split()) <= set(texts[identifier])
        assert len(text.split()) >= 3
    assert crops == crops_of(whole, count=100, seed=1)
    assert crops != crops_of(whole, count=100, seed=2)
    assert len(crops_of(whole, count=3, seed=1)) <= 3


def test_a_cropped_record_is_a_row_of_its_own_and_never_a_negative_of_whom_it_answers() -> None:
    whole = with_sentences(4)
    table = with_crops(build(whole, whole.pairs), [("crop of the first", "d0"), ("crop of the third", "d2")])

    assert table.queries[2:] == ("crop of the first", "crop of the third")
    assert table.rows[2:].tolist() == [[2, 0], [3, 2]]
    assert table.groups.tolist() == [DOMAIN] * 4
    assert len(set(table.families.tolist())) == 4
    assert table.blockers()[0][0] == table.blockers()[2][0]  # the first pair and the crop of its answer never share a batch
    assert table.blocked([0, 2])[0].tolist() == [False, True]  # and if they did, its record would not count against it
    assert not table.blocked([0, 3]).any()


def test_crops_get_negatives_where_the_pairs_have_some() -> None:
    whole = with_sentences(4)
    table = build(whole, whole.pairs).with_negatives(np.asarray([[3], [3]]))

    assert with_crops(table, [("one", "d0"), ("two", "d2")]).rows[2:].tolist() == [[2, 0, 2], [3, 2, 0]]
    assert with_crops(table, []) is table
