"""``transvase rollback``."""

from __future__ import annotations

import click
from transvase.migrations.rollback import rollback

from .options import alias_argument, allow_owed_option, json_option, wait_option
from .output import emit
from .progress import progress_to_stderr
from .wiring import encoders, patiently


@click.command()
@alias_argument
@allow_owed_option
@wait_option
@json_option
@click.pass_obj
def command(url: str | None, *, alias: str, allow_owed: int, wait_s: float, as_json: bool) -> None:
    """Make ALIAS name the source again; both sides were kept current, so no write is lost."""
    with progress_to_stderr() as progress:
        outcome = patiently(
            url,
            lambda store: rollback(
                store, alias, encoders=encoders(), allow_owed=allow_owed, deadline_s=wait_s, progress=progress
            ),
            progress=progress,
        )
    emit(outcome.as_json(), as_json)
