"""``transvase status``."""

from __future__ import annotations

import time
from typing import Final, NoReturn

import click
from rich.console import Group, RenderableType
from rich.text import Text
from transvase.core.ports import Store
from transvase.migrations.status import Status, status

from .options import alias_argument, json_option
from .output import emit, facts, say
from .wiring import patiently

_EVERY_S: Final = 2.0


@click.command()
@alias_argument
@click.option("--watch", is_flag=True, help="Look again every two seconds, until interrupted.")
@json_option
@click.pass_obj
def command(url: str | None, *, alias: str, watch: bool, as_json: bool) -> None:
    """Show where ALIAS stands: phase, both sides, rows, what is owed, rate, time left, and what throttles it."""
    if watch and as_json:
        raise click.UsageError("--watch is for people and --json is one object: use one of them")
    found = patiently(url, lambda store: _watch(store, alias) if watch else status(store, alias))
    emit(found.as_json(), as_json, shown=_shown(found))


def _watch(store: Store, alias: str) -> NoReturn:
    while True:
        click.clear()
        say(_shown(status(store, alias)))
        time.sleep(_EVERY_S)


def _shown(found: Status) -> RenderableType:
    said = {name: value for name, value in found.as_json().items() if name != "warnings"}
    warnings = [Text(f"warning: {warning}", style="yellow") for warning in found.warnings]
    return Group(facts({**said, "phase": found.phase or "no migration yet"}), *warnings)
