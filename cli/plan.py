"""``transvase plan``."""

from __future__ import annotations

import click
from rich.console import Group, RenderableType
from rich.text import Text
from transvase.core.errors import NotReady
from transvase.migrations.plan import Plan, plan

from .options import alias_argument, json_option, to_option
from .output import emit, facts, rows
from .progress import progress_to_stderr
from .wiring import derivations, encoders, patiently


@click.command()
@alias_argument
@to_option(required=True)
@json_option
@click.pass_obj
def command(url: str | None, *, alias: str, to: str, as_json: bool) -> None:
    """Say what moving ALIAS to ENC costs, locks and meets; nothing is changed. Exit status 1 if it would be refused."""
    with progress_to_stderr() as progress:
        found = patiently(
            url,
            lambda store: plan(store, alias, to=to, encoders=encoders(), derivations=derivations, progress=progress),
            progress=progress,
        )
    emit(found.as_json(), as_json, shown=_shown(found))
    if found.refusals:
        raise NotReady("open", "; ".join(found.refusals))


def _shown(found: Plan) -> RenderableType:
    said = found.as_json()
    listed = {name: said[name] for name in said if name not in ("locks", "refusals", "warnings", "disk_bytes")}
    disk = found.outlook.table_bytes + found.outlook.index_bytes
    locks = [(k.move, k.mode, k.on, k.waits_for, f"{k.budget_s:g} s") for k in found.outlook.locks]
    parts: list[RenderableType] = [facts({**listed, "disk": f"{disk / 1e6:,.1f} MB"}), Text("")]
    if locks:
        parts += [rows(("move", "lock", "on", "waits for", "at most"), locks), Text("")]
    parts += [Text(f"warning: {warning}", style="yellow") for warning in found.warnings]
    return Group(*parts)
