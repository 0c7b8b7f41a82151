from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import planted
import pytest
from scipy.stats import fisher_exact
from transvase.core.assessment import Assessment, Conditions, assess
from transvase.core.assessment.attainable import Attainable, carried, further
from transvase.core.assessment.conditions import gap
from transvase.core.assessment.intervals import Interval, fisher, interval
from transvase.core.assessment.probe import bags, fit, vocabulary
from transvase.core.assessment.survey import Survey, Way
from transvase.core.assessment.trial import Trial
from transvase.core.evaluation.comparison import holm


def assessed(directory: Path, **encoder: Any) -> Assessment:
    found = planted.WordEncoder(**encoder)
    return assess(directory, found, split=None, asked=Conditions(), minutes=0, seed=1, progress=lambda *_: None)


def kinds(found: Assessment) -> set[str]:
    return {cluster.kind for cluster in found.failures.gathered}


def test_fisher_agrees_with_scipy() -> None:
    for table in ((9, 20, 3, 40), (0, 10, 5, 30), (10, 10, 1, 50), (120, 300, 200, 900)):
        bad, of, rest, of_rest = table
        expected = fisher_exact([[bad, of - bad], [rest, of_rest - rest]], alternative="greater").pvalue
        assert fisher(*table) == pytest.approx(expected, abs=1e-9)


def test_holm_corrects_for_the_number_of_looks() -> None:
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([]) == []


def test_families_that_fail_together_widen_the_interval() -> None:
    values = np.repeat(np.random.default_rng(1).integers(0, 2, 40), 10).astype(np.float64)
    together = interval(values, [f"f{row // 10}" for row in range(400)])
    alone = interval(values, [str(row) for row in range(400)])
    assert together.mean == alone.mean == values.mean()
    assert together.high - together.low > 2 * (alone.high - alone.low)


def test_a_gain_of_nothing_stays_below_the_threshold_and_a_large_one_above() -> None:
    nothing, large = Interval(0.0, -0.002, 0.002), Interval(0.12, 0.09, 0.15)
    assert carried(nothing, nothing, behind=0.0, room=0.4).high < 0.03
    assert carried(large, large, behind=0.0, room=0.4).low > 0.03


def test_vectors_that_learn_behind_a_better_bm25_leave_the_reach_open() -> None:
    shown = carried(Interval(0.0, 0.0, 0.0), Interval(0.05, 0.03, 0.07), behind=0.1, room=0.4)
    assert shown.low <= 0.03 < shown.high


def test_no_estimate_goes_past_a_perfect_ranking() -> None:
    assert carried(Interval(0.3, 0.2, 0.4), Interval(0.3, 0.2, 0.4), behind=0.0, room=0.25).high == 0.25


def test_a_large_gain_is_not_doubled_into_perfection() -> None:
    assert further(0.01, 2.0, room=0.5) == pytest.approx(0.02, abs=0.001)
    assert further(0.25, 2.0, room=0.5) == pytest.approx(0.375)
    assert further(0.6, 2.0, room=0.5) == 0.5
    assert further(-0.02, 2.0, room=0.5) == -0.04

    found = carried(Interval(0.128, 0.099, 0.158), Interval(0.128, 0.099, 0.158), behind=0.0, room=0.213)
    assert 0.099 <= found.low < found.mean < 0.19


def test_the_probe_learns_what_two_words_share_and_keeps_still_without_pairs() -> None:
    source = np.random.default_rng(3)
    asked, told = (source.standard_normal((60, 16)).astype(np.float32) for _ in range(2))
    words = vocabulary([[f"w{row % 20}"] for row in range(60)])
    texts = bags([[f"w{row % 20}"] for row in range(60)], words)
    pairs = np.tile(np.stack([np.arange(60), np.arange(60)], axis=1), (40, 1))
    probe = fit(asked, told, asked=texts, told=texts, pairs=pairs, words=len(words), seed=1)
    moved = probe.shift(asked, texts)
    before = np.einsum("ij,ij->i", asked, told).mean()
    after = np.einsum("ij,ij->i", asked + moved, told + probe.shift(told, texts)).mean()
    assert after > before + 0.5
    empty = fit(asked, told, asked=texts, told=texts, pairs=pairs[:0], words=len(words), seed=1)
    assert not empty.shift(asked, texts).any()


