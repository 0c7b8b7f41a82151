"""``abort``: gives a migration up before its cutover; the target goes, and nothing else was ever touched."""

from __future__ import annotations

from transvase.core.migration import Migration, Move
from transvase.core.ports import Progress, Store

from .runner import Outcome, make, silent


def abort(store: Store, alias: str, *, progress: Progress = silent) -> Outcome:
    """Discard the target and the capture that only it needed."""
    store.alias(alias)

    def effect(migration: Migration) -> dict[str, object]:
        progress("removing the target", 0, 0)
        store.discard(alias, migration.target)
        return {}

    with store.hold(alias):
        return make(store, alias, Move.ABORT, effect)
