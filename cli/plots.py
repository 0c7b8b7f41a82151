"""The pictures of an evaluation, drawn by hand as SVG: they need no package, no script and no file beside the page.

Lengths are in the picture's own units; the page scales it. Every text is escaped here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from math import ceil, floor
from typing import Final

INK, QUIET, LINE = "#1c2430", "#6b7686", "#e3e8ed"
BASE, BEST, GOOD, BAD, PLAIN = "#9aa7b8", "#3d6fd9", "#0f7b6c", "#b3261e", "#b9c3cf"

_WIDTH: Final = 900
_LEFT: Final = 292
_RIGHT: Final = 90
_FONT: Final = "font-family=\"system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif\""
_LETTERS: Final = 42
"""Characters of a label that fit beside the picture; its whole text is the tooltip."""


@dataclass(frozen=True, slots=True)
class Bar:
    """One line of a picture: a value between the ends of its interval, with what is written beside it."""

    label: str
    value: float
    low: float
    high: float
    note: str
    colour: str


def bars(lines: Sequence[Bar]) -> str:
    """Bars from 0 with their intervals as whiskers; the axis ends at the next tenth above everything."""
    top = max(0.1, min(1.0, ceil(max(line.high for line in lines) * 10 + 0.2) / 10))
    ticks = [step / 10 for step in range(int(top * 10) + 1)]
    scale = _Scale(0.0, top)
    drawn = [
        _bar(line, at + 7, scale)
        + _whisker(line, at + 17, scale, colour=INK)
        + _label(line.label, at + 22, weight=600)
        + _note(f"{line.value:.3f}", at + 22)
        for at, line in _placed(lines, 38)
    ]
    return _picture(drawn, ticks=ticks, scale=scale, height=38 * len(lines), named="Quality of each run")


def differences(lines: Sequence[Bar]) -> str:
    """Points with their intervals around a line at zero: to the right is better."""
    reach = max(0.05, *(max(abs(line.low), abs(line.high)) for line in lines))
    step = next(step for step in (0.02, 0.05, 0.1, 0.2, 0.25, 0.5) if reach / step <= 5 or step == 0.5)
    reach = ceil(reach / step) * step
    scale = _Scale(-reach, reach)
    ticks = [round(n * step, 4) for n in range(-floor(reach / step + 1e-9), floor(reach / step + 1e-9) + 1)]
    drawn = [
        _whisker(line, at + 13, scale, colour=line.colour)
        + f'<circle cx="{scale(line.value):.1f}" cy="{at + 13}" r="5" fill="{line.colour}"/>'
        + _label(line.label, at + 17)
        + _note(line.note, at + 17)
        for at, line in _placed(lines, 27)
    ]
    zero = f'<line x1="{scale(0):.1f}" x2="{scale(0):.1f}" y1="0" y2="{27 * len(lines)}" stroke="{INK}" stroke-width="1.2"/>'
    height = 27 * len(lines)
    return _picture([zero, *drawn], ticks=ticks, scale=scale, height=height, named="Difference on each slice", signed=True)


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float

    def __call__(self, value: float) -> float:
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _placed(lines: Sequence[Bar], step: int) -> list[tuple[int, Bar]]:
    return [(step * at, line) for at, line in enumerate(lines)]


def _picture(
    drawn: Sequence[str], *, ticks: Sequence[float], scale: _Scale, height: int, named: str, signed: bool = False
) -> str:
    grid = "".join(
        f'<line x1="{scale(tick):.1f}" x2="{scale(tick):.1f}" y1="0" y2="{height}" stroke="{LINE}"/>'
        f'<text x="{scale(tick):.1f}" y="{height + 18}" text-anchor="middle" font-size="12" fill="{QUIET}">'
        f"{_tick(tick, signed=signed)}</text>"
        for tick in ticks
    )
    return (
        f'<svg viewBox="0 -2 {_WIDTH} {height + 28}" role="img" aria-label="{escape(named)}" {_FONT}>{grid}{"".join(drawn)}</svg>'
    )


def _tick(value: float, *, signed: bool) -> str:
    text = f"{value:+.2f}" if signed else f"{value:.1f}"
    return "0" if value == 0 else text.replace("-", "−")


def _bar(line: Bar, y: int, scale: _Scale) -> str:
    width = max(1.0, scale(line.value) - _LEFT)
    return f'<rect x="{_LEFT}" y="{y}" width="{width:.1f}" height="20" rx="4" fill="{line.colour}"/>'


def _whisker(line: Bar, y: int, scale: _Scale, *, colour: str) -> str:
    low, high = scale(line.low), scale(line.high)
    ends = "".join(f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{y - 5}" y2="{y + 5}"/>' for x in (low, high))
    return f'<g stroke="{colour}" stroke-width="1.6"><line x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>{ends}</g>'


def _label(text: str, y: int, *, weight: int = 400) -> str:
    shown = text if len(text) <= _LETTERS else text[: _LETTERS - 1].rstrip() + "…"
    return (
        f'<text x="{_LEFT - 14}" y="{y}" text-anchor="end" font-size="13.5" font-weight="{weight}" fill="{INK}">'
        f"{escape(shown)}<title>{escape(text)}</title></text>"
    )


def _note(text: str, y: int) -> str:
    return (
        f'<text x="{_WIDTH - _RIGHT + 12}" y="{y}" font-size="13" fill="{INK}" '
        f'style="font-variant-numeric: tabular-nums">{escape(text)}</text>'
    )
