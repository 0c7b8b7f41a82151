"""``transvase migrate``."""

from __future__ import annotations

import click
from transvase.core.migration import Phase
from transvase.core.ports import Store
from transvase.migrations.migrate import ROAD, migrate
from transvase.migrations.runner import Outcome

from .options import alias_argument, allow_owed_option, derive_option, json_option, to_option, wait_option
from .output import emit
from .progress import progress_to_stderr
from .wiring import derivations, encoders, patiently


@click.command()
@alias_argument
@to_option(required=False)
@click.option("--until", type=click.Choice([str(phase) for phase in ROAD[1:]]), default=str(Phase.PROVEN), show_default=True)
@derive_option
@allow_owed_option
@wait_option
@json_option
@click.pass_obj
def command(
    url: str | None, *, alias: str, to: str | None, until: str, derive: bool, allow_owed: int, wait_s: float, as_json: bool
) -> None:
    """Make the moves that lead ALIAS to a phase, going on with whatever is found; the outbox is paid meanwhile.

    Never cuts over unless told `--until live`.
    """
    with progress_to_stderr() as progress:

        def step(store: Store) -> Outcome:
            return migrate(
                store,
                alias,
                encoders=encoders(),
                to=to,
                until=Phase(until),
                allow_owed=allow_owed,
                deadline_s=wait_s,
                derivations=derivations if derive else None,
                progress=progress,
                report=lambda sentence: click.echo(f"transvase: {sentence}", err=True),
            )

        outcome = patiently(url, step, progress=progress)
    emit(outcome.as_json(), as_json)
