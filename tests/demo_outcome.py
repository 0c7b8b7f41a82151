"""An outcome of the demo with known figures, for tests of what is made of it."""

from __future__ import annotations

from transvase.cli.demo.check import Mixing, Survey
from transvase.cli.demo.ledger import Failure
from transvase.cli.demo.outcome import Example, Outcome, Quality, Sample, TopHit
from transvase.cli.demo.waits import Operation, Span
from transvase.core.evaluation.comparison import Comparison


def operations() -> tuple[Operation, ...]:
    """Two searches and a write every second for a minute; one search at 30 s took 90 ms, and one before all took 3 s."""
    searches = [Operation("sql 1", "search", float(second), 0.09 if second == 30 else 0.004) for second in range(60)]
    writes = [Operation("writer 1", "insert" if second % 2 else "edit", second + 0.5, 0.002) for second in range(60)]
    texts = [Operation("retriever 1", "search", second + 0.2, 0.02) for second in range(60)]
    return (Operation("sql 2", "search", -5.0, 3.0), *searches, *writes, *texts)


def outcome() -> Outcome:
    """What a demo of fifty seconds measured that went well; its texts try to break a page."""
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
        slowed=0,
        samples=(Sample(20.0, 0, 0), Sample(30.0, 1500, 7), Sample(50.0, 3005, 0)),
        mixing=Mixing(
            answers=900, hits=4500, mixed=0, tolerance=0.001, told_apart=0.987, furthest=0.00002, lagging=3, examples=()
        ),
        survey=whole,
        after_rollback=whole,
        seconds=300.0,
    )
