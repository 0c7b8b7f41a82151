"""``transvase history``."""

from __future__ import annotations

import click

from .options import alias_argument, json_option
from .output import emit, rows
from .wiring import opened


@click.command()
@alias_argument
@json_option
@click.pass_obj
def command(url: str | None, *, alias: str, as_json: bool) -> None:
    """Show the audit log of ALIAS: who did what, with which figures."""
    with opened(url) as store:
        store.alias(alias)
        events = store.journal.history(alias)
    listed = [{"at": event.at, "who": event.who, "what": event.what, "facts": dict(event.facts)} for event in events]
    lines = [(event.at[:19], event.who, event.what, _brief(event.facts)) for event in events]
    emit({"alias": alias, "events": listed}, as_json, shown=rows(("at", "who", "what", "figures"), lines))


def _brief(facts: object) -> dict[str, object]:
    """The plain values; lists and objects are for ``--json``."""
    return {k: v for k, v in facts.items() if isinstance(v, str | int | float)} if isinstance(facts, dict) else {}
