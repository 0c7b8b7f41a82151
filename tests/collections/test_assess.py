from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import cache
from pathlib import Path
from tempfile import mkdtemp

import planted
import pytest
from transvase.core.assessment import Advice, Assessment, Conditions, Maturity, assess
from transvase.core.assessment.conditions import gap, worth
from transvase.core.assessment.intervals import Interval
from transvase.core.assessment.steps import Step
from transvase.core.errors import BadValue, UnknownName


def silent(what: str, done: int, total: int) -> None:
    """Nobody watches."""


def judged(
    directory: Path, encoder: planted.WordEncoder | None = None, *, split: str | None = None, **asked: object
) -> Assessment:
    conditions = replace(Conditions(), **asked)
    return assess(directory, encoder or planted.WordEncoder(), split=split, asked=conditions, minutes=0, seed=1, progress=silent)


@cache
def case(name: str) -> Assessment:
    """The planted collections are assessed once for all tests."""
    place = Path(mkdtemp()) / name
    try:
        if name == "misleading":
            return judged(planted.misleading(place), planted.WordEncoder(alike=planted.synonyms()))
        return judged({"plain": planted.plain, "private": planted.private}[name](place, count=370))
    finally:
        shutil.rmtree(place.parent)


def step(found: Assessment, name: str) -> Step:
    return next(one for one in found.steps if one.step == name)


def test_private_names_that_the_encoder_never_read_are_worth_training() -> None:
    found = case("private")
    assert found.advice is Advice.TRAIN
    assert found.reach is not None
    assert found.reach.dense.low > 0.1
    assert found.next_step.startswith("train")


def test_a_base_that_already_answers_everything_is_left_alone() -> None:
    found = case("plain")
    assert found.advice is Advice.LEAVE
    assert found.reach is not None
    assert found.reach.gain.high < 0.03
    assert any("nothing that training could use" in reason for reason in found.reasons)


def test_wrong_judgments_are_told_from_a_domain(tmp_path: Path) -> None:
    found = judged(planted.plain(tmp_path / "noise", count=370, noise=0.4))
    assert found.survey.ways["dense"].ndcg.mean() < 0.7
    assert found.failures.spread_evenly
    assert found.advice is Advice.LEAVE
    assert "read some failing queries" in found.next_step


def test_fusion_that_hurts_is_not_chosen() -> None:
    found = case("misleading")
    assert found.survey.best != "bm25"
    assert found.survey.choice.fusion.alone == "dense"
    assert not step(found, "hybrid").advised


def test_lexical_search_that_wins_is_the_cheaper_step(tmp_path: Path) -> None:
    found = judged(planted.private(tmp_path / "half", count=150, share=0.5))
    assert step(found, "hybrid").advised
    assert step(found, "hybrid").gain > 0.1
    assert found.next_step.startswith("first hybrid")


def test_the_reach_of_a_small_gap_is_open_and_the_verdict_unclear(tmp_path: Path) -> None:
    encoder = planted.WordEncoder(alike=planted.synonyms())
    found = judged(planted.misleading(tmp_path / "m"), encoder, usable_pairs=500, failing_queries=0, least_gap=0.05)
    gap = found.conditions[0]
    assert gap.open
    assert not gap.passed
    assert found.advice is Advice.UNCLEAR
    assert "--minutes" in found.next_step


def test_the_gap_to_a_bar_counts_at_its_lower_end(tmp_path: Path) -> None:
    survey = judged(planted.plain(tmp_path / "c", count=90, noise=0.3)).survey
    mean = float(survey.ways[survey.best].ndcg.mean())
    far, near, none = (gap(survey, None, asked=Conditions(bar=bar)) for bar in (mean + 0.25, mean + 0.04, mean - 0.2))
    assert far.passed
    assert not near.passed
    assert near.open
    assert near.measured is not None
    assert near.measured < 0.03
    assert not none.passed
    assert not none.open


def test_too_few_pairs_are_refused_and_warned_of(tmp_path: Path) -> None:
    found = judged(planted.private(tmp_path / "c", count=40))
    signal = found.conditions[1]
    assert signal.passed is False
    assert found.advice is Advice.LEAVE
    assert any("overfit" in warning for warning in found.warnings)


def test_the_thresholds_are_settings(tmp_path: Path) -> None:
    found = judged(planted.private(tmp_path / "c", count=80), usable_pairs=100, overfitting_pairs=100, failing_queries=50)
    assert found.conditions[1].passed


