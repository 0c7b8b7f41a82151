"""Rows, masks and batches: nothing known to answer a query is ever its negative, whatever stands beside it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from transvase.core.evaluation import Document, Judged, Query
from transvase.core.training.lessons.alike import look_alikes
from transvase.core.training.lessons.crops import crops_of
from transvase.core.training.lessons.lesson import Lesson
from transvase.core.training.lessons.pairs import ASKED, pairs_of
from transvase.core.training.lessons.table import DOMAIN, REPLAY, Stake, build, known_wrong, with_crops, with_replay
from transvase.core.training.tuning.batches import Plan, arrange, count


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


def plan(
    answers: list[int], families: list[int], *, groups: list[int] | None = None, alike: list[list[int]] | None = None
) -> Plan:
    stakes = [Stake(*row) for row in zip(answers, families, groups or [DOMAIN] * len(answers), strict=True)]
    return Plan(stakes, alike or [[] for _ in stakes])


def test_every_row_comes_once_an_epoch_in_an_order_of_its_own() -> None:
    rows = plan(list(range(100)), [row // 3 for row in range(100)])
    first, second = (arrange(rows, size=16, seed=1, epoch=epoch) for epoch in (0, 1))

    for batches in (first, second):
        assert sorted(row for batch in batches for row in batch) == list(range(100))
        assert len(batches) == 7 == count(rows.stakes, size=16)
    assert first != second
    assert first == arrange(rows, size=16, seed=1, epoch=0)


def test_questions_of_one_answer_stand_together_and_no_answer_comes_twice() -> None:
    """An answer has four questions, of one family, and one has ten; 26 answers then come in 28 parts."""
    answers = [row // 4 for row in range(100)] + [25] * 10
    rows = plan(answers, answers)
    batches = arrange(rows, size=8, seed=1, epoch=0)

    assert sorted(row for batch in batches for row in batch) == list(range(110))
    assert len(batches) == 4 == count(rows.stakes, size=8)
    for batch in batches:
        asked = Counter(answers[row] for row in batch)
        assert len(asked) <= 8
        assert all(number == 4 for answer, number in asked.items() if answer != 25)
        assert asked[25] <= ASKED


def test_no_batch_holds_two_answers_of_one_family() -> None:
    families = [row // 4 for row in range(130)]
    batches = arrange(plan(list(range(130)), families), size=16, seed=1, epoch=0)

    for batch in batches:
        assert max(Counter(families[row] for row in batch).values()) == 1


def test_look_alikes_stand_together_but_for_those_of_one_family() -> None:
    """Answers come in tens that are alike; of each ten the second is of the first one's family."""
    families = [row - row % 10 if row % 10 < 2 else row for row in range(640)]
    alike = [[row - row % 10 + step for step in range(10)] for row in range(640)]
    rows = plan(list(range(640)), families, alike=alike)
    together, apart = (
        [Counter(row // 10 for row in batch) for batch in arrange(one, size=64, seed=1, epoch=0)]
        for one in (rows, plan(list(range(640)), families))
    )

    assert sum(max(tens.values()) >= 8 for tens in together) == len(together)
    assert all(max(tens.values()) < 6 for tens in apart)
    for batch in arrange(rows, size=64, seed=1, epoch=0):
        assert max(Counter(families[row] for row in batch).values()) == 1


def test_one_family_for_all_still_gives_whole_batches() -> None:
    batches = arrange(plan(list(range(50)), [7] * 50), size=16, seed=1, epoch=0)

    assert sorted(len(batch) for batch in batches) == [12, 12, 13, 13]


def test_replayed_rows_stand_among_their_own() -> None:
    groups = [DOMAIN] * 50 + [REPLAY] * 20
    rows = plan(list(range(70)), list(range(70)), groups=groups)
    batches = arrange(rows, size=16, seed=1, epoch=0)

    assert all(len({groups[row] for row in batch}) == 1 for batch in batches)
    assert len(batches) == 4 + 2 == count(rows.stakes, size=16)


def test_several_processes_get_as_many_batches_each() -> None:
    assert len(arrange(plan(list(range(70)), list(range(70))), size=16, seed=1, epoch=0, multiple=2)) == 6


def test_a_question_is_mistaken_for_those_whose_answers_have_its_words() -> None:
    texts = {"x": "red paint", "y": "red wine", "z": "blue sky"}
    documents = tuple(Document(name, "", text, {}) for name, text in texts.items())
    queries = (Query("a", "red paint please", {}), Query("b", "a wine", {}), Query("c", "zebra", {}))
    data = Judged("train", documents, queries, {"a": {"x": 1.0}, "b": {"y": 1.0}, "c": {"z": 1.0}})
    table = with_replay(build(lesson(data), pairs_of(data)), [("red", "wine")])

    assert look_alikes(table, seed=1) == [[0, 1], [1], [], []]


def test_planted_answers_in_the_batch_are_masked() -> None:
    """Query a is answered by x and y, b by y, c asks what a asks in other words: none of these is a negative of the others."""
    data = judged({"a": {"x": 1, "y": 1}, "b": {"y": 1}, "c": {"z": 1}, "d": {"w": 1}})
    table = build(lesson(data, twins={"c": "a"}), pairs_of(data))
    rows = [row for row, (query, document) in enumerate(table.rows) if table.document_ids[document] != "y" or query]
    laid = table.laid(rows)
    mask, names = laid.blocked, [table.document_ids[number] for number in laid.documents]

    assert names == ["x", "y", "z", "w"]
    assert mask.tolist() == [
        [False, True, True, False],  # a: y and z answer it too
        [False, False, False, False],  # b
        [True, True, False, False],  # c: x and y answer a, which asks the same
        [False, False, False, False],  # d
    ]


def test_one_document_in_two_columns_comes_once() -> None:
    data = judged({"a": {"x": 1}, "b": {"y": 1}})
    laid = build(lesson(data), pairs_of(data)).with_negatives(np.array([[1], [0]])).laid([0, 1])

    assert laid.documents.tolist() == [0, 1]
    assert laid.places.tolist() == [[0, 1], [1, 0]]
    assert not laid.blocked.any()


def test_an_answer_brings_the_negatives_of_one_of_its_questions_where_they_are_shared() -> None:
    """Two questions with one answer and a negative each: whichever comes first brings its own, masked where it is an answer."""
    data = judged({"a": {"x": 1}, "b": {"x": 1, "y": 1}, "c": {"z": 1}})
    rows = [row for row, pair in enumerate(pairs_of(data)) if pair.document != "y"]
    table = build(lesson(data), [pairs_of(data)[row] for row in rows]).with_negatives(np.array([[1], [2], [0]]))
    each, one = table.laid([0, 1, 2]), replace(table, shared=True).laid([1, 0, 2])
    first = replace(table, shared=True).laid([0, 1, 2])

    assert each.documents.tolist() == [0, 2, 1]
    assert one.documents.tolist() == [0, 2]
    assert one.places.tolist() == [[0, 1], [0, 1], [1, 0]]
    assert first.documents.tolist() == [0, 2, 1]
    assert first.blocked.tolist() == [[False, False, False], [False, False, True], [False, False, False]]


def test_mined_neighbours_stand_together_instead_of_those_that_words_find() -> None:
    data = judged({"a": {"boiler": 1}, "b": {"invoice": 1}, "c": {"valve": 1}}, texts={"a": "where is the invoice"})
    table = build(lesson(data), pairs_of(data))
    told = table.with_negatives(np.array([[1], [2], [0]]), neighbours=np.array([[2, -1], [-1, -1], [0, 1]]))

    assert look_alikes(table, seed=1)[0][0] == 1
    assert look_alikes(told, seed=1) == [[2], [], [0, 1]]
    assert look_alikes(with_replay(told, [("what is replayed?", "this")]), seed=1)[-1] == []


def test_two_questions_share_their_answer_and_neither_has_it_for_a_negative() -> None:
    data = judged({"a": {"x": 1}, "b": {"x": 1}, "c": {"z": 1}})
    laid = build(lesson(data), pairs_of(data)).laid([0, 1, 2])

    assert laid.documents.tolist() == [0, 1]
    assert laid.places.tolist() == [[0], [0], [1]]
    assert not laid.blocked.any()


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
    assert len({stake.family for stake in longer.stakes()[2:]}) == 2


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

    assert {identifier for _, identifier in crops} == {f"d{row}" for row in range(2, 6)}  # two are asked for, d6 is too short
    for text, identifier in crops:
        assert set(text.split()) <= set(texts[identifier])
        assert len(text.split()) >= 3
    assert crops == crops_of(whole, count=100, seed=1)
    assert crops != crops_of(whole, count=100, seed=2)
    assert len(crops_of(whole, count=3, seed=1)) <= 3


def test_words_that_other_records_have_as_well_are_no_crop() -> None:
    whole = with_sentences(12)
    shared = "return None if there is nothing else to say"
    alike = tuple(Document(f"s{row}", "", f"{shared}. Number {row}.", {}) for row in range(9))
    crops = crops_of(replace(whole, documents=(*whole.documents, *alike)), count=100, seed=1)

    assert {identifier for _, identifier in crops} == {f"d{row}" for row in range(2, 12)}
    assert crops_of(replace(whole, documents=whole.documents[:2]), count=100, seed=1) == []


def test_a_cropped_record_is_a_row_of_its_own_and_never_a_negative_of_whom_it_answers() -> None:
    whole = with_sentences(4)
    table = with_crops(build(whole, whole.pairs), [("crop of the first", "d0"), ("crop of the third", "d2")])

    assert table.queries[2:] == ("crop of the first", "crop of the third")
    assert table.rows[2:].tolist() == [[2, 0], [3, 2]]
    assert table.groups.tolist() == [DOMAIN] * 4
    assert len(set(table.families.tolist())) == 4
    assert table.stakes()[0].answer == table.stakes()[2].answer  # so both stand with the one record in a batch
    assert table.laid([0, 2]).documents.tolist() == [0]
    assert not table.laid([0, 3]).blocked.any()


def test_crops_get_negatives_where_the_pairs_have_some() -> None:
    whole = with_sentences(4)
    table = build(whole, whole.pairs).with_negatives(np.asarray([[3], [3]]))

    assert with_crops(table, [("one", "d0"), ("two", "d2")]).rows[2:].tolist() == [[2, 0, 2], [3, 2, 0]]
    assert with_crops(table, []) is table
