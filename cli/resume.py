"""``transvase resume``."""

from __future__ import annotations

import click
from transvase.migrations.pause import resume

from .options import alias_argument, json_option
from .output import emit
from .wiring import opened


@click.command()
@alias_argument
@json_option
@click.pass_obj
def command(url: str | None, *, alias: str, as_json: bool) -> None:
    """Let the fill of ALIAS go on."""
    with opened(url) as store:
        migration = resume(store, alias)
    emit({"alias": alias, "phase": str(migration.phase), "paused": migration.paused}, as_json)
