"""``transvase fill``."""

from __future__ import annotations

import click
from transvase.migrations.fill import fill

from .options import alias_argument, derive_option, json_option
from .output import emit
from .progress import progress_to_stderr
from .wiring import derivations, encoders, patiently


@click.command()
@alias_argument
@derive_option
@json_option
@click.pass_obj
def command(url: str | None, *, alias: str, derive: bool, as_json: bool) -> None:
    """Fill the target of ALIAS to the end of the table and build its index; goes on where an earlier run stopped."""
    with progress_to_stderr() as progress:
        outcome = patiently(
            url,
            lambda store: fill(store, alias, encoders=encoders(), derivations=derivations if derive else None, progress=progress),
            progress=progress,
        )
    emit(outcome.as_json(), as_json)