def test_words_seen_once_and_unknown_words_are_left_out() -> None:
    known = vocabulary([["valve", "boiler"], ["valve"], ["pump"]])
    assert set(known) == {"valve"}
    held = bags([["valve", "pump"], ["pump"]], known)
    assert held.ends.tolist() == [0, 1, 1]


def test_records_behind_the_first_five_call_for_a_reranker(tmp_path: Path) -> None:
    records = planted.spoken(60, words=6)
    documents = [(" ".join(record), {}) for record in records for _ in range(9)]  # nine records that words cannot tell apart
    questions = [(" ".join(record[:4]), 9 * n + 8 - n % 3, {"family": f"r{n}"}) for n, record in enumerate(records)]
    found = {step.step: step for step in assessed(planted.write(tmp_path / "c", documents, questions, dev=1.0)).steps}
    assert found["reranker"].advised
    assert found["reranker"].at_most
    assert found["reranker"].figures["share_at_6_to_20"] > 0.9


def two_houses(directory: Path, *, told: bool) -> Path:
    """Every record stands in two houses in the same words; ``told``: the question names its house."""
    records = planted.spoken(120)
    documents = [(" ".join(record), {"house": house}) for record in records for house in ("north", "south")]
    questions = [
        (
            " ".join(words),
            2 * number + row % 2,
            {"family": f"r{number}", **({"house": ("north", "south")[row % 2]} if told else {})},
        )
        for row, (words, number) in enumerate(planted.asked(records, each=2))
    ]
    return planted.write(directory, documents, questions, dev=1.0)


def test_records_that_a_field_tells_apart_call_for_a_filter(tmp_path: Path) -> None:
    for told in (True, False):
        step = next(step for step in assessed(two_houses(tmp_path / str(told), told=told)).steps if step.step == "filter")
        assert step.advised
        assert step.figures["field"] == "house"
        assert step.at_most is not told


def test_records_longer_than_the_model_reads_call_for_chunking(tmp_path: Path) -> None:
    records, padding = planted.spoken(120), " ".join(["stuffing"] * 12)
    documents = [
        (f"{padding} {' '.join(record)}" if number % 2 else " ".join(record), {}) for number, record in enumerate(records)
    ]
    questions = [(" ".join(words), number, {"family": f"r{number}"}) for words, number in planted.asked(records, each=2)]
    place = planted.write(tmp_path / "c", documents, questions, dev=1.0)
    short, whole = (next(s for s in assessed(place, max_length=limit).steps if s.step == "chunking") for limit in (14, 200))
    assert short.advised
    assert short.figures["rate_cut"] > short.figures["rate_whole"]
    assert not whole.advised


def test_texts_that_are_all_cut_call_for_chunking_only_where_something_fails(tmp_path: Path) -> None:
    records = planted.spoken(60)
    documents = [(" ".join(record), {}) for record in records]
    questions = [(" ".join(record), row, {"family": f"r{row}"}) for row, record in enumerate(records)]
    place = planted.write(tmp_path / "c", documents, questions, dev=1.0)
    step = next(step for step in assessed(place, max_length=2).steps if step.step == "chunking")
    assert step.figures["share_cut"] == 1
    assert step.figures["rate_cut"] == 0
    assert not step.advised
    assert "0% of them fail" in step.reason


def test_failures_are_found_where_they_were_planted(tmp_path: Path) -> None:
    records = planted.spoken(160)
    documents = [(" ".join([*record, f"part{number}"]), {}) for number, record in enumerate(records)]
    questions = []
    for row, (words, number) in enumerate(planted.asked(records, each=2)):
        text = f"ERR_{row}_7 in XPQ" if row % 4 == 0 else " ".join(words)
        questions.append((text, number, {"family": f"r{number}", "channel": "phone" if row % 4 == 0 else "web"}))
    found = assessed(planted.write(tmp_path / "c", documents, questions, dev=1.0))
    assert {"an identifier or code", "an acronym", "3 words or fewer", "a word that no record holds"} <= kinds(found)
    assert "metadata channel: phone" in kinds(found)
    assert "metadata channel: web" not in kinds(found)
    assert found.failures.spread_evenly is False


