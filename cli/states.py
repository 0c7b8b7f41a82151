"""Draws ``docs/states.md`` from the machine's own table, so that the picture cannot differ from it."""

from __future__ import annotations

from collections.abc import Iterator

import click
from transvase.core.migration import AFTER, BEFORE, ENDED, MOVES, Guard, Move, Phase


def page() -> str:
    """The whole page, in Markdown."""
    return "\n".join([*_head(), *_diagram(), "", *_table(), ""])


def _head() -> list[str]:
    return [
        "# The machine",
        "",
        "Drawn from `core/migration.py` by `make docs`; not edited by hand. A phase is a state of rest: safe to stay in for",
        "ever, safe to crash in. Every effect is idempotent, so a move that a crash cut short is mended by making it again.",
        "",
    ]


def _diagram() -> Iterator[str]:
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield f"    [*] --> {Phase.PLANNED}"
    for phase, move, to in _moves():
        yield f"    {phase} --> {to}: {move}"
    for phase in Phase:
        if phase in ENDED:
            yield f"    {phase} --> [*]"
    yield "```"


def _table() -> Iterator[str]:
    yield "| from | move | to | before it may be tried | before it is believed |"
    yield "|---|---|---|---|---|"
    for phase, move, to in _moves():
        yield f"| {phase} | **{move}** | {to} | {_sentences(BEFORE[move])} | {_sentences(AFTER[move])} |"


def _moves() -> Iterator[tuple[Phase, Move, Phase]]:
    return ((phase, move, to) for phase, exits in MOVES.items() for move, to in exits.items())


def _sentences(guards: tuple[Guard, ...]) -> str:
    return "; ".join(guard.__name__.strip("_").replace("_", " ") for guard in guards) or "–"


if __name__ == "__main__":
    click.echo(page(), nl=False)
