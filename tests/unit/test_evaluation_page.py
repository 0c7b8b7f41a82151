"""The page of an evaluation: what it says first, that it escapes every text, and that its pictures hold what they should."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
from costless import HashEncoder
from transvase.cli.plots import Bar, bars, differences
from transvase.cli.report import Told, page, write
from transvase.core.errors import Unfit
from transvase.core.evaluation import Document, Judged, Query, evaluate
from transvase.core.evaluation.examples import losses, wins
from transvase.core.evaluation.gates import Gate

EVIL = "<script>alert('x')</script> & \"more\""
NAMES = ("/models/base<i>", "/models/tuned & co")


@pytest.fixture(scope="module")
def told() -> Told:
    """Half of the queries are asked in the words of their answer; the second model reads two words and confuses more."""
    documents = tuple(Document(f"d{n}", EVIL if n == 0 else "", f"text number {n} <b>", {}) for n in range(40))
    queries = tuple(
        Query(f"q{n}", documents[n].content if n % 2 else f"other <u>{n}</u>", {"team": f"t{n % 2} <s>"}) for n in range(40)
    )
    data = Judged("test", documents, queries, {f"q{n}": {f"d{n}": 1.0} for n in range(40)})
    encoders = {name: HashEncoder(name, seed=at, max_length=9 - 7 * at) for at, name in enumerate(NAMES)}
    found = evaluate(data, encoders, split="test", progress=lambda *_: None, baselines=True)
    return Told(evaluation=found, gates=None, wins=wins(found, top=3), losses=losses(found, top=3))


def test_the_answer_stands_first_in_plain_words(told: Told) -> None:
    text = page(told)

    assert "<h1>tuned &amp; co answers worse than base&lt;i&gt;</h1>" in text
    assert "40 questions whose right answers are known were put to 40 records" in text
    assert text.index("<h1>") < text.index("<svg")


def test_models_are_called_by_their_directory_unless_two_are_called_so(told: Told) -> None:
    models = dict.fromkeys(("runs/1/model", "runs/2/model", "out/other"), told.evaluation.models[NAMES[0]])
    found = replace(told, evaluation=replace(told.evaluation, models=models))

    assert [found.called(name) for name in models] == ["runs/1/model", "runs/2/model", "other"]
    assert found.called("hybrid out/other") == "hybrid other"
    assert found.called("bm25") == "bm25"


def test_every_text_is_escaped_and_nothing_is_asked_for(told: Told) -> None:
    text = page(told)

    assert "&lt;script&gt;" in text
    assert not re.search(r"<script|<b>|<u>|<i>|<s>|https?://|src=|<link|@import|url\(", text)
    for picture in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ET.fromstring(picture)  # well formed, or it raises


def test_gates_decide_the_headline(told: Told) -> None:
    held = Gate(name="no slice fell", passed=True, measured=0.0, threshold=0.0, detail="fine <here>")
    fell = replace(held, name="better than hybrid", passed=False)

    assert "may replace" in page(replace(told, gates=(held,)))
    text = page(replace(told, gates=(held, fell)))
    assert "should not replace base&lt;i&gt; yet" in text
    assert "do not promote" in text
    assert "fine &lt;here&gt;" in text
    assert (text.count(">passed<"), text.count(">failed<")) == (1, 1)


def test_one_model_is_described_without_a_comparison(told: Told) -> None:
    found = evaluate(told.evaluation.data, {"only": HashEncoder("only")}, split="test", progress=lambda *_: None)
    text = page(Told(evaluation=found, gates=None, wins=(), losses=()))

    assert "How well only answers" in text
    assert "Where it changed" not in text
    assert text.count("<svg") == 1


def test_bars_and_points_stand_where_their_values_are() -> None:
    drawn = bars([Bar("half", 0.5, 0.4, 0.6, "", "red"), Bar("all", 1.0, 1.0, 1.0, "", "red")])
    widths = [float(width) for width in re.findall(r'<rect [^>]*width="([\d.]+)"', drawn)]
    assert widths[0] == pytest.approx(widths[1] / 2, rel=0.01)

    points = differences(
        [Bar("up", 0.04, 0.0, 0.08, "", "g"), Bar("none", 0.0, 0.0, 0.0, "", "g"), Bar("down", -0.04, -0.09, 0.01, "", "r")]
    )
    up, none, down = (float(x) for x in re.findall(r'<circle cx="([\d.]+)"', points))
    assert up - none == pytest.approx(none - down)
    assert up > none


def test_a_page_that_cannot_be_written_says_so(told: Told, tmp_path: Path) -> None:
    with pytest.raises(Unfit, match="--html"):
        write(told, tmp_path / "no" / "page.html")
