"""The end of the demo on a terminal: what it comes to, in one table, with three queries to look at."""

from __future__ import annotations

from rich.console import Console, Group
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from .outcome import Example, Outcome
from .waits import longest_ms

GOOD, BAD, QUIET = "bold green", "bold red", "dim"


def show(outcome: Outcome, console: Console) -> None:
    """Print the summary."""
    console.print(
        Panel(Group(_figures(outcome), Text(), *_examples(outcome.quality.examples)), title=_title(outcome), padding=(1, 2))
    )


def _title(outcome: Outcome) -> Text:
    if outcome.sound:
        return Text("a live index, moved to a better space: nothing lost, nothing mixed", style=GOOD)
    return Text("something went wrong: see the red lines", style=BAD)


def _figures(outcome: Outcome) -> Table:
    quality, mixing = outcome.quality, outcome.mixing
    table = Table(show_header=False, box=None, padding=(0, 2, 0, 0))
    table.add_column(justify="right", no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(style=QUIET)
    gain = f"{quality.comparison.difference:+.3f}, 95 % {quality.comparison.ci_low:+.3f} … {quality.comparison.ci_high:+.3f}"
    table.add_row(
        "NDCG@10", f"[bold]{quality.before:.3f} → {quality.after:.3f}[/]", f"{gain}, {quality.queries} held-out queries"
    )
    table.add_row("records moved", f"[bold]{outcome.records:,}[/]", f"{outcome.rows_per_s:.0f} rows a second, encoding included")
    table.add_row("writes meanwhile", f"[bold]{outcome.writes}[/]", _writes(outcome))
    table.add_row("errors", _count(len(outcome.failures)), f"of {mixing.answers} searches and {outcome.writes} writes")
    table.add_row("stale rows", _count(outcome.stale), f"least cosine with the present text {outcome.survey.least_cosine:.5f}")
    table.add_row(
        "lost rows", _count(outcome.lost), f"all {outcome.survey.rows:,} rows compared, after the rollback and at the end"
    )
    told = f"{mixing.hits:,} scores recomputed; a mix would have shown in {mixing.told_apart:.1%} of them"
    table.add_row("mixed results", _count(mixing.mixed), told)
    table.add_row(
        "longest wait",
        f"[bold]{longest_ms(outcome.during()):.0f} ms[/]",
        f"ordinarily {longest_ms(outcome.before()):.0f} ms; {_waits(outcome)}",
    )
    switches = ", ".join(f"{ms:.1f}" for ms in outcome.switches_ms)
    table.add_row("switches", f"[bold]{switches} ms[/]", "over, back and over again")
    refused = outcome.stranger or "[bold red]an old vector was NOT refused[/]"
    table.add_row("stranger", "[bold]refused[/]" if outcome.stranger else "[bold red]let in[/]", refused)
    return table


def _writes(outcome: Outcome) -> str:
    said = ", ".join(f"{n} {kind}s" for kind, n in outcome.kinds.items())
    return f"{said}; their pace was halved {outcome.slowed} times for the worker to follow" if outcome.slowed else said


def _waits(outcome: Outcome) -> str:
    sql = longest_ms(outcome.during(["sql", "writer"]))
    return f"in SQL alone {sql:.0f} ms, ordinarily {longest_ms(outcome.before(['sql', 'writer'])):.0f} ms"


def _examples(examples: tuple[Example, ...]) -> list[Table]:
    tables = []
    for example in examples:
        table = Table(title=Text(f"“{example.query}”", style="italic"), title_justify="left", box=None, padding=(0, 3, 0, 0))
        table.add_column("before", style=QUIET, ratio=1)
        table.add_column("after", ratio=1)
        for before, after in zip(example.before, example.after, strict=False):
            table.add_row(_hit(before.name, right=before.right), _hit(after.name, right=after.right))
        tables.append(table)
    return tables


def _hit(name: str, *, right: bool) -> Text:
    module, _, short = name.rpartition(".")
    shown = Text.assemble("✓ " if right else "  ", (short, "green" if right else ""), (f"  {module}", QUIET))
    shown.no_wrap, shown.overflow = True, "ellipsis"
    return shown


def _count(number: int) -> str:
    return f"[{GOOD if number == 0 else BAD}]{number}[/]"
