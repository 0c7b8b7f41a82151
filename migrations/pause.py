"""``pause`` and ``resume``: one wish in the journal, which a fill reads between two batches. Neither needs the alias' hold."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from transvase.core.errors import Moved, NotReady
from transvase.core.migration import Migration
from transvase.core.ports import Store

from .runner import latest

_TRIES: Final = 5
"""Saves that the move in progress may overtake."""


def pause(store: Store, alias: str) -> Migration:
    """Hold the fill back until ``resume``; writes go on being captured and paid. NotReady when no migration is open."""
    return _wish(store, alias, paused=True)


def resume(store: Store, alias: str) -> Migration:
    """Let the fill go on. NotReady when no migration is open."""
    return _wish(store, alias, paused=False)


def _wish(store: Store, alias: str, *, paused: bool) -> Migration:
    verb = "pause" if paused else "resume"
    for attempt in range(_TRIES):
        found = latest(store, alias, verb=verb)
        if found.ended:
            raise NotReady(verb, f"the last migration of {alias!r} has ended ({found.phase})")
        if found.paused is paused:
            return found
        wished = replace(found, paused=paused, version=found.version + 1)
        try:
            store.journal.save(wished, expect=found.version)
        except Moved:
            if attempt == _TRIES - 1:
                raise
        else:
            break
    store.journal.note(alias, verb, {"phase": str(wished.phase)})
    return wished
