"""Reconciling: walks that compare an index with its corpus until they find nothing more, where a write may pass unseen.

A store that captures every write in the write's own transaction has no need of it. Elsewhere what passed unseen is found by
walking alone; the walk takes time, and is overtaken. So one that finds nothing is made once more, and only then believed.

Where somebody writes unseen all the time a walk always finds something. What it finds may be new since the walk before it began,
as the store can tell: then that walk missed nothing, and what it found was paid. So this one is as good as one that finds
nothing, once what it found is owed. What differs and is not new was lost, or its payment was: it begins the count anew.
"""

from __future__ import annotations

from typing import Final

from transvase.core.errors import BadValue, NotReady
from transvase.core.ports import Index, Progress, Round, Store
from transvase.core.record import named

from .runner import declared, silent
from .sync import Worker

ROUNDS: Final = 2
"""Walks in a row that must find nothing but what is new: what is written while one walk passes it is met by the next."""
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
    """Walk and pay until ``rounds`` walks in a row find nothing that lasts; how many walks that took, and the rows they found.

    NotReady when ``most`` walks did not do: rows differ again although they were paid, or nobody can tell what is new. Nothing
    is undone then. Whatever was found is owed or paid in the end. BadValue for fewer than one round.
    """
    if rounds < 1:
        raise BadValue("rounds", rounds, why="at least one walk has to find nothing")
    walks = quiet = found = left = 0
    last: Round | None = None
    while quiet < rounds:
        if last is not None and walks >= most:
            raise NotReady("reconcile", _endless(store, alias, index, walks=walks, last=last))
        progress("comparing both sides", quiet, rounds)
        store.liken(alias, index.declaration.name)
        last = index.owe(last)
        walks, found = walks + 1, found + last.added
        quiet = 0 if last.lasting else quiet + 1
        if last.added:
            progress("paying what differs", 0, last.added)
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


def _endless(store: Store, alias: str, index: Index, *, walks: int, last: Round) -> str:
    why = store.blind(alias) or "every write should be captured"
    shown = named(last.examples)
    return (
        f"{walks} walks over {index.declaration.name} did not come to an end: the last one found {last.lasting} rows that "
        "differ, although all was paid after the one before and nobody is known to have written them since"
        f"{f' (for example {shown})' if shown else ''}; {why}. Find out who writes or deletes on that side alone; writers whose "
        "time cannot be told have to write through a Mirror, or to stop for the time of one walk. Then do it again"
    )
