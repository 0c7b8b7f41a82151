"""``transvase resume``."""

from __future__ import annotations

import click
from transvase.migrations.pause import resume

from .options import alias_argument, json_option
from .output import emit
from .wiring import patiently


@click.command()
@alias_argument
@json_option
@click.pass_obj
def command(url: str | None, *, alias: str, as_json: bool) -> None:
    """Let the fill of ALIAS go on."""
    migration = patiently(url, lambda store: resume(store, alias))
    emit({"alias": alias, "phase": str(migration.phase), "paused": migration.paused}, as_json)
