"""Options that every kind of signal has: where the collection goes, what is left out of it, how it is divided."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
from rich.console import Group, RenderableType
from transvase.cli.options import json_option
from transvase.cli.output import facts, rows
from transvase.core.errors import BadValue
from transvase.core.signal.assembly import Made, Terms
from transvase.core.signal.cleaning import Rules
from transvase.core.signal.cut import Cut

Command = Callable[..., None]


def collection_options(function: Command) -> Command:
    """``--out``, the rules of cleaning and the way of dividing; the command gets ``out``, ``terms`` and ``as_json``."""

    @functools.wraps(function)
    def with_terms(
        *,
        languages: tuple[str, ...],
        most_per_record: int,
        longest_query: int,
        longest_document: int,
        keep_near: bool,
        dev: float,
        test: float,
        by: str,
        hold_out: str | None,
        joins: str | None,
        seed: int,
        **own: Any,
    ) -> None:
        rules = Rules(
            longest_query=longest_query,
            longest_document=longest_document,
            languages=languages,
            most_per_record=most_per_record,
            keep_near=keep_near,
            seed=seed,
        )
        cut = Cut(dev=dev, test=test, seed=seed, by=by, held_out=_slice(hold_out))
        kinds = None if joins is None else tuple(name.strip() for name in joins.split(",") if name.strip())
        function(terms=Terms(rules=rules, cut=cut, joins=kinds), **own)

    command: Command = with_terms
    for option in reversed(_OPTIONS):
        command = option(command)
    return json_option(command)


def column_options(function: Command) -> Command:
    """``--group``, ``--time`` and ``--keep``: columns about a query that tables of questions and of judgments have alike."""
    for option in reversed(_COLUMNS):
        function = option(function)
    return function


def _slice(text: str | None) -> tuple[str, str] | None:
    if text is None:
        return None
    field, equals, value = text.partition("=")
    if not (field and equals and value):
        raise BadValue("hold-out", text, why="write FIELD=VALUE")
    return field, value


_COLUMNS: list[Callable[[Command], Command]] = [
    click.option(
        "--group", default="", metavar="COL", help="Column of what belongs together (a ticket, a thread): never divided."
    ),
    click.option("--time", default="", metavar="COL", help="Column of the moment: ISO 8601, or seconds since 1970."),
    click.option("--keep", multiple=True, metavar="COL", help="Column to keep in the query's metadata; can be repeated."),
]

_OPTIONS: list[Callable[[Command], Command]] = [
    click.option("--out", required=True, type=click.Path(path_type=Path), help="Directory to write; it must not exist."),
    click.option("--dev", type=float, default=0.1, show_default=True, help="Share of the queries for dev."),
    click.option("--test", type=float, default=0.1, show_default=True, help="Share of the queries for test."),
    click.option(
        "--split",
        "by",
        type=click.Choice(["family", "time"]),
        default="family",
        show_default=True,
        help="Families at random, or the latest queries as test and those before them as dev.",
    ),
    click.option("--hold-out", metavar="FIELD=VALUE", help="All queries with this value in their metadata are test."),
    click.option("--join", "joins", metavar="KIND,…", help="What makes a family: text, family, session, source, document [all]."),
    click.option("--seed", type=int, default=1, show_default=True, help="Draws the splits."),
    click.option(
        "--language", "languages", multiple=True, metavar="CODE", help="Keep only texts that may be in it; can be repeated."
    ),
    click.option(
        "--most-per-record",
        type=click.IntRange(1),
        default=100,
        show_default=True,
        help="Queries kept that only one record answers.",
    ),
    click.option(
        "--longest-query", type=click.IntRange(1), default=2_000, show_default=True, help="Characters of a query, at most."
    ),
    click.option(
        "--longest-document",
        type=click.IntRange(1),
        default=100_000,
        show_default=True,
        help="Characters of a document, at most.",
    ),
    click.option("--keep-near", is_flag=True, help="Keep queries that nearly repeat another with the same answer."),
]


def shown(made: Made) -> RenderableType:
    """What people see of a finished collection."""
    report = dict(made.as_json())
    notes, splits, dropped = report.pop("notes"), report.pop("splits"), report.pop("dropped")
    parts: list[RenderableType] = []
    if isinstance(splits, dict):
        headings = list(next(iter(splits.values())))
        parts.append(
            rows(["split", *(name.replace("_", " ") for name in headings)], [[k, *v.values()] for k, v in splits.items()])
        )
    if isinstance(dropped, dict) and dropped:
        lines = [[reason, found["count"], ", ".join(found["examples"])] for reason, found in dropped.items()]
        parts.append(rows(["left out", "pairs", "such as"], lines))
    parts.append(facts(report))
    parts.extend(f"note: {note}" for note in (notes if isinstance(notes, list) else ()))
    return Group(*parts)
