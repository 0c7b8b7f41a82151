"""The gates of promotion: a planted fall on one slice is caught, a model that is better everywhere is not accused."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
from transvase.core.errors import BadValue
from transvase.core.evaluation import Document, Judged, Query, compare
from transvase.core.evaluation.comparison import holm
from transvase.core.evaluation.evaluate import Evaluation
from transvase.core.evaluation.examples import losses, wins
from transvase.core.evaluation.fusion import Choice, Fusion
from transvase.core.evaluation.gates import better_than_hybrid, gates, guard_held, held, no_slice_fell
from transvase.core.evaluation.metrics import NDCG, Scores
from transvase.core.evaluation.slices import contrasts

QUERIES = 400
PARTS = {f"team: t{n}": list(range(n * 50, n * 50 + 50)) for n in range(8)}
DATA = Judged(
    "test",
    (Document("d0", "", "wrong", {}), Document("d1", "Right one", "right", {})),
    tuple(Query(f"q{row}", f"ask {row}", {}) for row in range(QUERIES)),
    {f"q{row}": {"d1": 1.0} for row in range(QUERIES)},
)


def evaluation(
    models: Mapping[str, Scores],
    *,
    baselines: Mapping[str, Scores] | None = None,
    rounds: int = 1000,
    families: tuple[str, ...] | None = None,
) -> Evaluation:
    first, last = next(iter(models.values())), list(models.values())[-1]
    kin = families or tuple(query.id for query in DATA.queries)
    compared = compare(first, last, metric=NDCG, families=kin, rounds=rounds)
    fusion = Fusion(lexical=0.5)
    choice = Choice(fusion=fusion, lexical=0.5, dense=0.5, fused=0.5, gain=compared, queries=100, split="dev")
    return Evaluation(
        data=DATA,
        split="test",
        queries=tuple(query.id for query in DATA.queries),
        families=kin,
        models={name: {NDCG: scores} for name, scores in models.items()},
        rankings={name: ranked(scores) for name, scores in models.items()},
        slices=PARTS,
        comparison=compared,
        contrasts=contrasts(first, last, PARTS, families=kin, rounds=rounds),
        baselines={name: {NDCG: scores} for name, scores in (baselines or {}).items()},
        fusions={name: choice for name in baselines or {} if name != "bm25"},
    )


def ranked(scores: Scores) -> Sequence[Sequence[str]]:
    return [["d1", "d0"] if score > 0.5 else ["d0", "d1"] for score in scores]


def figures(rng: np.random.Generator, gain: float = 0.0) -> tuple[Scores, Scores]:
    """NDCG of a base, and of a model that answers most questions alike and is shifted by ``gain`` on the mean."""
    base = rng.choice([0.0, 0.39, 0.5, 0.63, 1.0], size=QUERIES)
    moved = np.where(rng.random(QUERIES) < 0.4, rng.choice([0.0, 0.39, 0.5, 0.63, 1.0], size=QUERIES), base)
    return base, np.clip(moved + gain, 0, 1)


def test_a_model_worse_on_one_slice_only_is_caught() -> None:
    """Better by 0.1 everywhere, but on one part of eight it loses 0.25: the mean rises and the gate still falls."""
    caught = 0
    for seed in range(6):
        base, tuned = figures(np.random.default_rng(seed), gain=0.1)
        tuned[PARTS["team: t3"]] = np.clip(base[PARTS["team: t3"]] - 0.25, 0, 1)
        assert tuned.mean() > base.mean()
        gate = no_slice_fell(evaluation({"base": base, "tuned": tuned}))
        caught += not gate.passed and "fell on team: t3 -0." in gate.detail and "t4" not in gate.detail

    assert caught == 6


def test_a_model_that_is_better_everywhere_is_not_accused() -> None:
    accused = 0
    for seed in range(15):
        base, tuned = figures(np.random.default_rng(seed), gain=0.03)
        accused += not no_slice_fell(evaluation({"base": base, "tuned": tuned}, rounds=300)).passed

    assert accused == 0


def test_a_model_that_is_merely_different_is_seldom_accused() -> None:
    """Under no difference at all, the correction keeps false alarms near one in twenty."""
    accused = 0
    for seed in range(16):
        base, tuned = figures(np.random.default_rng(1000 + seed))
        accused += not no_slice_fell(evaluation({"base": base, "tuned": tuned}, rounds=300)).passed

    assert accused <= 4


def test_the_lowest_slice_is_told_although_the_gate_holds() -> None:
    base, tuned = figures(np.random.default_rng(1), gain=0.05)
    gate = no_slice_fell(evaluation({"base": base, "tuned": tuned}))

    assert gate.passed
    assert "none of 8 slices" in gate.detail
    assert "team: t" in gate.detail


@pytest.mark.parametrize(
    ("gain", "passes", "words"), [(0.1, True, "better than"), (0.0, False, "not shown"), (-0.1, False, "worse")]
)
def test_the_candidate_as_served_has_to_beat_the_best_of_what_is_there(gain: float, passes: bool, words: str) -> None:
    rng = np.random.default_rng(2)
    base, tuned = figures(rng)
    best = np.clip(base + 0.05, 0, 1)
    served = np.clip(best + gain + 0.02 * rng.standard_normal(QUERIES), 0, 1) if gain else best[rng.permutation(QUERIES)]
    baselines = {"bm25": base - 0.2, "hybrid base": best, "hybrid tuned": served}
    gate = better_than_hybrid(evaluation({"base": base, "tuned": tuned}, baselines=baselines))

    assert gate.passed is passes
    assert words in gate.detail
    assert "hybrid base" in gate.detail
    assert "without BM25" in gate.detail


def test_a_gain_of_one_family_in_four_does_not_pass() -> None:
    """The interval of single queries lies above zero; who draws whole families sees four figures, and one of them decides."""
    base = np.full(QUERIES, 0.5)
    tuned = base + np.repeat([0.4, 0.0, 0.0, 0.0], QUERIES // 4)
    baselines = {"bm25": base - 0.2, "hybrid base": base, "hybrid tuned": tuned}
    models, kin = {"base": base, "tuned": tuned}, tuple(f"f{row // 100}" for row in range(QUERIES))

    assert better_than_hybrid(evaluation(models, baselines=baselines)).passed
    assert not better_than_hybrid(evaluation(models, baselines=baselines, families=kin)).passed
    assert no_slice_fell(evaluation({"base": tuned, "tuned": base}, families=kin)).passed is False, (
        "each slice is one family here"
    )


def test_beating_the_model_is_not_enough_where_words_alone_answer_better() -> None:
    base, tuned = figures(np.random.default_rng(3), gain=0.1)
    baselines = {"bm25": np.ones(QUERIES), "hybrid base": base, "hybrid tuned": tuned}
    gate = better_than_hybrid(evaluation({"base": base, "tuned": tuned}, baselines=baselines))

    assert not gate.passed
    assert "bm25 at 1.0000" in gate.detail


@pytest.mark.parametrize(("loss", "passes"), [(0.0, True), (0.0099, True), (0.0101, False), (-0.2, True)])
def test_the_guard_may_lose_a_hundredth_and_no_more(loss: float, passes: bool) -> None:
    gate = held(np.full(100, 0.7), np.full(100, 0.7 - loss), families=None)

    assert gate.passed is passes
    assert gate.measured == pytest.approx(-loss)


def test_all_gates_are_told_in_one_form() -> None:
    base, tuned = figures(np.random.default_rng(4), gain=0.1)
    found = evaluation({"base": base, "tuned": tuned}, baselines={"bm25": base, "hybrid base": base, "hybrid tuned": tuned})
    told = [gate.as_json() for gate in gates(found, guard=found)]

    assert [gate["gate"] for gate in told] == ["better than hybrid", "no slice fell", "the general guard held"]
    assert all(gate["passed"] is True for gate in told)
    json.dumps(told)


def test_gates_without_a_base_or_baselines_are_misuse() -> None:
    base, tuned = figures(np.random.default_rng(5))
    for gate in (no_slice_fell, guard_held, better_than_hybrid):
        with pytest.raises(BadValue, match="base first"):
            gate(evaluation({"only": base}))
    with pytest.raises(BadValue, match="evaluate with them"):
        better_than_hybrid(evaluation({"base": base, "tuned": tuned}))


def test_holm_corrects_for_all_that_were_looked_at() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.9, 0.6]) == [1.0, 1.0]
    assert holm([]) == []


def test_wins_and_losses_are_shown_with_their_texts() -> None:
    base, tuned = np.full(QUERIES, 0.6), np.full(QUERIES, 0.6)
    base[7], tuned[7] = 0.0, 1.0
    tuned[9] = 0.2
    found = evaluation({"base": base, "tuned": tuned})
    won, lost = wins(found, top=5), losses(found, top=5)

    assert [(example.query, example.text, example.gain) for example in won] == [("q7", "ask 7", 1.0)]
    assert [(shown.rank, shown.id, shown.right) for shown in won[0].base] == [(1, "d0", False), (2, "d1", True)]
    assert won[0].candidate[0].text == "Right one right"
    assert [(example.query, example.gain) for example in lost] == [("q9", pytest.approx(-0.4))]
    assert wins(found, top=0) == ()
    json.dumps([example.as_json() for example in won])
