"""The demo's page as it is drawn: what it must hold, and what it must not ask for."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import demo_outcome
import pytest
from transvase.cli.demo import report
from transvase.cli.demo.check import Survey
from transvase.cli.demo.outcome import Outcome
from transvase.core.errors import Unfit


@pytest.fixture(scope="module")
def outcome() -> Outcome:
    return demo_outcome.outcome()


@pytest.fixture(scope="module")
def page(outcome: Outcome) -> str:
    """The page, drawn once: three pictures take a second."""
    return report.page(outcome)


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
