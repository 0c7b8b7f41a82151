"""``transvase search``."""

from __future__ import annotations

import click
from transvase.core.errors import BadValue
from transvase.core.ports import Store
from transvase.core.retriever import Found, Retriever

from .options import alias_argument, json_option
from .output import emit, rows
from .wiring import encoders, patiently


@click.command()
@alias_argument
@click.argument("text")
@click.option("-k", "k", type=click.IntRange(1), default=5, show_default=True, metavar="N", help="How many hits.")
@click.option("--where", "where", multiple=True, metavar="COL=VALUE", help="Only rows with this value; may be given again.")
@click.option("--lexical", type=float, metavar="WEIGHT", help="How much the words weigh beside the vector, from 0 to 1.")
@json_option
@click.pass_obj
def command(
    url: str | None, *, alias: str, text: str, k: int, where: tuple[str, ...], lexical: float | None, as_json: bool
) -> None:
    """Search ALIAS for TEXT, through the index that is live."""
    wanted = dict(map(_condition, where))

    def answered(store: Store) -> Found:
        with Retriever(store, alias, encoders=encoders()) as retriever:
            return retriever.answer(text, k, where=wanted, lexical=lexical)

    found = patiently(url, answered)
    hits = [
        {"key": [part if isinstance(part, int) else str(part) for part in hit.key], "score": hit.score, "text": hit.text}
        for hit in found.hits
    ]
    lines = [(f"{hit.score:.4f}", ", ".join(map(str, hit.key)), _line(hit.text)) for hit in found.hits]
    shown = rows(("score", "key", "text"), lines)
    emit({"alias": alias, "index": found.index, "space": found.space, "hits": hits}, as_json, shown=shown)


def _condition(given: str) -> tuple[str, str]:
    column, equals, value = given.partition("=")
    if not equals or not column:
        raise BadValue("--where", given, why="a condition is COL=VALUE")
    return column, value


def _line(text: str | None) -> str:
    """The beginning of a text, on one line."""
    return " ".join((text or "").split())[:160]
