"""``transvase prove``."""

from __future__ import annotations

import click
from transvase.core.errors import NotReady
from transvase.core.migration import Move
from transvase.migrations.prove import prove, sentence

from .options import alias_argument, json_option
from .output import emit, rows
from .progress import progress_to_stderr
from .wiring import encoders, patiently


@click.command()
@alias_argument
@click.option("--seed", type=int, help="Draw the same sample again.")
@json_option
@click.pass_obj
def command(url: str | None, *, alias: str, seed: int | None, as_json: bool) -> None:
    """Check the target of ALIAS: the index itself, and not our record of it. Exit status 1 if a check fails."""
    with progress_to_stderr() as progress:
        verdict = patiently(
            url, lambda store: prove(store, alias, encoders=encoders(), seed=seed, progress=progress), progress=progress
        )
    findings = [finding.as_json() for finding in verdict.findings]
    lines = [(f.check, "passed" if f.passed else "FAILED", f.measured, f.threshold, f.detail) for f in verdict.findings]
    shown = rows(("check", "", "measured", "threshold", "detail"), lines)
    emit({"passed": verdict.passed, "findings": findings}, as_json, shown=shown)
    if not verdict.passed:
        raise NotReady(Move.PROVE, sentence(verdict))
