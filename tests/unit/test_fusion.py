"""Fusing two rankings: what the fused order is, that a fusion which helps is found, and that one which hurts never is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from transvase.core.errors import BadValue
from transvase.core.evaluation import Document, Judged, Query
from transvase.core.evaluation.fusion import Fusion, Hits, choose_weight, crossed, fuse, fused

DOCUMENTS = 60


def hits(*rankings: list[int]) -> Hits:
    rows = np.array(rankings, dtype=np.intp)
    return rows, np.where(rows >= 0, np.linspace(1, 0.5, rows.shape[1])[None, :], 0).astype(np.float32)


def test_scores_are_scaled_within_the_query() -> None:
    lexical = (np.array([[7, 8, 9]]), np.array([[30.0, 20.0, 10.0]], dtype=np.float32))
    dense = (np.array([[9, 8, 5]]), np.array([[0.9, 0.8, 0.1]], dtype=np.float32))
    rows, shares = fused(lexical, dense, by=Fusion(lexical=0.6), k=4)

    assert rows.tolist() == [[8, 7, 9, 5]], "8: 0.5 and 0.875; 7: 1 and nothing; 9: barely and 1"
    assert shares[0] == pytest.approx([0.65, 0.6, 0.4, 0], abs=1e-6)


def test_more_hits_than_the_usual_depth_are_fused_where_they_are_asked_for() -> None:
    lexical, dense = hits(list(range(300))), hits(list(range(100, 400)))

    assert (fuse(lexical, dense, by=Fusion(lexical=0.5), k=400) >= 0).sum() == 400
    assert (fuse(lexical, dense, by=Fusion(lexical=0.5), k=100) >= 0).sum() == 100


def test_two_empty_lists_have_no_hits() -> None:
    assert fuse(hits([]), hits([]), by=Fusion(lexical=0.5), k=3).shape == (1, 0)


@pytest.mark.parametrize(("lexical", "expected"), [(1.0, [[1, 2, 3, -1, -1]]), (0.0, [[3, 4, 1, 5, -1]])])
def test_either_end_is_that_list_alone(lexical: float, expected: list[list[int]]) -> None:
    assert fuse(hits([1, 2, 3, -1]), hits([3, 4, 1, 5]), by=Fusion(lexical=lexical), k=5).tolist() == expected


def test_equal_shares_keep_the_order_of_the_corpus() -> None:
    assert fuse(hits([9], [4]), hits([4], [9]), by=Fusion(lexical=0.5), k=2).tolist() == [[4, 9], [4, 9]]


def test_lists_of_unlike_length_and_queries_without_hits_are_fused() -> None:
    lexical: Hits = (np.array([[-1, -1], [2, -1]]), np.array([[0, 0], [3, 0]], dtype=np.float32))

    assert fuse(lexical, hits([5, 6, 7], [6, 2, 1]), by=Fusion(lexical=0.5), k=3).tolist() == [
        [5, 6, 7],
        [2, 6, 1],
    ]


def test_lists_of_other_queries_and_weights_outside_are_refused() -> None:
    with pytest.raises(BadValue, match="same queries"):
        fuse(hits([1]), hits([1], [2]), by=Fusion(lexical=0.5), k=1)
    with pytest.raises(BadValue, match="between 0 and 1"):
        fuse(hits([1]), hits([1]), by=Fusion(lexical=1.5), k=1)


def collection(queries: int) -> Judged:
    """Query number n asks for document n modulo the corpus' size."""
    documents = tuple(Document(f"d{row}", "", f"text {row}", {}) for row in range(DOCUMENTS))
    asked = tuple(Query(f"q{row}", f"ask {row}", {}) for row in range(queries))
    return Judged("dev", documents, asked, {query.id: {f"d{row % DOCUMENTS}": 1.0} for row, query in enumerate(asked)})


def ranked(data: Judged, rng: np.random.Generator, *, strength: float) -> Hits:
    """Every document scored at random, the right one ``strength`` standard deviations higher."""
    scores = rng.standard_normal((len(data.queries), DOCUMENTS)).astype(np.float32)
    scores[np.arange(len(data.queries)), np.arange(len(data.queries)) % DOCUMENTS] += strength
    rows = np.argsort(-scores, axis=1)
    return rows, np.take_along_axis(scores, rows, axis=1)


def test_two_lists_that_know_different_things_are_fused() -> None:
    data, rng = collection(200), np.random.default_rng(1)
    found = choose_weight(ranked(data, rng, strength=2.0), ranked(data, rng, strength=2.0), data=data)

    assert 0.2 < found.fusion.lexical < 0.8
    assert found.gain.ci_low > 0
    assert found.fused > max(found.lexical, found.dense)


