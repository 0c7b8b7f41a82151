"""``transvase audit``."""

from __future__ import annotations

import click
from transvase.migrations.agreement import SAMPLE
from transvase.migrations.audit import audit

from .options import alias_argument, json_option, sample_option
from .output import emit
from .progress import progress_to_stderr
from .wiring import encoders, patiently


@click.command()
@alias_argument
@sample_option(SAMPLE)
@click.option("--seed", type=int, help="Draw the same sample again.")
@json_option
@click.pass_obj
def command(url: str | None, *, alias: str, sample: int, seed: int | None, as_json: bool) -> None:
    """Encode a sample of ALIAS again: which vectors are foreign, stale, missing or zero."""
    with progress_to_stderr() as progress:
        found = patiently(
            url,
            lambda store: audit(store, alias, encoders=encoders(), sample=sample, seed=seed, progress=progress),
            progress=progress,
        )
    emit(found.as_json(), as_json)
