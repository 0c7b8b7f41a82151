"""``transvase retire``."""

from __future__ import annotations

import click
from transvase.migrations.retire import retire

from .options import alias_argument, json_option, quiet_option
from .output import emit
from .progress import progress_to_stderr
from .wiring import patiently


@click.command()
@alias_argument
@click.option(
    "--drop", is_flag=True, help="Drop an adopted column instead of renaming it, or an adopted collection instead of leaving it."
)
@click.option("--take-name", is_flag=True, help="Delete an adopted collection and give its name to the live one.")
@quiet_option
@json_option
@click.pass_obj
def command(url: str | None, *, alias: str, drop: bool, take_name: bool, quiet_s: float | None, as_json: bool) -> None:
    """End the old side of ALIAS; there is no way back. Says how often it was read since the cutover, and when last."""
    with progress_to_stderr() as progress:
        outcome = patiently(
            url,
            lambda store: retire(store, alias, drop=drop, take_name=take_name, quiet_s=quiet_s, progress=progress),
            progress=progress,
        )
    emit(outcome.as_json(), as_json)
