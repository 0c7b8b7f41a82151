"""An evaluation as one page for people who decide: the answer in plain words first, then the pictures, then the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Final

import numpy as np
from transvase.core.evaluation import Evaluation, compare
from transvase.core.evaluation.examples import Example, Shown
from transvase.core.evaluation.gates import SIGNIFICANT, Gate
from transvase.core.evaluation.metrics import NDCG, Scores
from transvase.core.evaluation.runs import hybrid
from transvase.core.evaluation.slices import Contrast

from .look import STYLE, write_page
from .plots import BAD, BASE, BEST, GOOD, PLAIN, Bar, bars, differences

_MORE: Final = """
.gate { display: grid; grid-template-columns: 112px 1fr; gap: 4px 16px; padding: 12px 0; border-bottom: 1px solid var(--line); }
.gate:last-child { border-bottom: 0; }
.gate .mark { margin: 0; text-align: center; align-self: start; }
.gate .words { color: var(--quiet); font-size: 14px; overflow-wrap: anywhere; }
.side li.right { font-weight: 600; }
.key { font-size: 13px; color: var(--quiet); margin: 2px 0 0; }
td, h1 { overflow-wrap: anywhere; }
"""
_MOST_SLICES: Final = 24
_HEADLINES: Final = {
    NDCG: "right answers, weighed by how high they stand",
    "recall@10": "right answers in the first ten",
    "mrr@10": "one over the rank of the first right answer",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a page tells: the evaluation, the gates (None: not asked for), and the queries that differ most."""

    evaluation: Evaluation
    gates: tuple[Gate, ...] | None
    wins: tuple[Example, ...]
    losses: tuple[Example, ...]

    def called(self, name: str) -> str:
        """A run's name as people say it: a model's directory by its last part, unless another model's ends on the same."""
        if name.startswith(hybrid("")):
            return hybrid(self.called(name.removeprefix(hybrid(""))))
        short = Path(name).name if "/" in name and "://" not in name else name
        return short if [Path(other).name for other in self.evaluation.models].count(short) == 1 else name

    def row(self, name: str) -> str:
        """How a table names a run: of a hybrid whose figures are those of one list alone, it says which."""
        choice = self.evaluation.fusions.get(name)
        return f"{name} ({choice.alone} alone)" if choice and choice.alone else name


def write(told: Told, path: Path) -> None:
    """Write the page to ``path``, replacing what was there; Unfit where that cannot be written."""
    write_page(page(told), path, option="--html")


def page(told: Told) -> str:
    """The whole page. It asks for nothing outside itself and runs no script."""
    body = "".join(part(told) for part in (_head, _cards, _gates, _runs, _slices, _examples, _figures, _footer))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Transvase: how well the search answers</title><style>{STYLE}{_MORE}</style></head>"
        f"<body><main>\n{body}</main></body></html>\n"
    )


def _head(told: Told) -> str:
    found, (mark, good, headline) = told.evaluation, _verdict(told)
    questions, records = len(found.queries), len(found.data.documents)
    share = f"{100 * found.models[found.candidate]['recall@10'].mean():.0f} of 100 right answers stand among the first ten"
    before = (
        f"; with {told.called(found.base)} it was {100 * found.models[found.base]['recall@10'].mean():.0f}" if _pair(told) else ""
    )
    asked = f"{questions:,} questions whose right answers are known were put to {records:,} records."
    lead = f"{asked} With {told.called(found.candidate)}, "
    tone = "mark" if good else "mark bad"
    return (
        f'<span class="{tone}">{escape(mark)}</span><h1>{escape(headline)}</h1>'
        f'<p class="lead">{escape(lead + share + before)}.</p>'
    )


def _verdict(told: Told) -> tuple[str, bool, str]:
    """Mark, whether it is good news, and the sentence above everything."""
    found = told.evaluation
    new, old, compared = told.called(found.candidate), told.called(found.base), found.comparison
    if compared is None:
        return "measured", True, f"How well {new} answers"
    if told.gates is not None:
        if all(gate.passed for gate in told.gates):
            return "promote", True, f"{new} may replace {old}"
        return "do not promote", False, f"{new} should not replace {old} yet"
    if compared.ci_low > 0:
        return "better", True, f"{new} answers better than {old}"
    if compared.ci_high < 0:
        return "worse", False, f"{new} answers worse than {old}"
    return "no difference shown", False, f"{new} is not shown to answer better than {old}"


def _cards(told: Told) -> str:
    found = told.evaluation
    cards = []
    for metric, words in _HEADLINES.items():
        new, old = (float(found.models[name][metric].mean()) for name in (found.candidate, found.base))
        if _pair(told):
            cards.append(_card(metric, f"{old:.3f} → {new:.3f}", words, tone="good" if new > old else "bad" if new < old else ""))
        else:
            cards.append(_card(metric, f"{new:.3f}", words))
    if compared := found.comparison:
        tone = "good" if compared.ci_low > 0 else "bad" if compared.ci_high < 0 else ""
        interval = f"95 % between {compared.ci_low:+.3f} and {compared.ci_high:+.3f}; p = {compared.p_value:.4f}"
        cards.append(_card(f"Difference in {NDCG}", f"{compared.difference:+.3f}", interval, tone=tone))
    return f'<div class="cards">{"".join(cards)}</div>'


