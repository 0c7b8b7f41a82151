"""``transvase pause``."""

from __future__ import annotations

import click
from transvase.migrations.pause import pause

from .options import alias_argument, json_option
from .output import emit
from .wiring import patiently


@click.command()
@alias_argument
@json_option
@click.pass_obj
def command(url: str | None, *, alias: str, as_json: bool) -> None:
    """Hold the fill of ALIAS back until `resume`; writes go on being captured and paid."""
    migration = patiently(url, lambda store: pause(store, alias))
    emit({"alias": alias, "phase": str(migration.phase), "paused": migration.paused}, as_json)
