"""Which rung is taken, and how far towards the base."""

from __future__ import annotations

import math

import numpy as np
import pytest
from transvase.core.evaluation.resampling import grouped
from transvase.core.training.ladder import Rung, Standing, ahead, choose, worth_climbing
from transvase.core.training.weights.forgetting import best_of, sweep

NOISE = np.random.default_rng(1).normal(0, 0.1, 400)


def at(mean: float, rung: Rung | None, *, fault: str = "", noise: float = 0.0) -> Standing:
    """Scores with this mean; ``noise`` spreads the difference to others over the queries."""
    scores = np.full(400, mean) + noise * (NOISE - NOISE.mean())
    return Standing(rung=rung, scores=scores, guard=None, alpha=1.0, step=1, fault=fault)


BASE = at(0.5, None)


def test_of_rungs_within_noise_the_cheapest_migration_is_taken() -> None:
    """The standard error of the differences is 0.1 / sqrt(400) = 0.005: 0.004 is within it."""
    tried = [at(0.556, Rung.QUERY), at(0.557, Rung.BOTH, noise=1.0), at(0.560, Rung.TUNE, noise=1.0)]

    assert choose(BASE, tried, families=None).rung is Rung.QUERY


def test_a_gain_beyond_noise_is_worth_a_dearer_migration() -> None:
    tried = [at(0.55, Rung.QUERY), at(0.551, Rung.BOTH), at(0.56, Rung.TUNE, noise=1.0)]

    assert choose(BASE, tried, families=None).rung is Rung.TUNE


def test_what_one_family_gains_is_no_gain_beyond_noise() -> None:
    """The dearer rung is ahead by 0.02, all of it from one family in ten; as single queries that is thrice the standard error."""
    families = [f"f{row // 40}" for row in range(400)]
    dear = at(0.52, Rung.TUNE)
    dear.scores[:40] += 0.2
    cheap = at(0.52, Rung.QUERY)

    assert ahead(dear.scores, cheap.scores, families=None)
    assert not ahead(dear.scores, cheap.scores, families=families)
    assert choose(BASE, [cheap, dear], families=None).rung is Rung.TUNE
    assert choose(BASE, [cheap, dear], families=families).rung is Rung.QUERY
    assert best_of([cheap, dear], families=families) is cheap


def test_the_error_over_families_of_one_is_that_of_single_queries() -> None:
    found = grouped(NOISE, None)

    assert found.error == pytest.approx(NOISE.std(ddof=1) / 20)
    assert grouped(NOISE, [f"f{row}" for row in range(400)]).error == found.error
    assert grouped(np.repeat(NOISE, 4), [f"f{row // 4}" for row in range(1600)]).error == pytest.approx(found.error)


def test_within_one_cost_of_migration_the_better_mean_is_taken() -> None:
    tried = [at(0.560, Rung.TUNE, noise=1.0), at(0.561, Rung.SECOND)]

    assert choose(BASE, tried, families=None).rung is Rung.SECOND


def test_what_does_not_beat_the_base_or_has_a_fault_is_never_taken() -> None:
    assert choose(BASE, [at(0.5, Rung.QUERY), at(0.49, Rung.TUNE)], families=None) is BASE
    assert choose(BASE, [at(0.52, Rung.QUERY), at(0.9, Rung.TUNE, fault="collapsed")], families=None).rung is Rung.QUERY
    assert choose(BASE, [], families=None) is BASE


def test_a_second_pass_needs_a_first_that_gained() -> None:
    assert worth_climbing([at(0.4, Rung.QUERY)], BASE, rung=Rung.TUNE)
    assert worth_climbing([at(0.51, Rung.TUNE)], BASE, rung=Rung.SECOND)
    assert not worth_climbing([at(0.49, Rung.TUNE)], BASE, rung=Rung.SECOND)
    assert not worth_climbing([at(0.51, Rung.TUNE, fault="collapsed")], BASE, rung=Rung.SECOND)
    assert not worth_climbing([], BASE, rung=Rung.SECOND)


def swept(validation: dict[float, float], guard: dict[float, float], *, before: float | None = 0.7) -> list[Standing]:
    """A sweep over planted figures."""
    return sweep(
        Rung.TUNE,
        step=1,
        ask=lambda alpha: np.full(10, validation[alpha]),
        ask_guard=lambda alpha: None if before is None else guard[alpha],
        fault=lambda _: "",
        before=before,
        room=lambda: math.inf,
    )


