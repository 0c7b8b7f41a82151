"""``retire``: ends the old side, so that nothing looks alive that is no longer kept."""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from math import inf, isfinite
from typing import Final

from transvase.core.errors import BadValue
from transvase.core.migration import Facts, Migration, Move
from transvase.core.ports import Progress, Reads, Store

from .cutover import BEGUN
from .runner import Outcome, declared, make, observe, silent

QUIET_S: Final = 60.0
"""The silence that is asked for where nobody says how much, and where the store can tell when the old side was read."""
FOLLOWED_S: Final = 3.0
"""Until whoever follows the alias has followed a switch; two clocks that tell whole seconds differ by less."""


def retire(
    store: Store,
    alias: str,
    *,
    drop: bool = False,
    take_name: bool = False,
    quiet_s: float | None = None,
    progress: Progress = silent,
) -> Outcome:
    """Remove the old side where it is ours; rename an adopted column, or with ``drop`` remove it. There is no way back.

    Where the live index shares its site, only the old name ends: nothing is removed or renamed, ``drop`` or not. With
    ``take_name`` an adopted collection is removed and its name given to the live one.

    It is refused (NotReady) while the old side is known to have been read since the cutover and within the last minute. With
    ``quiet_s`` it is refused unless nobody is known to have read it for so many seconds, and where nobody can tell; 0 asks
    for no silence. The figures say how often the old side's index was read since the cutover, for how long it has been quiet,
    and what was done.
    """
    if quiet_s is not None and not 0 <= quiet_s < inf:
        raise BadValue("quiet", quiet_s, why="the seconds without a read are zero or more, and finite")
    store.alias(alias)

    def seen(_: Store, migration: Migration) -> Facts:
        reads = old_side(store, migration) if quiet_s != 0 else None
        asked = _asked(store, migration, reads) if quiet_s is None else quiet_s
        found = replace(observe(store, migration), quiet_s=asked)
        return found if reads is None else replace(found, old_side_quiet_s=reads.quiet_s, old_side_readers=reads.by)

    def effect(migration: Migration) -> dict[str, object]:
        named = declared(store.alias(alias), migration.source) is not None
        if named and not store.there(migration.source) and not take_name:  # what is named no more was left half ended by a crash
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


def _asked(store: Store, migration: Migration, reads: Reads | None) -> float:
    """The silence to be asked for where nobody said: none unless a read is known that came after the cutover.

    The proof searches the old side too, and so does everybody before a cutover.
    """
    if reads is None or reads.last_s is None:
        return 0.0
    return QUIET_S if reads.last_s < _switched_s(store, migration) - FOLLOWED_S else 0.0


def _switched_s(store: Store, migration: Migration) -> float:
    """Seconds since the cutover was noted; without end where the line is missing."""
    lines = [event for event in store.journal.history(migration.alias) if event.what == Move.CUTOVER]
    return time.time() - datetime.fromisoformat(lines[-1].at).timestamp() if lines else inf


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
