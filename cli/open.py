"""``transvase open``."""

from __future__ import annotations

import click
from transvase.migrations.open import open_target

from .options import alias_argument, json_option, to_option
from .output import emit
from .progress import progress_to_stderr
from .wiring import encoders, patiently


@click.command()
@alias_argument
@to_option(required=True)
@json_option
@click.pass_obj
def command(url: str | None, *, alias: str, to: str, as_json: bool) -> None:
    """Make the empty target of ALIAS in the space of ENC, and capture every write from now on."""
    with progress_to_stderr() as progress:
        outcome = patiently(
            url, lambda store: open_target(store, alias, to=to, encoders=encoders(), progress=progress), progress=progress
        )
    emit(outcome.as_json(), as_json)
