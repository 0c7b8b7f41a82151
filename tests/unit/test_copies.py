"""Copies: a text that lies in the corpus under several ids is taught as one, and is never taken for wrong where it is right."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from transvase.core.training.lessons.alike import look_alikes
from transvase.core.training.lessons.crops import crops_of
from transvase.core.training.lessons.lesson import Lesson, prepare
from transvase.core.training.lessons.negatives import mine
from transvase.core.training.lessons.table import REPLAY, Table, build, known_wrong, with_crops, with_replay
from transvase.core.training.tuning.batches import Plan, arrange

COUNT = 80
"""Records that are asked for, each second one a copy of the one before; as many again that nobody asks for, copies too."""


def sentence(row: int) -> str:
    """Eight words, the same for a record and its copy."""
    return " ".join(f"word{row - row % 2}x{place}" for place in range(8))


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A copy differs in case, spacing and what stands at its end, which tell nothing; q1 calls a copy of its answer wrong."""
    (tmp_path / "qrels").mkdir()
    texts = [f"{sentence(row)}." if row % 2 else f" {sentence(row).upper()}" for row in range(2 * COUNT)]
    rows = [{"_id": f"d{row}", "text": text} for row, text in enumerate(texts)]
    asked = [{"_id": f"q{row}", "text": f"question {row}", "metadata": {"family": f"f{row}"}} for row in range(COUNT + 1)]
    for name, lines in (("corpus", rows), ("queries", asked)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    train = [*(f"q{row}\td{row}\t1" for row in range(COUNT)), "q1\td0\t0", "q1\td5\t0", "q0\td1\t2"]
    for split, judged in (("train", train), ("dev", [f"q{COUNT}\td{COUNT}\t1"])):
        lines = ["query-id\tcorpus-id\tscore", *judged]
        (tmp_path / "qrels" / f"{split}.tsv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return tmp_path


@pytest.fixture
def lesson(data: Path) -> Lesson:
    return prepare(data, seed=1)


def words(table: Table, number: int) -> str:
    return table.documents[number].strip(" .").casefold()


def unmasked_copies(table: Table) -> int:
    """Documents of a batch that are no row's own, have its answer's words, and would be its negatives."""
    found = 0
    for batch in arrange(Plan(table.stakes(), look_alikes(table, seed=1)), size=32, seed=1, epoch=0):
        laid = table.laid(batch)
        held = [words(table, number) for number in laid.documents]
        for place, row in enumerate(batch):
            own = words(table, table.rows[row, 1])
            found += sum(
                text == own and column != laid.places[place, 0] and not laid.blocked[place, column]
                for column, text in enumerate(held)
            )
    return found


def test_no_copy_of_an_answer_stands_in_its_batch_as_a_negative(lesson: Lesson) -> None:
    table = build(lesson, lesson.pairs)
    crops = crops_of(lesson, count=COUNT, seed=1)
    replayed = [(f"general {row // 4}", f"Answer {row // 2}{'.' * (row % 2)}") for row in range(80)]

    assert len(table) == COUNT
    assert len(crops) == COUNT // 2, "a record that lies there twice can be told from all others"
    assert unmasked_copies(with_replay(with_crops(table, crops), replayed)) == 0


def test_each_text_is_taught_once_and_it_is_said(lesson: Lesson) -> None:
    assert [document.id for document in lesson.documents] == [f"d{row}" for row in range(0, 2 * COUNT, 2)]
    assert [(pair.document, pair.weight) for pair in lesson.pairs[:2]] == [("d0", 1.0), ("d0", 0.5)]
    assert any(note.startswith("80 of 160 records") for note in lesson.notes)
    assert {document.id for document in lesson.validation.documents} == {f"d{row}" for row in range(2 * COUNT)}


def test_a_copy_of_an_answer_that_was_judged_wrong_is_no_known_negative(lesson: Lesson) -> None:
    table = build(lesson, lesson.pairs)
    known = known_wrong(lesson, table, lesson.pairs)

    assert [[table.document_ids[number] for number in numbers] for numbers in known[:3]] == [[], ["d4"], []]


def test_no_copy_of_an_answer_is_mined_nor_drawn_where_too_few_are_below_the_margin(lesson: Lesson) -> None:
    table = build(lesson, lesson.pairs)
    answers = [[int(row[1])] for row in table.rows]
    held = np.eye(len(table.documents), dtype=np.float32)
    drawn = mine(held[table.rows[:, 1]], held, positives=answers, avoid=table.avoid, count=60, margin=2.0).rows

    for row, numbers in enumerate(drawn):
        assert words(table, table.rows[row, 1]) not in {words(table, number) for number in numbers}


def test_what_answers_a_general_question_twice_is_no_negative_of_it(lesson: Lesson) -> None:
    table = with_replay(build(lesson, lesson.pairs), [("why?", "because"), ("Why", "therefore"), ("how", "Because.")])
    rows = np.flatnonzero(table.groups == REPLAY)
    laid = table.laid(rows.tolist())

    assert [table.documents[number] for number in laid.documents] == ["because", "therefore"]
    assert laid.blocked.tolist() == [[False, True], [True, False], [False, False]]
    assert len({stake.family for stake in table.stakes()[COUNT:]}) == 2
