"""The report's pictures, as SVG text that stands inside the page: no file, no address, no script."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

from .outcome import ACTORS, Outcome
from .waits import Operation, Span, peaks

INK, QUIET, LINE, OLD, NEW, BAND = "#1c2430", "#6b7686", "#dfe4ea", "#9aa7b8", "#0f7b6c", "#eef3f6"
COLOURS: Final[Mapping[str, str]] = {"retriever": "#0f7b6c", "sql": "#3d6fd9", "writers": "#d9822b"}
WORDS: Final[Mapping[str, str]] = {
    "retriever": "readers through the Retriever, encoding included",
    "sql": "readers by SQL",
    "writers": "writers",
}
SWITCHES: Final = ("cutover", "rollback")
STEP_S: Final = 0.5
"""Stretch whose longest wait is one dot."""


def quality(outcome: Outcome) -> str:
    """NDCG@10 before and after, the paired interval of the difference drawn at the tuned model's end."""
    with _figure(7.2, 1.75) as (figure, save):
        axes = figure.subplots()
        found = outcome.quality
        axes.barh([1, 0], [found.before, found.after], color=[OLD, NEW], height=0.62)
        low, high = found.before + found.comparison.ci_low, found.before + found.comparison.ci_high
        axes.plot([low, high], [0, 0], color=INK, linewidth=1.6)
        axes.plot([low, high], [0, 0], "|", color=INK, markersize=11, markeredgewidth=1.6)
        for row, value in ((1, found.before), (0, found.after)):
            axes.text(0.012, row, f"{value:.3f}", color="white", va="center", fontsize=12, fontweight="bold")
        axes.set_yticks([1, 0], ["base model", "trained here"], fontsize=11, color=INK)
        axes.set_xlim(0, 1)
        axes.set_xlabel("NDCG@10 on held-out queries; whisker: 95 % interval of the paired difference", color=QUIET, fontsize=9)
        axes.axvline(found.before, color=OLD, linewidth=1, linestyle=(0, (3, 3)))
        _plain(axes)
    return save()


def waits(outcome: Outcome) -> str:
    """The longest wait of each kind of actor in every half second, moves as bands, on a logarithmic scale."""
    with _figure(10.4, 3.6) as (figure, save):
        axes = figure.subplots()
        start = outcome.ordinary.began
        for who, names in ACTORS.items():
            mine = [o for o in outcome.operations if o.actor.startswith(names) and o.began >= start]
            _dots(axes, mine, start=start, colour=COLOURS[who], label=WORDS[who])
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.set_ylim(low, high * 3)
        _bands(axes, outcome, start=start)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g} ms")
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.13), ncols=3, frameon=False, fontsize=9, labelcolor=INK)
        _plain(axes, grid="y")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")
    return save()


def flow(outcome: Outcome) -> str:
    """Rows moved, and keys owed to an index, over the time of the migration."""
    with _figure(10.4, 3.9) as (figure, save):
        moved, owed = figure.subplots(2, 1, sharex=True, gridspec_kw={"height_ratios": [3, 2], "hspace": 0.16})
        start = outcome.ordinary.began
        times = [sample.at - start for sample in outcome.samples]
        done = [sample.done for sample in outcome.samples]
        moved.fill_between(times, done, color=NEW, alpha=0.16, linewidth=0)
        moved.plot(times, done, color=NEW, linewidth=2)
        moved.set_ylim(0, max([*done, 1]) * 1.06)
        moved.set_ylabel("rows moved", color=QUIET, fontsize=9)
        owed.fill_between(
            times, [sample.owed for sample in outcome.samples], color="#d9822b", alpha=0.22, linewidth=0, step="post"
        )
        owed.step(times, [sample.owed for sample in outcome.samples], color="#d9822b", linewidth=1.4, where="post")
        owed.set_ylim(bottom=0)
        owed.set_ylabel("vectors owed\nto fresh writes", color=QUIET, fontsize=9)
        _bands(moved, outcome, start=start, named=False)
        _bands(owed, outcome, start=start, named=False)
        for axes in (moved, owed):
            _plain(axes, grid="y")
        owed.xaxis.set_major_formatter(lambda value, _: f"{value:g} s")
        moved.yaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    return save()


def _dots(axes: Any, operations: Sequence[Operation], *, start: float, colour: str, label: str) -> None:
    points = peaks(operations, width=STEP_S)
    axes.scatter(
        [at - start for at, _ in points],
        [1000 * wait for _, wait in points],
        s=9,
        color=colour,
        alpha=0.75,
        linewidths=0,
        label=label,
    )


def _bands(axes: Any, outcome: Outcome, *, start: float, named: bool = True) -> None:
    """The moves as bands behind the points; the ordinary stretch is the first. Names that would touch stand at other heights."""
    first, last = outcome.ordinary.began - start, outcome.ended - start
    axes.set_xlim(first - 0.5, last + 0.5)
    taken = [-1e9] * 4
    for span in (outcome.ordinary, *outcome.spans):
        _band(axes, span, start=start, ordinary=span is outcome.ordinary)
        if not named:
            continue
        middle = (span.began + span.ended) / 2 - start
        width = (last - first) * 0.0115 * len(span.name)
        level = next((place for place, end in enumerate(taken) if end < middle - width / 2), len(taken) - 1)
        taken[level] = middle + width / 2
        axes.text(
            middle,
            0.965 - 0.085 * level,
            span.name,
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="top",
            fontsize=8.5,
            color=QUIET,
        )


def _band(axes: Any, span: Span, *, start: float, ordinary: bool) -> None:
    began, ended = span.began - start, span.ended - start
    if span.name.startswith(SWITCHES):
        axes.axvline(ended, color=INK, linewidth=1, zorder=0.6)  # the move ends on the switch itself
    else:
        axes.axvspan(began, ended, color="#f6f7f9" if ordinary else BAND, linewidth=0, zorder=0)
        axes.axvline(began, color=LINE, linewidth=0.8, zorder=0.5)


def _plain(axes: Any, *, grid: str = "") -> None:
    for side in ("top", "right", "left", "bottom"):
        axes.spines[side].set_visible(False)
    axes.tick_params(which="both", length=0, labelsize=9, colors=QUIET)
    axes.set_axisbelow(True)
    if grid:
        axes.grid(axis=grid, color=LINE, linewidth=0.7)


@contextmanager
def _figure(width: float, height: float) -> Iterator[tuple[Any, Callable[[], str]]]:
    """A figure, and what gives its SVG after the block; nothing of it touches matplotlib's global state."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    drawn: list[str] = []
    settings = {
        "svg.fonttype": "none",
        "font.family": "sans-serif",
        "font.sans-serif": ["DejaVu Sans"],
        "svg.hashsalt": "transvase",
    }
    with mpl.rc_context(settings):
        figure = Figure(figsize=(width, height))
        FigureCanvasSVG(figure)
        yield figure, lambda: drawn[0]
        page = io.StringIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        figure.savefig(page, format="svg", bbox_inches="tight", pad_inches=0.04, transparent=True, metadata=nothing)
    drawn.append(_bare(page.getvalue()))


def _bare(page: str) -> str:
    """The element alone: inside HTML it needs no prologue and no namespaces, and its width is the page's to set."""
    element = page[page.index("<svg") :]
    element = re.sub(r"<metadata>.*?</metadata>", "", element, flags=re.DOTALL)
    element = re.sub(r'\sxmlns(:\w+)?="[^"]*"', "", element)
    element = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", element, count=1)
    element = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", element, count=1)
    return element.replace("'DejaVu Sans'", "system-ui, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif")
