"""``transvase pairs leaks``: what the splits of a collection give away about each other."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Group, RenderableType
from transvase.cli.options import json_option
from transvase.cli.output import emit, rows
from transvase.core.errors import Refused
from transvase.core.signal.leaks import Example, Leaks, find_leaks


@click.command(name="leaks")
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Collection in the BEIR layout.")
@click.option("--split", help="Only leaks from train and dev into this split.")
@json_option
def command(*, data: Path, split: str | None, as_json: bool) -> None:
    """Look for queries of one split that another has given away. Ends with status 1 if there are any."""
    leaks = find_leaks(data, split=split)
    emit(leaks.as_json(), as_json, shown=_shown(leaks))
    if leaks.leaking:
        raise Refused(
            f"{leaks.sentence()}; divide the collection again with `transvase pairs`, or remove these queries from one side"
        )


def _shown(leaks: Leaks) -> RenderableType:
    parts: list[RenderableType] = [", ".join(f"{split}: {count} queries" for split, count in leaks.splits.items())]
    for title, counts in (("leak", leaks.leaks), ("remark, no leak", leaks.remarks)):
        if counts:
            lines = [
                [kind if not number else "", count if not number else "", *_example(one)]
                for kind, count in counts.items()
                for number, one in enumerate(leaks.examples[kind])
            ]
            parts.append(rows([title, "queries", "splits", "such as", "and"], [[str(cell) for cell in line] for line in lines]))
    return Group(*parts, *(() if leaks.leaking else (leaks.sentence(),)))


def _example(one: Example) -> tuple[str, str, str]:
    first, second = (f"{name}: {text}" for name, text in zip(one.queries, one.texts, strict=True))
    return " → ".join(one.splits), first, second
