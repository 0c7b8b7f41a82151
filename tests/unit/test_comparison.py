"""Paired comparison of two models, and evaluations made of it."""

from __future__ import annotations

import json
from collections.abc import Sequence

import numpy as np
import pytest
from transvase.core.errors import BadValue
from transvase.core.evaluation import Document, Judged, Query, compare, evaluate
from transvase.core.space import Role, Space, Vectors


def test_a_clear_gain_is_seen() -> None:
    rng = np.random.default_rng(1)
    first = rng.random(200)
    found = compare(first, first + 0.1 + 0.05 * rng.standard_normal(200), metric="ndcg@10", families=None)

    assert 0 < found.ci_low < found.difference < found.ci_high
    assert found.p_value < 0.001


def test_the_same_figures_differ_by_nothing() -> None:
    found = compare(np.ones(30), np.ones(30), metric="ndcg@10", families=None)

    assert (found.difference, found.ci_low, found.ci_high, found.p_value) == (0, 0, 0, 1)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    """At 95 %, at least 180 of 200 intervals hold the true difference."""
    rng = np.random.default_rng(5)
    held = 0
    for _ in range(200):
        found = compare(np.zeros(80), rng.normal(0.05, 0.3, size=80), metric="ndcg@10", families=None, rounds=400)
        held += found.ci_low <= 0.05 <= found.ci_high

    assert 180 <= held <= 198


def test_the_same_seed_gives_the_same_answer_and_another_seed_another() -> None:
    rng = np.random.default_rng(6)
    first, second = rng.random(50), rng.random(50)

    assert compare(first, second, metric="m", families=None, seed=9) == compare(first, second, metric="m", families=None, seed=9)
    assert compare(first, second, metric="m", families=None, seed=9) != compare(first, second, metric="m", families=None, seed=10)


def alike(rng: np.random.Generator, sizes: Sequence[int]) -> tuple[np.ndarray, list[str]]:
    """Differences without any on the mean, of queries whose families are answered much alike; and the families."""
    shared = np.repeat(rng.normal(0, 0.1, len(sizes)), sizes)
    return shared + rng.normal(0, 0.05, len(shared)), [f"f{row}" for row, size in enumerate(sizes) for _ in range(size)]


def test_families_of_one_are_single_queries_and_one_family_speaks_for_itself() -> None:
    rng = np.random.default_rng(9)
    first, second = rng.random(50), rng.random(50)
    alone = compare(first, second, metric="m", families=None)

    assert compare(first, second, metric="m", families=[f"f{row}" for row in range(50)]) == alone
    assert compare(first, second, metric="m", families=["f"] * 50) == alone


def test_the_order_of_queries_and_the_names_of_families_mean_nothing() -> None:
    found, families = alike(np.random.default_rng(10), (1, 2, 3, 4) * 20)
    order = np.random.default_rng(11).permutation(len(found))
    one = compare(np.zeros(len(found)), found, metric="m", families=families)
    other = compare(np.zeros(len(found)), found[order], metric="m", families=[f"x{families[row]}" for row in order])

    assert (other.ci_low, other.ci_high) == pytest.approx((one.ci_low, one.ci_high), abs=0.002)
    assert other.p_value == pytest.approx(one.p_value, abs=0.03)


def test_every_query_needs_a_family() -> None:
    with pytest.raises(BadValue, match="one family each"):
        compare(np.zeros(3), np.ones(3), metric="ndcg@10", families=["a", "b"])


def test_figures_of_different_queries_cannot_be_paired() -> None:
    with pytest.raises(BadValue, match="same queries"):
        compare(np.zeros(3), np.zeros(4), metric="ndcg@10", families=None)


class Lookup:
    """An encoder for tests: each text has a vector written down for it."""

    def __init__(self, name: str, vectors: dict[str, list[float]]) -> None:
        self.name, self._vectors = name, vectors
        self.space = Space(
            weights=name,
            tokenizer="t",
            modules="m",
            pooling="mean",
            query_prompt="",
            document_prompt="",
            normalised=False,
            max_length=8,
            dimension=2,
        )

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        return Vectors(self.space, np.array([self._vectors[text] for text in texts], dtype=np.float32))

    def tokens(self, texts: Sequence[str]) -> list[int]:
        return [1 for _ in texts]


def judged(count: int, *, apart: bool = True) -> Judged:
    """Half of the queries ask for the first document and half for the second; each in a family of its own, if ``apart``."""
    documents = tuple(Document(name, "", name, {}) for name in ("left", "right"))
    queries = tuple(
        Query(f"q{row}", f"ask {'left' if row % 2 else 'right'}", {"team": f"t{row % 2}"} | ({"family": row} if apart else {}))
        for row in range(count)
    )
    return Judged("test", documents, queries, {query.id: {query.text[4:]: 1.0} for query in queries})


GOOD = {"left": [1.0, 0.0], "right": [0.0, 1.0], "ask left": [1.0, 0.1], "ask right": [0.1, 1.0]}
BAD = GOOD | {"ask right": [1.0, 0.1]}


def test_the_last_model_is_compared_with_the_first() -> None:
    seen: list[tuple[str, int, int]] = []
    models = {"bad": Lookup("bad", BAD), "good": Lookup("good", GOOD)}
    found = evaluate(judged(60), models, split="test", progress=lambda *call: seen.append(call)).as_json()

    assert list(found["models"]) == ["bad", "good"]
    assert found["models"]["good"] == {"ndcg@10": 1.0, "recall@10": 1.0, "mrr@10": 1.0, "precision@5": pytest.approx(0.2)}
    assert found["models"]["bad"]["mrr@10"] == 0.75
    assert found["comparison"]["difference"] == pytest.approx((1 - 1 / np.log2(3)) / 2)
    assert found["comparison"]["ci_low"] > 0
    assert seen[-1] == ("evaluate good", 2, 2)
    json.dumps(found)


def test_a_question_asked_thirty_times_is_one_question() -> None:
    models = {"bad": Lookup("bad", BAD), "good": Lookup("good", GOOD)}
    found = evaluate(judged(60, apart=False), models, split="test", progress=lambda *_: None)

    assert len(set(found.families)) == 2
    assert found.comparison is not None
    assert found.comparison.difference == pytest.approx((1 - 1 / np.log2(3)) / 2)
    assert found.comparison.ci_low < 0
    assert found.comparison.p_value > 0.4
    assert found.against["bad"] == found.comparison


def test_a_slice_on_which_a_model_fails_is_told_apart() -> None:
    found = evaluate(judged(60), {"bad": Lookup("bad", BAD)}, split="test", progress=lambda *_: None).as_json()

    assert found["comparison"] is None
    assert found["slices"]["team: t1"]["models"]["bad"]["mrr@10"] == 1.0
    assert found["slices"]["team: t0"] == {
        "queries": 30,
        "models": {"bad": pytest.approx({"ndcg@10": 1 / np.log2(3), "recall@10": 1.0, "mrr@10": 0.5, "precision@5": 0.2})},
    }


def test_figures_never_go_under_the_name_of_another_split() -> None:
    with pytest.raises(BadValue, match="split"):
        evaluate(judged(4), {"good": Lookup("good", GOOD)}, split="dev", progress=lambda *_: None)
