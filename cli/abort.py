"""``transvase abort``."""

from __future__ import annotations

import click
from transvase.migrations.abort import abort

from .options import alias_argument, json_option
from .output import emit
from .progress import progress_to_stderr
from .wiring import patiently


@click.command()
@alias_argument
@json_option
@click.pass_obj
def command(url: str | None, *, alias: str, as_json: bool) -> None:
    """Give the migration of ALIAS up before its cutover: the target goes, and nothing else was touched."""
    with progress_to_stderr() as progress:
        outcome = patiently(url, lambda store: abort(store, alias, progress=progress), progress=progress)
    emit(outcome.as_json(), as_json)
