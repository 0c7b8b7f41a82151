"""``transvase history``."""

from __future__ import annotations

from collections.abc import Sequence

import click
from transvase.core.figures import Event
from transvase.core.ports import Store

from .options import alias_argument, json_option
from .output import emit, rows
from .wiring import patiently


@click.command()
@alias_argument
@json_option
@click.pass_obj
def command(url: str | None, *, alias: str, as_json: bool) -> None:
    """Show the audit log of ALIAS: who did what, with which figures."""
    events = patiently(url, lambda store: _told(store, alias))
    listed = [{"at": event.at, "who": event.who, "what": event.what, "facts": dict(event.facts)} for event in events]
    lines = [(event.at[:19], event.who, event.what, _brief(event.facts)) for event in events]
    emit({"alias": alias, "events": listed}, as_json, shown=rows(("at", "who", "what", "figures"), lines))


def _told(store: Store, alias: str) -> Sequence[Event]:
    store.alias(alias)
    return store.journal.history(alias)


def _brief(facts: object) -> dict[str, object]:
    """The plain values; lists and objects are for ``--json``."""
    return {k: v for k, v in facts.items() if isinstance(v, str | int | float)} if isinstance(facts, dict) else {}
