"""What is written where: one JSON object on stdout for programs, tables and sentences on stderr for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from typing import Final

import click
from rich.console import Console, RenderableType
from rich.table import Table
from rich.text import Text

_UNFOLDED: Final = 10_000
"""Columns of a file or a pipe, which would fold the cells of a table at 80."""


def emit(found: Mapping[str, object], as_json: bool, *, shown: RenderableType | None = None) -> None:
    """Write the result of a command: with ``as_json`` as one object on stdout, else for people on stderr.

    ``shown`` is what people see; without it they get the object's names and values, line by line.
    """
    if as_json:
        click.echo(json.dumps(found, ensure_ascii=False, default=str))
    else:
        say(facts(found) if shown is None else shown)


def say(shown: RenderableType) -> None:
    """Write something for people, on stderr; lines are folded only where a terminal says how wide it is."""
    if sys.stderr.isatty():
        Console(stderr=True, highlight=False).print(shown)
    else:
        Console(stderr=True, highlight=False, soft_wrap=True, width=_UNFOLDED).print(shown)


def facts(found: Mapping[str, object]) -> Table:
    """Names and values, one a line; what is empty is left out."""
    table = Table.grid(padding=(0, 2))
    for name, value in found.items():
        if value not in (None, "", [], {}):
            table.add_row(Text(name.replace("_", " "), style="bold"), Text(_plain(value)))
    return table


def rows(headings: Sequence[str], lines: Sequence[Sequence[object]]) -> Table:
    """A table with these headings; cells are taken as plain text, whatever brackets they hold."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in headings:
        table.add_column(heading, overflow="fold")
    for line in lines:
        table.add_row(*(Text(_plain(cell)) for cell in line))
    return table


def _plain(value: object) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{name} {_plain(one)}" for name, one in value.items() if one is not None)
    if isinstance(value, list | tuple):
        return "; ".join(_plain(one) for one in value)
    if isinstance(value, float):
        return f"{value:,.4g}" if abs(value) < 1000 else f"{value:,.0f}"
    words = {None: "–", True: "yes", False: "no"}
    return words[value] if value is None or isinstance(value, bool) else f"{value:,}" if isinstance(value, int) else str(value)