def test_a_family_that_fails_as_one_is_named(tmp_path: Path) -> None:
    records = planted.spoken(160)
    questions = [(" ".join(words), number, {"family": f"r{number}"}) for words, number in planted.asked(records, each=1)]
    questions += [(f"unheard thing {row}", 5, {"family": "unheard"}) for row in range(15)]
    found = assessed(planted.write(tmp_path / "c", [(" ".join(record), {}) for record in records], questions, dev=1.0))
    assert "family unheard" in kinds(found)


def test_shattered_words_are_counted_by_the_encoders_own_tokenizer(tmp_path: Path) -> None:
    records = planted.spoken(160)
    questions = []
    for row, (words, number) in enumerate(planted.asked(records, each=2)):
        questions.append(
            (
                " ".join([*words, "please", "find"]) if row % 3 else "whatsoeverthismightbecalled in the house here",
                number,
                {"family": f"r{number}"},
            )
        )
    found = assessed(planted.write(tmp_path / "c", [(" ".join(record), {}) for record in records], questions, dev=1.0))
    assert "a word that the tokenizer shatters" in kinds(found)


def test_too_few_failures_say_nothing_about_their_spread(tmp_path: Path) -> None:
    assert assessed(planted.plain(tmp_path / "c", count=100)).failures.spread_evenly is None


def probed() -> Attainable:
    small = Interval(0.01, 0.001, 0.02)
    return Attainable(pairs=2000, dense=small, learnt=small, gain=Interval(0.02, 0.001, 0.09), bar=0.6)


def test_what_a_trial_gained_is_no_ceiling_and_what_it_did_not_gain_ends_the_question() -> None:
    assert probed().open(0.03)
    assert probed().proven(Interval(0.025, 0.010, 0.040)).open(0.03)
    nothing = probed().proven(Interval(0.0, -0.004, 0.004))
    assert nothing.gain.high < 0.03
    assert nothing.bar == pytest.approx(0.58)
    large = probed().proven(Interval(0.06, 0.04, 0.08))
    assert large.gain.low == 0.04
    assert large.gain.mean > 0.06


def test_a_trial_that_gained_little_is_not_kept_open_by_the_noise_of_few_queries() -> None:
    little = probed().proven(Interval(0.004, -0.02, 0.028))
    assert little.gain.high > 0.03
    assert not little.open(0.03)
    few = gap(measured(60), little, asked=Conditions())
    assert few.passed is False
    assert not few.open
    assert "real training run" in few.reason


def test_noise_and_what_longer_training_adds_are_not_both_taken_at_their_worst() -> None:
    gain = probed().proven(Interval(0.02, 0.0, 0.04)).gain
    assert gain.mean + 1.3 * 0.02 < gain.high < 1.6 * 0.04


def test_a_trial_that_was_cut_short_proves_what_it_gained_and_nothing_else() -> None:
    short = probed().proven(Interval(0.0, -0.004, 0.004), whole=False)
    assert (short.gain.low, short.gain.high) == (0.001, 0.09)
    assert short.open(0.03)
    assert short.bar == pytest.approx(0.6)
    assert probed().proven(Interval(0.06, 0.04, 0.08), whole=False).gain.low == 0.04


def test_a_trial_is_whole_when_it_saw_every_pair_or_as_many_as_were_measured() -> None:
    def seen(pairs: int, *, of: int) -> Trial:
        gain = Interval(0.0, 0.0, 0.0)
        return Trial(minutes=5, rung=None, dense=gain, gain=gain, documents=9, pairs=of, seen=pairs)

    assert seen(1200, of=1200).whole
    assert not seen(1100, of=1200).whole
    assert seen(2000, of=8000).whole
    assert not seen(0, of=8000).whole


def measured(queries: int) -> Survey:
    """As much of a survey as a condition looks at: ``queries`` queries, every other one answered."""
    figures = {"ndcg@10": np.arange(queries) % 2 * 1.0}
    dense = Way(np.zeros((queries, 1), dtype=np.intp), figures)
    families = tuple(str(row) for row in range(queries))
    return cast("Survey", SimpleNamespace(best="dense", ways={"dense": dense}, families=families))
