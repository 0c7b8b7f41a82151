"""Mined negatives: hard, and as far as is known no answers."""

from __future__ import annotations

import numpy as np
import pytest
from transvase.core.errors import BadValue
from transvase.core.training.lessons.negatives import NEIGHBOURS, mine
from transvase.core.training.lessons.table import answers_to_avoid


def at(*cosines: float) -> np.ndarray:
    """Unit vectors in the plane with these cosines to the first axis."""
    return np.array([[c, np.sqrt(1 - c * c)] for c in cosines], dtype=np.float32)


QUERY = at(1.0)


def test_the_hardest_below_the_margin_are_taken_hardest_first() -> None:
    """The positive scores 0.9, so the margin ends at 0.855: 0.88 is left out as a probable answer."""
    documents = at(0.9, 0.88, 0.3, 0.85, 0.7)

    assert mine(QUERY, documents, positives=[[0]], avoid=[[]], count=2).rows.tolist() == [[3, 4]]


def test_the_margin_is_that_of_the_weakest_positive() -> None:
    documents = at(0.9, 0.5, 0.6, 0.4)

    assert mine(QUERY, documents, positives=[[0, 1]], avoid=[[]], count=1).rows.tolist() == [[3]]


def test_a_margin_below_a_negative_cosine_lies_below_it() -> None:
    documents = at(-0.5, -0.51, -0.6)

    assert mine(QUERY, documents, positives=[[0]], avoid=[[]], count=1).rows.tolist() == [[2]]


def test_what_is_known_to_answer_is_never_taken_however_it_scores() -> None:
    documents = at(0.9, 0.8, 0.7, 0.6)

    assert mine(QUERY, documents, positives=[[0, 1]], avoid=[[0, 1, 2]], count=1).rows.tolist() == [[3]]


def test_what_answers_another_wording_is_avoided_too() -> None:
    avoid = answers_to_avoid({"a": {"x"}, "b": {"y"}, "c": {"z"}}, {"a": "f", "b": "f", "c": "g"})

    assert avoid == {"a": {"x", "y"}, "b": {"x", "y"}, "c": {"z"}}


def test_a_query_with_too_few_below_the_margin_keeps_its_place() -> None:
    """Nothing lies below the margin, so what is not avoided is drawn from: the row is not dropped."""
    documents = at(0.1, 0.8, 0.9, 0.95)
    mined = mine(QUERY, documents, positives=[[0]], avoid=[[3]], count=2).rows

    assert sorted(mined[0].tolist()) == [1, 2]


def test_planted_unjudged_answers_are_mostly_left_out_by_the_margin() -> None:
    """A duplicate of each answer was never judged; without a margin it would be the hardest negative of every query."""
    rng = np.random.default_rng(1)
    answers = rng.standard_normal((300, 32)).astype(np.float32)
    twins = answers + 0.05 * rng.standard_normal((300, 32)).astype(np.float32)
    asked = answers + 0.3 * rng.standard_normal((300, 32)).astype(np.float32)
    documents = np.concatenate([answers, twins])
    positives = [[row] for row in range(300)]

    with_margin = mine(asked, documents, positives=positives, avoid=positives, count=1).rows[:, 0]
    without = mine(asked, documents, positives=positives, avoid=positives, count=1, margin=-1.0).rows[:, 0]

    assert np.mean(without == np.arange(300, 600)) > 0.95
    assert np.mean(with_margin == np.arange(300, 600)) < 0.05


def test_answers_of_another_wording_are_taken_where_nothing_else_is_left() -> None:
    assert mine(QUERY, at(0.9, 0.2, 0.3), positives=[[0]], avoid=[[0, 1, 2]], count=2).rows.tolist() == [[2, 1]]


def test_a_corpus_of_answers_alone_has_no_negatives() -> None:
    with pytest.raises(BadValue, match="too few documents"):
        mine(QUERY, at(0.9, 0.8), positives=[[0, 1]], avoid=[[]], count=1)


def test_what_shares_words_is_mined_from_beside_what_is_near() -> None:
    """A hundred documents are nearer than the last, which BM25 brings: without it nobody would look at it."""
    near = np.linspace(0.8, 0.7, 100)
    documents = at(0.95, *near, 0.1)
    only = {"positives": [[0]], "avoid": [[*range(1, 101)]], "count": 1, "seed": 3}
    first = mine(QUERY, documents, **only, lexical=np.array([[101, -1]]))

    assert first.rows.tolist() == [[101]]
    assert first.scores[0, 0] == pytest.approx(0.1, abs=1e-6)
    assert first.limits[0] == pytest.approx(0.95 * 0.95, abs=1e-6)


def test_neighbours_are_the_hardest_answers_of_other_queries_below_the_margin() -> None:
    """Of the first query's documents 1 and 4 answer others, 2 answers another but is too near, 3 answers nobody."""
    asked = np.concatenate([QUERY, at(0.5), at(0.99), at(-0.2)])
    documents = at(0.9, 0.5, 0.89, 0.7, -0.2)
    mined = mine(asked, documents, positives=[[0], [1], [2], [4]], avoid=[[], [], [], []], count=1)

    assert mined.rows[0].tolist() == [3]
    assert mined.neighbours[0].tolist() == [1, 4, *[-1] * (NEIGHBOURS - 2)]


def test_an_answer_in_other_words_is_no_neighbour() -> None:
    asked, documents = np.concatenate([QUERY, at(0.5)]), at(0.9, 0.5, 0.3)

    assert mine(asked, documents, positives=[[0], [1]], avoid=[[1], []], count=1).neighbours[0].max() == -1
