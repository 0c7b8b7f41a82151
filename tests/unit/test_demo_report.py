"""The demo's page and its figures: what it must hold, what it must not ask for, and how waits are counted."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from transvase.cli.demo import report, summary
from transvase.cli.demo.check import Mixing, Survey
from transvase.cli.demo.ledger import Failure
from transvase.cli.demo.outcome import Example, Outcome, Quality, Sample, TopHit
from transvase.cli.demo.waits import Operation, Span, Timeline, longest_ms, peaks, quantile_ms, within
from transvase.core.errors import Unfit
from transvase.core.evaluation.comparison import Comparison

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


def operations() -> tuple[Operation, ...]:
    """Two searches and a write every second for a minute; one search at 30 s took 90 ms, and one before all took 3 s."""
    searches = [Operation("sql 1", "search", float(second), 0.09 if second == 30 else 0.004) for second in range(60)]
    writes = [Operation("writer 1", "insert" if second % 2 else "edit", second + 0.5, 0.002) for second in range(60)]
    texts = [Operation("retriever 1", "search", second + 0.2, 0.02) for second in range(60)]
    return (Operation("sql 2", "search", -5.0, 3.0), *searches, *writes, *texts)


@pytest.fixture(scope="module")
def page(outcome: Outcome) -> str:
    """The page, drawn once: three pictures take a second."""
    return report.page(outcome)


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    hits = (TopHit("shop.sum_up", True), TopHit("shop.<b>bold</b>", False))
    whole = Survey(rows=3100, stale=0, lost=0, least_cosine=0.99999, examples=())
    return Outcome(
        quality=Quality(
            queries=333,
            before=0.756,
            after=0.8104,
            comparison=Comparison("ndcg@10", 0.0544, 0.0301, 0.0787, 0.0001),
            examples=(Example('What does "<script>" do?', hits[::-1], hits),),
            pairs=900,
            training_s=100.0,
        ),
        records=3005,
        rows_per_s=41.26,
        dimensions=(384, 385),
        ordinary=Span("ordinary", 0.0, 19.0),
        spans=(Span("open", 20.0, 20.1), Span("fill", 21.0, 40.0), Span("cutover", 41.0, 41.02), Span("retire", 50.0, 50.1)),
        operations=operations(),
        failures=(),
        refusals=(Failure("sql 1", "search", 41.0, "different vector dimensions 385 and 384"),),
        stranger="ERROR 22000: different vector dimensions 385 and 384",
        switches_ms=(0.7, 0.9, 0.8),
        samples=(Sample(20.0, 0, 0), Sample(30.0, 1500, 7), Sample(50.0, 3005, 0)),
        mixing=Mixing(
            answers=900, hits=4500, mixed=0, tolerance=0.001, told_apart=0.987, furthest=0.00002, lagging=3, examples=()
        ),
        survey=whole,
        after_rollback=whole,
        seconds=300.0,
    )


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


def test_the_page_asks_for_nothing_outside_itself(page: str) -> None:
    assert not re.findall(r"https?:|//[a-z]|@import|url\((?!#)|<link|<script|<img|<iframe|\ssrc=", page)
    assert set(re.findall(r'href="(.)', page)) <= {"#"}


def test_the_page_holds_every_figure_and_three_pictures(outcome: Outcome, page: str) -> None:
    for figure in ("0.756 → 0.810", "3,005", "41 a second", "90 ms", "20 ms", "4,500", "98.7%", outcome.stranger, "333"):
        assert figure in page
    assert page.count("<svg") == page.count("</svg>") == 3
    assert "every check passed" in page


def test_the_page_of_a_failed_demo_says_so(outcome: Outcome) -> None:
    failed = report.page(replace(outcome, survey=Survey(3100, 12, 0, 0.2, ())))

    assert "checks failed" in failed
    assert "every check passed" not in failed


def test_texts_of_the_corpus_cannot_break_the_page(page: str) -> None:
    assert "<script>" not in page
    assert "shop.&lt;b&gt;bold" in page


def test_a_page_that_cannot_be_written_is_refused_in_a_sentence(outcome: Outcome, tmp_path: Path) -> None:
    with pytest.raises(Unfit, match="name another place with --report"):
        report.write(outcome, tmp_path / "nowhere" / "report.html")


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
