"""``transvase abort``."""

from __future__ import annotations

import click
from transvase.migrations.abort import abort

from .options import alias_argument, json_option
from .output import emit
from .progress import progress_to_stderr
from .wiring import opened


@click.command()
@alias_argument
@json_option
@click.pass_obj
def command(url: str | None, *, alias: str, as_json: bool) -> None:
    """Give the migration of ALIAS up before its cutover: the target goes, and nothing else was touched."""
    with opened(url) as store, progress_to_stderr() as progress:
        outcome = abort(store, alias, progress=progress)
    emit(outcome.as_json(), as_json)
