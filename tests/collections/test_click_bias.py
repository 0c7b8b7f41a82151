"""Simulated click logs of thousands of searches: the planted position bias is found again, and with it the true order."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from gleanings import SearchEngine, log_of, write_jsonl
from scipy.stats import kendalltau
from transvase.core.errors import BadValue
from transvase.core.signal.clicks.counts import count
from transvase.core.signal.clicks.harvest import ClickTerms, harvest_clicks
from transvase.core.signal.clicks.log import Log
from transvase.core.signal.clicks.propensity import position_bias
from transvase.core.signal.clicks.relevance import attractions
from transvase.core.signal.harvest import Tally

POWER = [1 / position for position in range(1, 11)]
CLIFF = [1.0, 0.95, 0.9, 0.85, 0.3, 0.28, 0.26, 0.24, 0.22, 0.2]


def closeness(engine: SearchEngine, scores: dict[str, float]) -> float:
    """Mean Kendall tau, over queries, of scores against the truth."""
    held = defaultdict(list)
    for document, score in scores.items():
        held[document.partition("-")[0]].append((score, engine.truth(document)))
    return float(np.nanmean([kendalltau(*zip(*rows, strict=True)).statistic for rows in held.values()]))


def raw_rates(log: Log) -> dict[str, float]:
    clicks = np.bincount(log.document, weights=log.clicked.astype(float))
    return dict(zip(log.documents, clicks / np.bincount(log.document), strict=True))


def corrected(log: Log, looks: np.ndarray) -> dict[str, float]:
    pairs = attractions(log, looks=looks, clip=0.05)
    return {log.documents[document]: float(value) for document, value in zip(pairs.document, pairs.attraction, strict=True)}


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[SearchEngine, Log]]:
    """Two engines that rank fairly well, one with a bias that is no power of the position, and what they logged."""
    made = {}
    for name, looks in (("power", POWER), ("cliff", CLIFF)):
        engine = SearchEngine(looks=looks, quality=0.3, swaps="shuffle", seed=1, queries=30)
        made[name] = (engine, log_of(engine.searches(5_000), tmp_path_factory.mktemp(name)))
    return made


@pytest.mark.parametrize("estimator", ["swaps", "model"])
@pytest.mark.parametrize("name", ["power", "cliff"])
def test_planted_looks_are_found_and_the_true_order_with_them(
    engines: dict[str, tuple[SearchEngine, Log]], name: str, estimator: str
) -> None:
    engine, log = engines[name]
    looks = engine.looks

    bias = position_bias(count(log), estimator=estimator)

    assert bias.how == estimator
    assert np.abs(np.log(bias.looks / looks)).mean() < 0.1
    raw, mended = closeness(engine, raw_rates(log)), closeness(engine, corrected(log, bias.looks))
    best = closeness(engine, corrected(log, looks))
    assert mended > raw + 0.03
    assert mended > best - 0.03


def test_swaps_of_neighbours_are_enough(tmp_path: Path) -> None:
    engine = SearchEngine(looks=POWER, quality=0.0, swaps="adjacent", seed=2)
    log = log_of(engine.searches(6_000), tmp_path)

    bias = position_bias(count(log), estimator="auto")

    assert bias.how == "swaps"
    assert closeness(engine, corrected(log, bias.looks)) > closeness(engine, raw_rates(log)) + 0.1


def test_without_any_swap_the_model_still_comes_nearer_and_says_what_it_assumes(tmp_path: Path) -> None:
    engine = SearchEngine(looks=POWER, quality=0.0, swaps="none", seed=3)
    log = log_of(engine.searches(4_000), tmp_path)

    bias = position_bias(count(log), estimator="auto")

    assert (bias.how, bias.swapped) == ("model", 0)
    assert any("cannot tell position from relevance" in note for note in bias.notes)
    assert closeness(engine, corrected(log, bias.looks)) > closeness(engine, raw_rates(log)) + 0.1
    with pytest.raises(BadValue, match="use the model"):
        position_bias(count(log), estimator="swaps")


def test_an_engine_that_is_right_is_not_taken_for_a_bias_without_bounds(tmp_path: Path) -> None:
    """Where position and relevance cannot be told apart, no steeper curve is believed than 1/position."""
    engine = SearchEngine(looks=POWER, quality=0.9, swaps="none", seed=4)

    looks = position_bias(count(log_of(engine.searches(3_000), tmp_path)), estimator="auto").looks

    assert (looks >= np.array(POWER) - 1e-9).all()


def test_a_log_without_bias_is_left_as_it_is(tmp_path: Path) -> None:
    engine = SearchEngine(looks=[1.0] * 6, quality=0.5, swaps="shuffle", seed=5)

    for estimator in ("swaps", "model"):
        looks = position_bias(count(log_of(engine.searches(3_000), tmp_path)), estimator=estimator).looks
        assert looks.min() > 0.85


def test_the_whole_road_grades_weighs_and_names_negatives(tmp_path: Path) -> None:
    engine = SearchEngine(looks=POWER, quality=0.2, swaps="shuffle", seed=6)
    log = write_jsonl(tmp_path / "log.jsonl", engine.searches(4_000))
    corpus = write_jsonl(tmp_path / "corpus.jsonl", engine.documents())

    harvest, facts = harvest_clicks(log, corpus=corpus, terms=ClickTerms(), tally=Tally())

    assert {judgment.grade for judgment in harvest.judgments} == {0.0, 1.0, 2.0, 3.0, 4.0}
    for grade in (1, 2, 3):
        assert mean_truth(engine, harvest, grade) < mean_truth(engine, harvest, grade + 1)
    assert mean_truth(engine, harvest, 0) < mean_truth(engine, harvest, 1)
    weighed = {judgment.document: judgment.weight for judgment in harvest.judgments if judgment.grade > 0}
    assert closeness(engine, weighed) > 0.7
    assert np.mean(list(weighed.values())) == pytest.approx(1, abs=0.01)
    assert facts["impressions"] == 4_000
    assert {query.metadata["impressions"] for query in harvest.queries} != {1}


def mean_truth(engine: SearchEngine, harvest, grade: float) -> float:
    return float(np.mean([engine.truth(one.document) for one in harvest.judgments if one.grade == grade]))
