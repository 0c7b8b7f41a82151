"""The identity of a vector space, and the matrix that cannot forget it."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest
from transvase.core.errors import BadValue, SpaceMismatch
from transvase.core.space import Side, Space, Vectors, cosines

SPACE = Space(
    weights="w",
    tokenizer="t",
    modules="m",
    pooling="mean",
    query_prompt="query: ",
    document_prompt="",
    normalised=True,
    max_length=256,
    dimension=4,
)
OTHER = {
    "weights": "w2", "tokenizer": "t2", "modules": "m2", "pooling": "cls", "query_prompt": "", "document_prompt": "passage: ",
    "normalised": False, "max_length": 128, "dimension": 5, "derived_from": "s0",
    "documents_of": "s1",
}  # fmt: skip


def rows(*values: list[float], space: Space = SPACE) -> Vectors:
    return Vectors(space, np.array(values, dtype=np.float32).reshape(len(values), -1))


@pytest.mark.parametrize("fact", [field.name for field in dataclasses.fields(Space)])
def test_every_fact_of_a_space_changes_its_id(fact: str) -> None:
    assert dataclasses.replace(SPACE, **{fact: OTHER[fact]}).id != SPACE.id


def test_equal_facts_give_equal_ids() -> None:
    assert dataclasses.replace(SPACE).id == SPACE.id
    assert SPACE.id == "s28ed36f01800f828", "ids are stored in databases: they must never change by themselves"


def test_a_space_comes_back_from_json() -> None:
    assert Space.from_json(json.loads(json.dumps(SPACE.as_json()))) == SPACE


@pytest.mark.parametrize("change", [{"pooling": "cls"}, {"id": "s0"}, {"surplus": 1}, {"max_length": "256"}])
def test_a_record_that_was_edited_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(BadValue):
        Space.from_json(SPACE.as_json() | change)


def test_a_fact_that_says_nothing_is_not_written() -> None:
    """Records from before there were Spaces that share documents stay as they are, and so do their ids."""
    assert "documents_of" not in SPACE.as_json()
    assert "documents_of" in dataclasses.replace(SPACE, documents_of="s1").as_json()


def test_a_moved_space_is_another_space_and_knows_its_origin() -> None:
    moved = SPACE.adapted("matrix", dimension=2, side=Side.BOTH)
    assert (moved.dimension, moved.derived_from, moved.documents) == (2, SPACE.id, moved.id)
    assert moved.id not in {SPACE.id, SPACE.adapted("another", dimension=2, side=Side.BOTH).id}


def test_a_space_whose_queries_alone_are_moved_shares_its_documents() -> None:
    asked = SPACE.adapted("matrix", dimension=4, side=Side.QUERY)
    assert (asked.derived_from, asked.documents_of, asked.documents) == ("", SPACE.id, SPACE.documents)
    assert asked.adapted("more", dimension=4, side=Side.QUERY).documents_of == SPACE.id, "the root, however long the chain"
    assert len({SPACE.id, asked.id, SPACE.adapted("matrix", dimension=4, side=Side.BOTH).id}) == 3


@pytest.mark.parametrize(("dimension", "side"), [(0, Side.BOTH), (-1, Side.BOTH), (3, Side.QUERY), (5, Side.QUERY)])
def test_no_matrix_leads_to_such_a_dimension(dimension: int, side: Side) -> None:
    with pytest.raises(BadValue, match="dimension"):
        SPACE.adapted("matrix", dimension=dimension, side=side)


def test_vectors_are_not_handed_to_another_space() -> None:
    with pytest.raises(SpaceMismatch, match="must never be compared"):
        rows([1, 0, 0, 0]).of(dataclasses.replace(SPACE, weights="w2"), where="the index")


def test_vectors_are_not_handed_to_an_index_of_unknown_space() -> None:
    with pytest.raises(SpaceMismatch):
        rows([1, 0, 0, 0]).of(None, where="the index")


@pytest.mark.parametrize("matrix", [np.zeros(4, np.float32), np.zeros((1, 4)), np.zeros((1, 3), np.float32)])
def test_only_a_float32_matrix_wide_enough_makes_vectors(matrix: np.ndarray) -> None:
    with pytest.raises(BadValue):
        Vectors(SPACE, matrix)


def test_the_fence_changes_no_cosine() -> None:
    plain, fenced = rows([1, 2, 3, 4], [4, 3, 2, 1]), rows([1, 2, 3, 4, 0], [4, 3, 2, 1, 0])
    assert cosines(plain, fenced) == pytest.approx([1.0, 1.0])
    assert fenced.width == 5


def test_a_zero_or_broken_vector_has_no_cosine_with_anything() -> None:
    broken = rows([0, 0, 0, 0], [np.nan, 0, 0, 0], [np.inf, 0, 0, 0])
    assert cosines(broken, rows(*[[1, 0, 0, 0]] * 3)).tolist() == [0, 0, 0]


def test_cosines_across_spaces_are_refused() -> None:
    with pytest.raises(SpaceMismatch):
        cosines(rows([1, 0, 0, 0]), rows([1, 0, 0, 0], space=dataclasses.replace(SPACE, weights="w2")))


def test_rows_are_taken_in_the_order_asked_for() -> None:
    taken = rows([1, 0, 0, 0], [2, 0, 0, 0], [3, 0, 0, 0]).take([2, 0])
    assert taken.matrix[:, 0].tolist() == [3, 1]
    assert len(taken.take([])) == 0