def test_a_fusion_that_hurts_is_never_chosen() -> None:
    """One list knows the answers and the other only noise, over many draws: the good list stands alone."""
    chosen = []
    for seed in range(6):
        data, rng = collection(60), np.random.default_rng(seed)
        good, noise = ranked(data, rng, strength=2.5), ranked(data, rng, strength=0.0)
        chosen.append(choose_weight(noise, good, data=data).fusion.alone)
        chosen.append(choose_weight(good, noise, data=data).fusion.alone)

    assert chosen == ["dense", "lexical"] * 6


def test_a_gain_that_chance_explains_is_not_taken() -> None:
    """Two lists of which one is the other, a little shaken: fusing gains next to nothing, and is taken in few of the draws."""
    taken = 0
    for seed in range(12):
        data, rng = collection(60), np.random.default_rng(seed)
        rows, scores = ranked(data, rng, strength=2.0)
        shaken = (scores + 0.3 * rng.standard_normal(scores.shape)).astype(np.float32)
        order = np.argsort(-shaken, axis=1)
        other = (np.take_along_axis(rows, order, axis=1), np.take_along_axis(shaken, order, axis=1))
        taken += choose_weight((rows, scores), other, data=data).fusion.alone is None

    assert taken <= 2


def test_a_choice_says_what_its_figures_come_to() -> None:
    """A gain that was seen and not believed must not look like the hybrid's own figure; nor must one list look like two."""
    data, rng = collection(60), np.random.default_rng(1)
    good, other, noise = (ranked(data, rng, strength=strength) for strength in (2.0, 2.0, 0.0))
    taken, left = choose_weight(good, other, data=data), choose_weight(noise, good, data=data)
    few = choose_weight(*(ranked(collection(10), rng, strength=2) for _ in range(2)), data=collection(10))
    across = crossed(noise, good, data=data, k=10)[1]

    assert taken.alone is None
    assert taken.why.startswith(f"{taken.fusion}: fusing gained +0.")
    assert "on 60 queries of dev" in taken.why
    assert left.alone == across.alone == "dense"
    assert left.fused > left.dense
    assert left.why.startswith("dense alone: fusing gained +0.")
    assert left.why.endswith("on 60 queries of dev, which may be chance")
    assert left.as_json()["why"] == left.why
    assert "10 queries of dev are too few" in few.why
    assert across.why.endswith("its figure has each part fused as the others chose (dense alone ×5)")
    assert replace(left, gain=replace(left.gain, difference=-0.008)).why.startswith("dense alone: fusing gained nothing: -0.0080")


def test_folds_that_chose_differently_are_no_list_alone() -> None:
    data, rng = collection(60), np.random.default_rng(1)
    choice = choose_weight(ranked(data, rng, strength=0.0), ranked(data, rng, strength=2.0), data=data)
    mixed = replace(choice, folds=(Fusion(lexical=0.0), Fusion(lexical=0.1), Fusion(lexical=0.0)))

    assert (choice.alone, mixed.alone) == ("dense", None)
    assert mixed.why.endswith("(dense alone ×2, lexical=0.1)")


def test_a_gain_of_few_families_is_not_taken() -> None:
    """The gain of fusing that 200 single queries prove is none to be sure of where they are 3 families."""
    single, rng = collection(200), np.random.default_rng(1)
    lists = [ranked(single, rng, strength=2.0) for _ in range(2)]
    asked = tuple(replace(query, metadata={"family": row % 3}) for row, query in enumerate(single.queries))

    assert choose_weight(*lists, data=single).fusion.alone is None
    assert choose_weight(*lists, data=replace(single, queries=asked)).fusion.alone is not None


def test_few_queries_choose_only_between_the_lists() -> None:
    data, rng = collection(10), np.random.default_rng(1)

    assert choose_weight(ranked(data, rng, strength=2), ranked(data, rng, strength=2), data=data).fusion.alone is not None


def test_crossed_queries_have_no_say_in_their_own_weight() -> None:
    """Where the answer of every query is moved to the front of one list, that query's own fold must not know it."""
    data, rng = collection(120), np.random.default_rng(4)
    lexical, dense = ranked(data, rng, strength=2.0), ranked(data, rng, strength=2.0)
    rows, choice = crossed(lexical, dense, data=data, k=10)
    right = np.arange(120) % DOCUMENTS
    crossed_hits = (rows == right[:, None]).any(axis=1).mean()

    assert rows.shape == (120, 10)
    assert choice.fusion.alone is None
    assert crossed_hits > max((hits_[0][:, :10] == right[:, None]).any(axis=1).mean() for hits_ in (lexical, dense))
    assert crossed(lexical, dense, data=data, k=10)[0].tolist() == rows.tolist()


def test_a_family_is_never_divided_between_choosing_and_judging() -> None:
    from transvase.core.evaluation.fusion import _folds

    families = [f"f{row // 7}" for row in range(100)]
    folds = _folds(families, seed=1)

    assert sorted(np.concatenate(folds).tolist()) == list(range(100))
    assert len(folds) == 5
    assert max(len(fold) for fold in folds) <= 35
    held = [{families[row] for row in fold.tolist()} for fold in folds]
    assert sum(len(names) for names in held) == len(set().union(*held))