def test_the_sweep_ends_at_once_where_the_guard_holds_and_less_change_gains_less() -> None:
    tried = swept({1.0: 0.6, 0.75: 0.59}, {1.0: 0.695})

    assert [standing.alpha for standing in tried] == [1.0]
    assert best_of(tried, families=None).fault == ""


def test_a_model_that_forgets_is_taken_back_towards_the_base_until_the_guard_holds() -> None:
    tried = swept({1.0: 0.6, 0.75: 0.59, 0.5: 0.57, 0.25: 0.53}, {1.0: 0.6, 0.75: 0.66, 0.5: 0.691, 0.25: 0.7})

    assert [(standing.alpha, bool(standing.fault)) for standing in tried] == [(1.0, True), (0.5, False)]
    assert best_of(tried, families=None).alpha == 0.5
    assert "guard lost 0.100" in tried[0].fault


def test_the_point_that_gains_most_is_kept_where_several_hold() -> None:
    tried = swept({1.0: 0.6, 0.75: 0.62, 0.5: 0.61}, {1.0: 0.7, 0.75: 0.7})

    assert best_of(tried, families=None).alpha == 0.75


def test_what_is_within_noise_of_the_best_gives_way_to_what_was_trained_in_full() -> None:
    noisy = {1.0: 0.6 + NOISE, 0.75: 0.601 + np.roll(NOISE, 1)}
    tried = [Standing(rung=Rung.TUNE, scores=marks, guard=None, alpha=alpha, step=1) for alpha, marks in noisy.items()]

    assert tried[1].mean > tried[0].mean
    assert best_of(tried, families=None).alpha == 1.0


def test_nothing_is_sound_where_every_point_forgets() -> None:
    tried = swept(dict.fromkeys((1.0, 0.75, 0.5, 0.25), 0.6), dict.fromkeys((1.0, 0.75, 0.5, 0.25), 0.5))

    assert all(standing.fault for standing in tried)
    assert choose(BASE, [best_of(tried, families=None)], families=None) is BASE


@pytest.mark.parametrize(("guards", "asked"), [((0.7, 0.7), 1), ((0.6, 0.695), 2)])
def test_where_nothing_further_is_wanted_the_sweep_ends_at_the_first_that_holds(guards: tuple[float, float], asked: int) -> None:
    """The point after it would have gained more."""
    tried = sweep(
        Rung.TUNE,
        step=1,
        ask=lambda alpha: np.full(10, {1.0: 0.6, 0.75: 0.59, 0.5: 0.65}[alpha]),
        ask_guard=lambda alpha: {1.0: guards[0], 0.75: guards[1]}.get(alpha, 0.7),
        fault=lambda _: "",
        before=0.7,
        room=lambda: math.inf,
        further=False,
    )

    assert len(tried) == asked
    assert not tried[-1].fault


def test_without_room_for_more_the_sweep_stays_with_what_it_has() -> None:
    tried = sweep(
        Rung.TUNE,
        step=1,
        ask=lambda _: np.full(10, 0.6),
        ask_guard=lambda _: 0.5,
        fault=lambda _: "",
        before=0.7,
        room=lambda: 0,
    )

    assert len(tried) == 1
    assert tried[0].fault


@pytest.mark.parametrize(("lost", "second"), [(0.017, 0.75), (0.036, 0.5), (0.15, 0.25)])
def test_with_room_for_one_step_back_the_sweep_goes_where_the_guard_probably_holds(lost: float, second: float) -> None:
    tried = sweep(
        Rung.TUNE,
        step=1,
        ask=lambda alpha: np.full(10, 0.5 + alpha / 10),
        ask_guard=lambda alpha: 0.7 - lost * alpha**2,
        fault=lambda _: "",
        before=0.7,
        room=lambda: 1.0,
        further=False,
    )

    assert [standing.alpha for standing in tried] == [1.0, second]


def test_without_a_guard_nothing_is_held_against_a_model() -> None:
    assert best_of(swept({1.0: 0.6, 0.75: 0.5}, {}, before=None), families=None).fault == ""


@pytest.mark.parametrize("alpha", [0.0, 0.25, 1.0])
def test_a_standing_tells_all_that_decided(alpha: float) -> None:
    standing = Standing(rung=Rung.BOTH, scores=np.ones(3), guard=0.7, alpha=alpha, step=4)

    assert standing.as_json() == {
        "rung": "adapter", "migration": "derive", "alpha": alpha, "step": 4, "ndcg": 1.0, "guard": 0.7, "fault": "",
    }  # fmt: skip
