"""How a side ceases to be kept: who is writing is waited for, before anything changes and after it, and a wait in vain undoes it.

A writer that began before the change may yet write the side that goes, and what it leaves owed may lie there alone. So nothing
is given up while a write is under way that began before, nor while the newest state of a key is known to lie on that side. What
was written while a change that had to be undone stood is owed, for it reached one side only.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Final

from transvase.adapters.ledger import Epoch
from transvase.core.errors import LockNotGained, NotReady, StoreFailed, TransvaseError
from transvase.core.ports import Declaration

from .aliases import Known, Realm

WRITERS_S: Final = 10.0
"""How long writers that are under way are waited for before what they write to is given up."""


def leave(realm: Realm, seen: Known, index: str, *, verb: str) -> None:
    """Have nobody write to the shadow any more, if that is what ``index`` is.

    What was the application's own and is live again is captured no longer; what is ours stays captured by itself.
    LockNotGained, NotReady: nothing has changed. StoreFailed: it is half done, and the same move goes on with it.
    """
    shadow, name = seen.alias.shadow, seen.row.name
    if shadow is None or shadow.name != index:
        realm.ledger.outlast(name, patience_s=WRITERS_S)  # a crash may have come before the second wait
        return
    _over(realm, seen, shadow, verb=verb)
    watched = realm.ledger.watch(name)
    try:
        before = realm.ledger.capture(name)
        try:
            _left(realm, seen)
            _over(realm, seen, shadow, verb=verb)
        except (LockNotGained, NotReady) as error:
            _undone(realm, seen, before, watched, because=error)
            raise
    finally:
        realm.ledger.unwatch(name, watched)


def _over(realm: Realm, seen: Known, shadow: Declaration, *, verb: str) -> None:
    """Nobody is writing who was writing when this was called, and nothing is newest on the side that goes."""
    realm.ledger.outlast(seen.row.name, patience_s=WRITERS_S)
    if shadow.site == seen.alias.live.site:
        return
    lying = realm.ledger.lying(seen.row.name, shadow.site)
    if lying:
        what = "the newest state of one key lies" if lying == 1 else f"the newest state of {lying} keys lies"
        raise NotReady(verb, f"{what} in {shadow.site} and was not carried over yet: run `transvase sync`, then do it again")


def _left(realm: Realm, seen: Known) -> None:
    live, name = seen.alias.live, seen.row.name
    realm.control.save(replace(seen.row, live=live.name, shadow=None, generation=seen.alias.generation + 1))
    if live.adopted and not live.shares:
        realm.ledger.end_capture(name)
    else:  # its vectors are ours to keep: the application may make others, or none
        realm.ledger.begin_capture(name, live=live.site, shadow=live.site, patience_s=WRITERS_S)


def _undone(realm: Realm, seen: Known, before: Epoch, watched: int, *, because: TransvaseError) -> None:
    """Capture and row as they were, in this order: who writes in between leaves its keys owed."""
    name, shadow = seen.row.name, seen.alias.shadow
    assert shadow is not None, "called only where there was one"
    try:
        if before.on:
            with suppress(LockNotGained):  # who was waited for in vain has an entry
                realm.ledger.begin_capture(name, live=before.live, shadow=before.shadow, patience_s=0.0)
        row = replace(seen.row, live=seen.alias.live.name, shadow=shadow.name, generation=seen.alias.generation + 2)
        realm.control.save(row)
        realm.ledger.owe(name, sorted(realm.ledger.since(name, watched)))
    except TransvaseError as error:
        raise StoreFailed(
            f"{shadow.name} is no longer kept and was not ended ({because}), and that could not be undone ({error}): there is no "
            "way back to it; make the same move again when the ledger and the server answer"
        ) from error