def _gates(told: Told) -> str:
    if told.gates is None:
        return ""
    items = "".join(
        f'<div class="gate"><span class="{"mark" if gate.passed else "mark bad"}">{"passed" if gate.passed else "failed"}</span>'
        f'<div><strong>{escape(gate.name)}</strong><div class="words">{escape(gate.detail)}</div></div></div>'
        for gate in told.gates
    )
    return _section("May it be promoted?", "Each gate has to hold. Not promoting is a result like any other.", items)


def _runs(told: Told) -> str:
    found = told.evaluation
    best = max(found.runs, key=lambda name: found.runs[name][NDCG].mean())
    lines = []
    for name, figures in found.runs.items():
        low, high = _interval(figures[NDCG], found.families)
        colour = BEST if name == best else GOOD if name == found.candidate and _pair(told) else BASE
        lines.append(Bar(told.called(name), float(figures[NDCG].mean()), low, high, "", colour))
    text = (
        "NDCG@10: 1 would be every right answer at the top. The whiskers show how far the figure could move with other questions "
        "of the same kind (95 %). bm25 is plain word search; a hybrid adds it to a model, at a weight that other questions chose."
    )
    return _section("Who answers best", text, bars(lines))


def _slices(told: Told) -> str:
    contrasts = told.evaluation.contrasts
    if not contrasts:
        return ""
    chosen = sorted(contrasts, key=lambda name: contrasts[name].comparison.difference, reverse=True)
    if len(chosen) > _MOST_SLICES:
        chosen = [*chosen[: _MOST_SLICES // 2], *chosen[-_MOST_SLICES // 2 :]]
    lines = [_slice(name, contrasts[name]) for name in chosen]
    old, new = told.called(told.evaluation.base), told.called(told.evaluation.candidate)
    text = (
        f"The change from {old} to {new} on parts of the questions, in NDCG@10; right of the line is better. Green and red "
        "mark what chance does not explain, many parts having been looked at; grey it does."
    )
    if len(chosen) < len(contrasts):
        text += f" Shown are the {len(chosen)} parts of {len(contrasts)} that gained and lost most."
    return _section("Where it changed", text, differences(lines))


def _slice(name: str, found: Contrast) -> Bar:
    compared = found.comparison
    sure = found.p_corrected < SIGNIFICANT
    colour = PLAIN if not sure else GOOD if compared.difference > 0 else BAD
    return Bar(
        f"{name} ({found.queries})", compared.difference, compared.ci_low, compared.ci_high, f"{compared.difference:+.3f}", colour
    )


def _examples(told: Told) -> str:
    if not told.wins and not told.losses:
        return ""
    text = "The questions that gained most and those that lost most, with the first answers of either model; ✓ marks a right one."
    parts = [f"<h3>{title}</h3>{''.join(_example(one, told) for one in found)}"
             for title, found in (("Gained", told.wins), ("Lost", told.losses)) if found]  # fmt: skip
    return _section("Question by question", text, *parts)


def _example(example: Example, told: Told) -> str:
    sides = ((told.evaluation.base, example.base), (told.evaluation.candidate, example.candidate))
    shown = "".join(
        f'<div class="side"><div class="name">{escape(told.called(name))}</div><ol>{"".join(map(_answer, answers))}</ol></div>'
        for name, answers in sides
    )
    return (
        f'<div class="example"><div class="query">“{escape(example.text)}” <span class="key">{example.gain:+.2f}</span></div>'
        f'<div class="pair">{shown}</div></div>'
    )


def _answer(shown: Shown) -> str:
    tick = " ✓" if shown.right else ""
    return f'<li value="{shown.rank}"{" class=right" if shown.right else ""}>{escape(shown.text)}{tick}</li>'


def _figures(told: Told) -> str:
    found = told.evaluation
    metrics = list(found.models[found.base])
    head = "".join(f'<th class="number">{escape(metric)}</th>' for metric in metrics)
    rows = "".join(
        f"<tr><td>{escape(told.row(name))}</td>"
        + "".join(f'<td class="number">{figures[metric].mean():.4f}</td>' for metric in metrics)
        + "</tr>"
        for name, figures in found.runs.items()
    )
    notes = "; ".join(f"{told.called(name)}: {choice.why}" for name, choice in found.fusions.items())
    return _section("All figures", f"{notes}." if notes else "", f"<table><tr><th></th>{head}</tr>{rows}</table>")


def _footer(told: Told) -> str:
    found = told.evaluation
    return (
        f"<footer><p>Split {escape(found.split)}. Every record was compared with every question, nothing approximately. "
        "Differences are paired by question and take families of questions whole: 95 % intervals by bootstrap over 10,000 draws, "
        "p-values by a sign-flip permutation test, those of parts corrected for their number (Holm).</p></footer>\n"
    )


def _section(title: str, text: str, *parts: str) -> str:
    return f"<section><h2>{escape(title)}</h2><p>{escape(text)}</p>{''.join(parts)}</section>\n"


def _card(name: str, value: str, more: str, *, tone: str = "") -> str:
    return (
        f'<div class="card"><div class="name">{escape(name)}</div><div class="value {tone}">{escape(value)}</div>'
        f'<div class="more">{escape(more)}</div></div>'
    )


def _interval(scores: Scores, families: Sequence[str]) -> tuple[float, float]:
    found = compare(np.zeros(len(scores)), scores, metric=NDCG, families=families, rounds=2000)
    return max(0.0, found.ci_low), min(1.0, found.ci_high)


def _pair(told: Told) -> bool:
    return told.evaluation.comparison is not None