def test_pairs_that_say_the_same_again_are_not_usable_twice(tmp_path: Path) -> None:
    records = planted.spoken(40)
    once = [(" ".join(words), number, {"family": f"r{number}"}) for words, number in planted.asked(records, each=2)]
    again = [(text.upper() + "?", number, facts) for text, number, facts in once]
    documents = [(" ".join(record), {}) for record in records]
    first = judged(planted.write(tmp_path / "a", documents, once)).conditions[1].measured
    assert judged(planted.write(tmp_path / "b", documents, once + again)).conditions[1].measured == first


def test_the_worth_is_not_judged_before_the_team_has_said() -> None:
    found = worth(Interval(0.05, 0.04, 0.06), asked=Conditions())
    assert found.passed is None
    assert "not judged" in found.reason


def test_a_lift_that_does_not_pay_its_upkeep_is_refused() -> None:
    asked = Conditions(searches_per_month=10_000, value_per_search=0.5, upkeep_per_month=300)
    lift = Interval(0.05, 0.04, 0.06)
    assert worth(lift, asked=asked).passed is False  # 10,000 × 0.5 × 0.04 = 200
    assert worth(lift, asked=asked).measured == pytest.approx(200)
    assert worth(lift, asked=replace(asked, upkeep_per_month=150)).passed
    assert worth(lift, asked=replace(asked, upkeep_per_month=None)).passed is None


def test_a_team_that_measures_nothing_keeps_no_model() -> None:
    assert worth(None, asked=Conditions(maturity=Maturity.NOBODY)).passed is False
    assert worth(None, asked=Conditions(maturity=Maturity.ROUTINE)).passed


def test_training_queries_of_a_measured_family_teach_nothing(tmp_path: Path) -> None:
    collection = planted.private(tmp_path / "c", count=80)
    clean = judged(collection).survey
    train, dev = collection / "qrels" / "train.tsv", collection / "qrels" / "dev.tsv"
    train.write_text(train.read_text() + "\n" + "\n".join(dev.read_text().splitlines()[1:]))
    leaking = judged(collection)
    assert leaking.survey.leaked == len(clean.data.queries)
    assert {query.id for query in leaking.survey.lesson.queries} == {query.id for query in clean.lesson.queries}
    assert any("share a family" in warning for warning in leaking.warnings)


def test_the_test_split_is_not_opened_unless_named(tmp_path: Path) -> None:
    collection = planted.plain(tmp_path / "c", count=60)
    (collection / "qrels" / "test.tsv").write_bytes(b"\xff broken")
    assert judged(collection).survey.data.split == "dev"
    with pytest.raises(BadValue):
        judged(collection, split="test")


def test_without_dev_the_training_queries_are_measured_in_folds(tmp_path: Path) -> None:
    collection = planted.private(tmp_path / "c", count=100)
    (collection / "qrels" / "dev.tsv").unlink()
    found = judged(collection)
    assert found.survey.data.split == "train"
    assert found.reach is not None
    assert found.reach.dense.low > 0
    assert any("folds" in warning for warning in found.warnings)


def test_a_collection_without_judgments_is_named(tmp_path: Path) -> None:
    collection = planted.plain(tmp_path / "c", count=60)
    shutil.rmtree(collection / "qrels")
    with pytest.raises(UnknownName, match="--split"):
        judged(collection)


def test_a_threshold_out_of_range_is_misuse() -> None:
    for wrong in ({"bar": 1.5}, {"least_gap": -0.1}, {"upkeep_per_month": float("nan")}, {"overfitting_pairs": 2000}):
        with pytest.raises(BadValue):
            Conditions(**wrong)


def test_the_same_seed_gives_the_same_assessment(tmp_path: Path) -> None:
    collection = planted.private(tmp_path / "c", count=50)
    assert judged(collection).as_json() == judged(collection).as_json()


def test_everything_said_is_plain_json() -> None:
    for name in ("plain", "private", "misleading"):
        assert json.loads(json.dumps(case(name).as_json(), allow_nan=False))["verdict"] == str(case(name).advice)


def test_three_records_and_one_question_are_refused_because_they_tell_nothing(tmp_path: Path) -> None:
    documents = [("red valve", {}), ("green pump", {}), ("", {})]
    with pytest.raises(BadValue, match=r"1 queries with answers in 1 families.*10 queries in two families are the least"):
        judged(planted.write(tmp_path / "c", documents, [("red", 0, {"family": "a"})], dev=1.0))


def test_a_base_that_can_be_tuned_no_further_says_so_where_a_bar_is_set(tmp_path: Path) -> None:
    found = judged(planted.plain(tmp_path / "c", count=370, noise=0.4), bar=0.95, usable_pairs=500, failing_queries=100)
    assert found.conditions[0].passed
    assert found.advice is Advice.LEAVE
    assert any("nothing that training could use" in reason for reason in found.reasons)
