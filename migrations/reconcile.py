"""Reconciling: walks that compare an index with its corpus until they find nothing more, where a write may pass unseen.

A store that captures every write in the write's own transaction has no need of it. Elsewhere what passed unseen is found by
walking alone; the walk takes time, and is overtaken. So one that finds nothing is made once more, and only then believed.
"""

from __future__ import annotations

from typing import Final

from transvase.core.errors import BadValue, NotReady
from transvase.core.ports import Index, Progress, Store

from .runner import declared, silent
from .sync import Worker

ROUNDS: Final = 2
"""Walks in a row that must add nothing: an object that is written while one walk passes it is met by the next."""
MOST_WALKS: Final = 20
PAYING_S: Final = 120.0
"""How long the payments after one walk may take; what is not paid by then stays owed, and is no reason to walk again."""


def settle(
    store: Store,
    alias: str,
    index: Index,
    worker: Worker,
    *,
    rounds: int = ROUNDS,
    progress: Progress = silent,
    most: int = MOST_WALKS,
) -> dict[str, object]:
    """Walk and pay until ``rounds`` walks in a row add nothing; how many walks that took, and how many rows they found.

    NotReady when ``most`` walks did not do: somebody writes unseen, faster than a walk. Nothing is undone then, and what was
    found is owed or paid. BadValue for fewer than one round.
    """
    if rounds < 1:
        raise BadValue("rounds", rounds, why="at least one walk has to find nothing")
    walks = quiet = found = added = left = 0
    while quiet < rounds:
        if walks >= most:
            raise NotReady("reconcile", _endless(store, alias, index, walks=walks, added=added))
        progress("comparing both sides", quiet, rounds)
        store.liken(alias, index.declaration.name)
        added = index.owe()
        walks, found = walks + 1, found + added
        quiet = 0 if added else quiet + 1
        if added:
            progress("paying what differs", 0, added)
            left = worker.pay_up(deadline_s=PAYING_S)
    progress("comparing both sides", rounds, rounds)
    return {"walks": walks, "found": found, "reconcile_left": left}


def reconciled(
    store: Store, alias: str, side: str, worker: Worker, *, rounds: int = ROUNDS, progress: Progress
) -> dict[str, object]:
    """As ``settle`` for the side that is not live, where a write may have passed unseen; otherwise nothing, and no figures.

    Nothing either where there is only one site to look at, and where nobody knows how the side's vectors are made.
    """
    if store.blind(alias) is None:
        return {}
    now = store.alias(alias)
    known = declared(now, side)
    if known is None or known.space is None or known.site == now.live.site:
        return {}
    return settle(store, alias, store.index(alias, side), worker, rounds=rounds, progress=progress)


def _endless(store: Store, alias: str, index: Index, *, walks: int, added: int) -> str:
    why = store.blind(alias)
    return (
        f"{walks} walks over {index.declaration.name} did not come to an end: the last one found {added} rows that had been "
        f"written unseen ({why or 'every write should be captured'}). Let those writers write through a Mirror, or stop them for "
        "the time of one walk, and do it again"
    )
