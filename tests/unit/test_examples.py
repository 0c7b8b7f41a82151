"""What an adapter learns from: copies count as one, known answers are never negatives, and nonsense is refused."""

from __future__ import annotations

import numpy as np
import pytest
from transvase.core.errors import BadValue, Unfit
from transvase.core.training.frozen.examples import Examples, choices

SOURCE = np.random.default_rng(3)
QUERIES = SOURCE.standard_normal((6, 4), dtype=np.float32)
DOCUMENTS = SOURCE.standard_normal((10, 4), dtype=np.float32)
PAIRS = np.array([[0, 0], [1, 1], [2, 2], [0, 3]], dtype=np.intp)


def rows(*pairs: tuple[int, int]) -> np.ndarray:
    return np.array(pairs, dtype=np.intp).reshape(-1, 2)


def forbidden(found, pairs: np.ndarray, shown: np.ndarray) -> set[tuple[int, int]]:
    mask = found.forbidden(pairs, shown)
    return {(int(query), int(shown[column])) for query, column in zip(*np.nonzero(mask), strict=True)}


def test_another_answer_to_the_query_is_no_negative() -> None:
    found = choices(Examples(queries=QUERIES, documents=DOCUMENTS, pairs=PAIRS, known=rows((1, 7), (5, 9))))
    everything = np.arange(10)
    assert forbidden(found, found.pairs, everything) == {(0, 3), (1, 7), (3, 0)}
    assert forbidden(found, found.pairs, np.array([0, 1, 2, 3, 9])) == {(0, 3), (3, 0)}, "7 is not shown"


def test_copies_of_a_document_are_one_document() -> None:
    documents = DOCUMENTS.copy()
    documents[[5, 8]] = documents[1]
    found = choices(Examples(queries=QUERIES, documents=documents, pairs=rows((0, 5), (1, 1), (2, 8))))
    assert found.pairs.tolist() == [[0, 1], [1, 1], [2, 1]]
    assert found.corpus.tolist() == [0, 1, 2, 3, 4, 6, 7, 9], "none is its own copy's negative"


def test_a_query_that_was_asked_twice_has_the_answers_of_both() -> None:
    queries = QUERIES.copy()
    queries[4] = queries[0]
    found = choices(Examples(queries=queries, documents=DOCUMENTS, pairs=rows((0, 0), (4, 6))))
    assert forbidden(found, found.pairs, np.arange(10)) == {(0, 6), (1, 0)}


def test_what_a_batch_chooses_from_holds_its_own_documents() -> None:
    found = choices(Examples(queries=QUERIES, documents=DOCUMENTS, pairs=PAIRS))
    for seed in range(20):
        shown = found.shown(found.pairs, others=3, source=np.random.default_rng(seed))
        assert {0, 1, 2, 3} <= set(shown.tolist())
        assert (np.diff(shown) > 0).all()
    assert found.shown(found.pairs, others=10, source=np.random.default_rng(0)).tolist() == list(range(10))


def test_a_pair_of_no_weight_is_not_learnt_from_and_still_known() -> None:
    found = choices(Examples(queries=QUERIES, documents=DOCUMENTS, pairs=PAIRS, weights=np.array([1, 1, 0.5, 0], np.float32)))
    assert found.pairs.tolist() == [[0, 0], [1, 1], [2, 2]]
    assert found.weights.tolist() == [1, 1, 0.5]
    assert forbidden(found, found.pairs, np.arange(10)) == {(0, 3)}


NAN = np.full((2, 4), np.nan, np.float32)
WRONG: dict[str, dict[str, np.ndarray]] = {
    "another dimension": {"documents": np.ones((3, 5), np.float32)},
    "a single vector": {"queries": np.ones(4, np.float32)},
    "double precision": {"queries": QUERIES.astype(np.float64)},
    "values that are not finite": {"documents": NAN},
    "a row that is not there": {"pairs": rows((0, 10))},
    "a row below 0": {"pairs": rows((-1, 0))},
    "a known row that is not there": {"known": rows((6, 0))},
    "no rows": {"pairs": np.ones((2, 2))},
    "three of them": {"pairs": np.ones((2, 3), np.intp)},
    "too few weights": {"weights": np.ones(3, np.float32)},
    "a weight below 0": {"weights": np.array([1, 1, 1, -1], np.float32)},
    "a weight that is not finite": {"weights": np.array([1, 1, 1, np.inf], np.float32)},
}


@pytest.mark.parametrize("wrong", WRONG.values(), ids=WRONG.keys())
def test_examples_that_do_not_belong_together_are_a_bad_value(wrong: dict[str, np.ndarray]) -> None:
    with pytest.raises(BadValue):
        choices(Examples(**({"queries": QUERIES, "documents": DOCUMENTS, "pairs": PAIRS} | wrong)))


@pytest.mark.parametrize(
    "nothing",
    [{"pairs": rows()}, {"weights": np.zeros(4, np.float32)}, {"documents": np.ones((10, 4), np.float32)}],
    ids=["no pairs", "no weight", "one document"],
)
def test_where_nothing_can_be_learnt_it_is_said(nothing: dict[str, np.ndarray]) -> None:
    with pytest.raises(Unfit, match="nothing can be learnt"):
        choices(Examples(**({"queries": QUERIES, "documents": DOCUMENTS, "pairs": PAIRS} | nothing)))
