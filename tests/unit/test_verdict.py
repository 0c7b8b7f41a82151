"""Findings and the verdict that they make."""

from __future__ import annotations

import json

import pytest
from transvase.core.verdict import Finding, Verdict

GOOD = Finding("counts", 10.0, 10.0, passed=True, detail="10 of 10")
BAD = Finding("recall", 0.5, 0.95, passed=False, detail="0.5 at 10")


@pytest.mark.parametrize(
    ("findings", "passed"),
    [((), False), ((GOOD,), True), ((GOOD, BAD), False), ((BAD,), False)],
    ids=["none", "good", "mixed", "bad"],
)
def test_a_verdict_passes_when_something_was_checked_and_nothing_failed(findings, passed):
    assert Verdict(findings, "w", "now").passed is passed


def test_the_failures_are_the_findings_that_did_not_pass():
    assert Verdict((GOOD, BAD), "w", "now").failures == (BAD,)


def test_a_verdict_survives_being_written_down():
    verdict = Verdict((GOOD, BAD), "w", "2024-01-01T00:00:00+00:00")
    assert Verdict.from_json(json.loads(json.dumps(verdict.as_json()))) == verdict


def test_what_is_not_a_verdict_is_not_read_as_one():
    with pytest.raises(TypeError):
        Verdict.from_json({"findings": 7, "witness": "w", "made_at": "now"})


def test_a_finding_is_written_with_what_programs_rely_on():
    assert GOOD.as_json() == {"check": "counts", "measured": 10.0, "threshold": 10.0, "passed": True, "detail": "10 of 10"}
