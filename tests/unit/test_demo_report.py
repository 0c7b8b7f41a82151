"""The demo's figures: what programs and people are told, and how waits are counted. tests/collections draws the page."""

from __future__ import annotations

import io
import json
from dataclasses import replace

import demo_outcome
import pytest
from rich.console import Console
from transvase.cli.demo import summary
from transvase.cli.demo.check import Mixing, Survey
from transvase.cli.demo.ledger import Failure
from transvase.cli.demo.outcome import Outcome
from transvase.cli.demo.waits import Operation, Timeline, longest_ms, peaks, quantile_ms, within

PROMISED = (
    "ndcg_before",
    "ndcg_after",
    "ci",
    "records",
    "rows_per_s",
    "writes",
    "errors",
    "stale",
    "lost",
    "mixed",
    "longest_wait_ms",
    "ordinary_wait_ms",
)


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return demo_outcome.outcome()


def test_the_json_object_holds_what_programs_rely_on(outcome: Outcome) -> None:
    found = json.loads(json.dumps(outcome.as_json()))

    assert [name for name in PROMISED if name not in found] == []
    assert (found["ndcg_before"], found["ndcg_after"], found["ci"]) == (0.756, 0.8104, [0.0301, 0.0787])
    assert (found["records"], found["rows_per_s"], found["writes"]) == (3005, 41.3, 30)
    assert (found["longest_wait_ms"], found["ordinary_wait_ms"]) == (90.0, 20.0)


@pytest.mark.parametrize(
    "fault",
    [
        {"failures": (Failure("writer 1", "step", 30.0, "OperationalError: gone"),)},
        {"survey": Survey(3100, 1, 0, 0.2, ("vector of another text or space: 7",))},
        {"after_rollback": Survey(3100, 0, 1, 1.0, ("row without a vector: 8",))},
        {"mixing": Mixing(900, 4500, 1, 0.001, 0.9, 0.0, 0, ("sql 1: row 9",))},
        {"stranger": ""},
    ],
    ids=["error", "stale", "lost after the rollback", "mixed", "stranger let in"],
)
def test_one_fault_of_any_kind_is_enough(outcome: Outcome, fault: dict[str, object]) -> None:
    assert outcome.sound
    assert not replace(outcome, **fault).sound  # type: ignore[arg-type]


def test_the_summary_shows_the_promised_figures(outcome: Outcome) -> None:
    console = Console(file=io.StringIO(), width=200, highlight=False)

    summary.show(outcome, console)

    assert isinstance(console.file, io.StringIO)
    shown = console.file.getvalue()
    for figure in (
        "0.756 → 0.810",
        "3,005",
        "15 inserts, 15 edits",
        "90 ms",
        "20 ms",
        "98.7%",
        "0.7, 0.9, 0.8 ms",
        "✓ sum_up  shop",
    ):
        assert figure in shown
    assert "halved" not in shown


def test_the_summary_and_the_json_tell_when_the_writers_had_to_slow_down(outcome: Outcome) -> None:
    console = Console(file=io.StringIO(), width=200, highlight=False)
    slowed = replace(outcome, slowed=2)

    summary.show(slowed, console)

    assert isinstance(console.file, io.StringIO)
    assert "15 edits; their pace was halved 2 times for the worker to follow" in console.file.getvalue()
    assert (outcome.as_json()["writers_slowed"], slowed.as_json()["writers_slowed"]) == (0, 2)


def test_an_operation_counts_for_every_move_that_it_outlasts() -> None:
    held_up = Operation("writer 1", "edit", 9.0, 5.0)

    assert within([held_up], 10.0, 12.0) == [held_up]
    assert within([held_up], 14.5, 20.0) == []
    assert within([held_up], 1.0, 8.9) == []


def test_waits_are_in_milliseconds_and_quantiles_take_the_nearest_rank() -> None:
    waits = [Operation("sql 1", "search", 0.0, milliseconds / 1000) for milliseconds in range(1, 101)]

    assert longest_ms(waits) == pytest.approx(100)
    assert quantile_ms(waits, 0.5) == pytest.approx(50)
    assert quantile_ms(waits, 0.99) == pytest.approx(99)
    assert quantile_ms(waits[:1], 0.99) == pytest.approx(1)
    assert longest_ms([]) == quantile_ms([], 0.5) == 0


def test_a_peak_is_the_longest_wait_that_ended_in_its_stretch() -> None:
    waits = [Operation("a", "search", 0.1, 0.2), Operation("a", "search", 0.2, 0.1), Operation("a", "search", 0.3, 0.9)]

    assert peaks(waits, width=0.5) == [(0.0, 0.2), (1.0, 0.9)]


def test_a_move_that_failed_leaves_no_span() -> None:
    timeline = Timeline()
    with timeline.span("open"):
        pass
    with pytest.raises(ValueError, match="no"), timeline.span("fill"):
        raise ValueError("no")

    assert [span.name for span in timeline.spans] == ["open"]
