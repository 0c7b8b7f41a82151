"""``retire``: ends the old side, so that nothing looks alive that is no longer kept."""

from __future__ import annotations

from transvase.core.migration import Migration, Move
from transvase.core.ports import Progress, Store

from .cutover import BEGUN
from .runner import Outcome, declared, make, silent


def retire(store: Store, alias: str, *, drop: bool = False, progress: Progress = silent) -> Outcome:
    """Remove the old side where it is ours; rename an adopted column, or with ``drop`` remove it. There is no way back.

    Where the live index shares its site, only the old name ends: nothing is removed or renamed, ``drop`` or not.

    The figures say how often the old side's index was read since the cutover, and what was done.
    """
    store.alias(alias)

    def effect(migration: Migration) -> dict[str, object]:
        if not store.there(migration.source):
            return {"done": f"{migration.source} was gone already", "old_side_reads": None}
        reads = old_side_reads(store, migration)
        progress("ending the old side", 0, 0)
        store.journal.note(alias, "retire begins", {"drop": drop, "old_side_reads": reads})
        return {"done": store.retire(alias, migration.source, drop=drop), "old_side_reads": reads}

    with store.hold(alias):
        return make(store, alias, Move.RETIRE, effect)


def old_side_reads(store: Store, migration: Migration) -> int | None:
    """Scans of the old side's index since the cutover; None when the store's counter was set back or the line is missing.

    None as well where both sides search the same index: nobody can tell by which name.
    """
    alias = store.alias(migration.alias)
    old = declared(alias, migration.source)
    if old is None or old.site == alias.live.site:
        return None
    lines = [event for event in store.journal.history(migration.alias) if event.what == BEGUN]
    then = lines[-1].facts.get("source_scans") if lines else None
    now = store.index(migration.alias, migration.source).scans()
    return now - then if isinstance(then, int) and now >= then else None
