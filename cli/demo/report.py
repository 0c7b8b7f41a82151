"""The demo as one page that anybody can open: figures first, then the pictures behind them, then how each was come by."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from ..look import STYLE, write_page
from . import charts
from .outcome import ACTORS, Example, Outcome, TopHit
from .waits import Operation, longest_ms, quantile_ms


def write(outcome: Outcome, path: Path) -> None:
    """Write the page to ``path``, replacing what was there; Unfit where that cannot be written."""
    write_page(page(outcome), path, option="--report")


def page(outcome: Outcome) -> str:
    """The whole page. It asks for nothing outside itself."""
    body = "".join(part(outcome) for part in (_head, _cards, _answers, _waiting, _pouring, _spaces, _footer))
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>Transvase: a live index, moved</title><style>{STYLE}</style></head>"
        f"<body><main>\n{body}</main></body></html>\n"
    )


def _head(outcome: Outcome) -> str:
    mark = '<span class="mark">every check passed</span>' if outcome.sound else '<span class="mark bad">checks failed</span>'
    return (
        f"{mark}<h1>A live vector index, poured into a better space while the application kept working</h1>"
        '<p class="lead">A real Postgres, a real model trained on the spot, four readers and two writers who never stopped: '
        "over, back, over again, and the old index retired.</p>"
    )


def _cards(outcome: Outcome) -> str:
    quality, mixing = outcome.quality, outcome.mixing
    compared = quality.comparison
    kinds = ", ".join(f"{count} {kind}s" for kind, count in outcome.kinds.items())
    cards = (
        _card(
            "NDCG@10, before → after",
            f"{quality.before:.3f} → {quality.after:.3f}",
            f"{compared.difference:+.3f} (95 %: {compared.ci_low:+.3f} … {compared.ci_high:+.3f})",
            tone="good" if compared.ci_low > 0 else "",
        ),
        _card("Records moved", f"{outcome.records:,}", f"{outcome.rows_per_s:.0f} a second, encoding included"),
        _card("Writes meanwhile", f"{outcome.writes:,}", kinds),
        _card(
            "Longest wait",
            _ms(longest_ms(outcome.during())),
            f"ordinarily {_ms(longest_ms(outcome.before()))} under the same traffic",
        ),
        _zero("Errors", len(outcome.failures), f"of {mixing.answers:,} searches and {outcome.writes:,} writes"),
        _zero("Stale rows", outcome.stale, "vectors of a text that is no longer there"),
        _zero("Lost rows", outcome.lost, f"all {outcome.survey.rows:,} rows compared, twice"),
        _zero("Mixed results", outcome.mixing.mixed, f"{mixing.hits:,} scores recomputed"),
    )
    return f'<div class="cards">{"".join(cards)}</div>'


def _card(name: str, value: str, more: str, *, tone: str = "") -> str:
    return (
        f'<div class="card"><div class="name">{escape(name)}</div><div class="value {tone}">{escape(value)}</div>'
        f'<div class="more">{escape(more)}</div></div>'
    )


def _zero(name: str, count: int, more: str) -> str:
    return _card(name, f"{count:,}", more, tone="bad" if count else "good")


def _answers(outcome: Outcome) -> str:
    found = outcome.quality
    text = (
        f"The model was trained here for {found.training_s:.0f} seconds on {found.pairs:,} pairs, then asked "
        f"{found.queries} questions about modules it had never seen. Below: the question that gained most, another "
        "that gained, and the one that lost most."
    )
    chart = charts.quality(outcome).replace("<svg", '<svg class="narrow"', 1)
    title = "Better answers" if found.comparison.ci_low > 0 else "The answers, before and after"
    return _section(title, text, chart, *map(_example, found.examples))


def _waiting(outcome: Outcome) -> str:
    text = (
        "Each dot is the longest wait of its kind in half a second; bands are the moves of the migration, the first "
        "the same traffic without one. While the index is filled and proven, the new model encodes on the processor "
        "that also serves the readers, which lifts the dots there. The switches themselves are "
        "the thin lines."
    )
    return _section("What anybody waited", text, charts.waits(outcome), _waits(outcome))


def _pouring(outcome: Outcome) -> str:
    text = (
        f"{outcome.records:,} rows went into a side table at {outcome.rows_per_s:.0f} rows a second, encoding "
        "included, while the application wrote on. Every fresh write owes a vector until a worker has paid it; a "
        "switch needs that debt to be zero."
    )
    return _section("Rows poured, writes paid", text, charts.flow(outcome))


def _section(title: str, text: str, *parts: str) -> str:
    return f"<section><h2>{escape(title)}</h2><p>{escape(text)}</p>{''.join(parts)}</section>\n"


def _example(example: Example) -> str:
    return (
        f'<div class="example"><div class="query">“{escape(example.query)}”</div><div class="pair">'
        f"{_side('base model', example.before)}{_side('trained here', example.after)}</div></div>"
    )


def _side(name: str, hits: Sequence[TopHit]) -> str:
    items = "".join(f'<li class="right">{escape(h.name)} ✓</li>' if h.right else f"<li>{escape(h.name)}</li>" for h in hits)
    return f'<div class="side"><div class="name">{name}</div><ol>{items}</ol></div>'


def _waits(outcome: Outcome) -> str:
    rows = "".join(_wait_row(charts.WORDS[who], outcome.before(names), outcome.during(names)) for who, names in ACTORS.items())
    head = "".join(
        f'<th class="number">{name}</th>'
        for name in ("median, ordinarily", "median", "99 %, ordinarily", "99 %", "longest, ordinarily", "longest")
    )
    return f"<table><tr><th></th>{head}</tr>{rows}</table>"


def _wait_row(name: str, ordinary: Sequence[Operation], moving: Sequence[Operation]) -> str:
    figures = [f(side) for f in (_median, _late, longest_ms) for side in (ordinary, moving)]
    return f"<tr><td>{escape(name)}</td>{''.join(f'<td class=number>{_ms(figure)}</td>' for figure in figures)}</tr>"


def _spaces(outcome: Outcome) -> str:
    mixing, switches = outcome.mixing, ", ".join(f"{ms:.1f} ms" for ms in outcome.switches_ms)
    wide, wider = outcome.dimensions
    text = (
        "The score of every hit was computed again from the texts, in the one space its answer named, and had to "
        f"agree to {mixing.tolerance:.4f}; the furthest was {mixing.furthest:.1e} off. Had spaces been mixed, "
        f"{mixing.told_apart:.1%} of the hits would have shown it. The new index is {wider} wide where the old one "
        f"was {wide}: whoever brings a vector of the other space gets the database’s own error. That happened to "
        f"{len(outcome.refusals)} searches by SQL at a switch, which went on with the right vectors, and to this one, "
        "made by a stranger after the switch:"
    )
    stranger = f"<code>{escape(outcome.stranger)}</code>" if outcome.stranger else "<code>an old vector was not refused</code>"
    rows = (
        ("Answers checked", f"{mixing.answers:,}"),
        ("Hits whose score was recomputed", f"{mixing.hits:,}"),
        ("Hits served from a text that had just been replaced", f"{mixing.lagging:,}"),
        ("Switches (over, back, over again)", switches),
        ("Least cosine of a stored vector with its row’s present text", f"{outcome.survey.least_cosine:.5f}"),
    )
    table = "".join(f'<tr><td>{escape(name)}</td><td class="number">{escape(value)}</td></tr>' for name, value in rows)
    title = "Spaces were mixed" if mixing.mixed else "The spaces never met"
    return _section(title, text, stranger, f'<table style="margin-top:14px">{table}</table>')


def _footer(outcome: Outcome) -> str:
    moves = ", ".join(f"{span.name} {span.seconds:.1f} s" for span in outcome.spans)
    return (
        f"<footer><p>The whole demo took {outcome.seconds:.0f} seconds on this machine. Moves: {escape(moves)}. The corpus is "
        "the source of the Python packages installed beside it; each question is the first line of a definition’s "
        "documentation, "
        "which was taken out of its record. No module of the questions was trained on.</p></footer>\n"
    )


def _ms(milliseconds: float) -> str:
    return f"{milliseconds:.1f} ms" if milliseconds < 10 else f"{milliseconds:,.0f} ms"


def _median(operations: Sequence[Operation]) -> float:
    return quantile_ms(operations, 0.5)


def _late(operations: Sequence[Operation]) -> float:
    return quantile_ms(operations, 0.99)
