"""The figures of a ranking, against the reference implementation and against hand-made cases."""

from __future__ import annotations

import ir_measures
import numpy as np
import pytest
from ir_measures import RR, P, R, nDCG
from transvase.core.errors import BadValue
from transvase.core.evaluation.metrics import gains, mrr, ndcg, precision, recall, score
from transvase.core.evaluation.ranking import nearest


def random_case(seed: int) -> tuple[list[list[str]], list[dict[str, float]]]:
    """Rankings by coarse random scores (so that many tie, the larger id first, as trec_eval does) and grades from -1 to 3."""
    rng = np.random.default_rng(seed)
    documents = [f"d{number:03d}" for number in range(60)]
    rankings, grades = [], []
    for _ in range(40):
        scores = dict(zip(documents, rng.integers(0, 8, size=60).tolist(), strict=True))
        chosen = rng.choice(documents, size=int(rng.integers(5, 60)), replace=False).tolist()
        rankings.append(sorted(chosen, key=lambda document: (scores[document], document), reverse=True))
        judged = rng.choice(documents, size=int(rng.integers(1, 30)), replace=False).tolist()
        grades.append({document: float(rng.integers(-1, 4)) for document in judged} | {judged[0]: 1.0})
    return rankings, grades


@pytest.mark.parametrize("seed", [1, 2, 3])
@pytest.mark.parametrize("k", [1, 5, 10, 25])
def test_all_figures_are_those_of_trec_eval(seed: int, k: int) -> None:
    rankings, grades = random_case(seed)
    qrels = {f"q{row}": {document: int(grade) for document, grade in judged.items()} for row, judged in enumerate(grades)}
    run = {f"q{row}": {document: float(-place) for place, document in enumerate(found)} for row, found in enumerate(rankings)}
    of = gains(rankings, grades)
    ours = {nDCG @ k: ndcg(of, k), R @ k: recall(of, k), P @ k: precision(of, k), RR @ k: mrr(of, k)}

    for metric in ir_measures.iter_calc(list(ours), qrels, run):
        assert ours[metric.measure][int(metric.query_id[1:])] == pytest.approx(metric.value, abs=1e-9), metric


def test_a_perfect_ranking_scores_one_and_an_empty_one_nothing() -> None:
    of = gains([["a", "b"], []], [{"a": 3.0, "b": 1.0}, {"a": 1.0}])

    assert ndcg(of, 10).tolist() == [1.0, 0.0]
    assert recall(of, 10).tolist() == [1.0, 0.0]
    assert mrr(of, 10).tolist() == [1.0, 0.0]
    assert precision(of, 5).tolist() == [0.4, 0.0]


def test_grades_count_and_not_only_whether_something_is_an_answer() -> None:
    judged = {"best": 3.0, "good": 1.0}
    right, wrong = ndcg(gains([["best", "good"], ["good", "best"]], [judged, judged]), 10)

    assert right == 1.0
    assert wrong == pytest.approx((1 + 3 / np.log2(3)) / (3 + 1 / np.log2(3)))


@pytest.mark.parametrize("block", [1, 7, 64, 500])
def test_ranking_in_blocks_gives_what_one_sort_of_everything_gives(block: int) -> None:
    rng = np.random.default_rng(4)
    queries = rng.integers(-2, 3, size=(9, 4)).astype(np.float32)
    documents = rng.integers(-2, 3, size=(300, 4)).astype(np.float32)  # few values: many equal scores, some zero vectors
    rows, scores = nearest(queries, (documents[at : at + block] for at in range(0, 300, block)), k=10)
    lengths = np.linalg.norm(documents, axis=1, keepdims=True)
    whole = (
        queries / np.maximum(np.linalg.norm(queries, axis=1, keepdims=True), 1e-9) @ (documents / np.where(lengths, lengths, 1)).T
    )

    assert scores == pytest.approx(-np.sort(-whole, axis=1)[:, :10], abs=1e-6)
    assert np.take_along_axis(whole, rows, axis=1) == pytest.approx(scores, abs=1e-6)
    assert all(len(set(ranking)) == 10 for ranking in rows.tolist())


@pytest.mark.parametrize("k", [1, 10, 299])
def test_queries_are_taken_in_blocks_too(monkeypatch: pytest.MonkeyPatch, k: int) -> None:
    """However few scores are held at a time, the answer is the same."""
    rng = np.random.default_rng(5)
    queries, documents = (rng.integers(-2, 3, size=(n, 4)).astype(np.float32) for n in (23, 300))
    whole = nearest(queries, [documents], k=k)
    monkeypatch.setattr("transvase.core.evaluation.ranking.CELLS", 200)
    rows, scores = nearest(queries, (documents[at : at + 64] for at in range(0, 300, 64)), k=k)

    assert rows.tolist() == whole[0].tolist()
    assert scores == pytest.approx(whole[1], abs=1e-6)


def test_nothing_cannot_be_asked_for() -> None:
    with pytest.raises(BadValue, match="at least one"):
        nearest(np.eye(2, dtype=np.float32), [np.eye(2, dtype=np.float32)], k=0)


def test_further_cut_offs_stand_beside_the_standing_figures() -> None:
    found = score(gains([["a", "b", "c"]], [{"c": 1.0}]), ks=(2, 3))

    assert {name: float(scores[0]) for name, scores in found.items() if name.startswith("recall")} == {
        "recall@10": 1.0,
        "recall@2": 0.0,
        "recall@3": 1.0,
    }
    assert list(found)[:4] == ["ndcg@10", "recall@10", "mrr@10", "precision@5"]


def test_equal_scores_keep_the_order_of_the_corpus() -> None:
    same = np.ones((50, 3), dtype=np.float32)
    rows, _ = nearest(same[:1], [same[:20], same[20:]], k=5)

    assert rows.tolist() == [[0, 1, 2, 3, 4]]


def test_a_corpus_smaller_than_k_is_ranked_whole() -> None:
    rows, _ = nearest(np.eye(3, dtype=np.float32)[:1], [np.eye(3, dtype=np.float32)], k=10)

    assert rows.tolist() == [[0, 1, 2]]
