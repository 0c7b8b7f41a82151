"""``retire``: ends the old side, so that nothing looks alive that is no longer kept."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite

from transvase.core.errors import BadValue
from transvase.core.migration import Facts, Migration, Move
from transvase.core.ports import Progress, Reads, Store

from .cutover import BEGUN
from .runner import Outcome, declared, make, observe, silent


def retire(
    store: Store,
    alias: str,
    *,
    drop: bool = False,
    take_name: bool = False,
    quiet_s: float = 0.0,
    progress: Progress = silent,
) -> Outcome:
    """Remove the old side where it is ours; rename an adopted column, or with ``drop`` remove it. There is no way back.

    Where the live index shares its site, only the old name ends: nothing is removed or renamed, ``drop`` or not. With
    ``take_name`` an adopted collection is removed and its name given to the live one.

    With ``quiet_s`` it is refused (NotReady) unless nobody is known to have read the old side for so many seconds, and where
    nobody can tell. The figures say how often the old side's index was read since the cutover, for how long it has been
    quiet, and what was done.
    """
    if not 0 <= quiet_s < float("inf"):
        raise BadValue("quiet", quiet_s, why="the seconds without a read are zero or more, and finite")
    store.alias(alias)

    def seen(_: Store, migration: Migration) -> Facts:
        reads = old_side(store, migration) if quiet_s else None
        found = observe(store, migration)
        if reads is None:
            return replace(found, quiet_s=quiet_s)
        return replace(found, quiet_s=quiet_s, old_side_quiet_s=reads.quiet_s, old_side_readers=reads.by)

    def effect(migration: Migration) -> dict[str, object]:
        if not store.there(migration.source) and not take_name:  # a name may be left to be taken after a crash
            return {"done": f"{migration.source} was gone already", "old_side_reads": None, "old_side_quiet_s": None}
        reads = old_side(store, migration)
        figures = {"old_side_reads": _since_cutover(store, migration, reads), "old_side_quiet_s": _rounded(reads)}
        progress("ending the old side", 0, 0)
        store.journal.note(alias, "retire begins", {"drop": drop, "take_name": take_name, **figures})
        return {"done": store.retire(alias, migration.source, drop=drop, take_name=take_name), **figures}

    with store.hold(alias):
        return make(store, alias, Move.RETIRE, effect, seen=seen)


def old_side(store: Store, migration: Migration) -> Reads | None:
    """Searches of the old side's index; None where it is gone.

    None as well where both sides search the same index: nobody can tell by which name.
    """
    alias = store.alias(migration.alias)
    old = declared(alias, migration.source)
    if old is None or old.site == alias.live.site or not store.there(migration.source):
        return None
    return store.index(migration.alias, migration.source).reads()


def _since_cutover(store: Store, migration: Migration, reads: Reads | None) -> int | None:
    """Reads since the cutover began; None where nobody counts them, the counter was set back or the line is missing."""
    lines = [event for event in store.journal.history(migration.alias) if event.what == BEGUN]
    then = lines[-1].facts.get("source_scans") if lines else None
    now = None if reads is None else reads.count
    return now - then if now is not None and isinstance(then, int) and now >= then else None


def _rounded(reads: Reads | None) -> float | None:
    """Seconds without a read; None where nobody can tell, and where there never was one."""
    quiet = None if reads is None else reads.quiet_s
    return round(quiet, 1) if quiet is not None and isfinite(quiet) else None
