"""``cutover``: the alias comes to name the target, in one step, on a verdict that still holds."""

from __future__ import annotations

from typing import Final

from transvase.core.errors import BadValue, NotReady
from transvase.core.migration import Migration, Move, Phase
from transvase.core.ports import Progress, Store

from .prove.gaps import judged
from .prove.likeness import compared as likened
from .reconcile import reconciled
from .runner import Encoders, Outcome, record, silent, stand
from .switch import DEADLINE_S, followed, switch
from .sync import Worker

BEGUN: Final = "cutover begins"
"""The line of the audit log in which ``retire`` finds how often the old side had been read before."""


def cutover(
    store: Store,
    alias: str,
    *,
    encoders: Encoders,
    allow_owed: int = 0,
    deadline_s: float = DEADLINE_S,
    progress: Progress = silent,
) -> Outcome:
    """Switch to the target; up to ``allow_owed`` keys may still be owed, which the audit log keeps.

    NotReady when the verdict has lapsed (the migration is ``filled`` again then), when rows were lost since, or when writers
    keep more owed than is allowed until the deadline. Nothing remains armed.
    """
    if allow_owed < 0:
        raise BadValue("--allow-owed", allow_owed, why="a number of rows is zero or more")
    store.alias(alias)
    with store.hold(alias):
        worker = Worker(store, alias, encoders)
        return cut_over(store, alias, worker=worker, allow_owed=allow_owed, deadline_s=deadline_s, progress=progress)


def cut_over(store: Store, alias: str, *, worker: Worker, allow_owed: int, deadline_s: float, progress: Progress) -> Outcome:
    """As ``cutover``, for a caller that holds the alias."""
    migration, done = stand(store, alias, Move.CUTOVER)
    if done is not None:
        return followed(store, done, worker, progress=progress)
    if lapse(store, migration).phase is Phase.FILLED:
        raise NotReady(Move.CUTOVER, "the verdict has lapsed: what it judged has changed since; prove again")
    compared = reconciled(store, alias, migration.target, worker, progress=progress)
    progress("counting rows", 0, 0)
    census = store.index(alias, migration.target).census(deep=False, pay=lambda: worker.pay_up(deadline_s=deadline_s))
    finding = judged(census)
    if not finding.passed:
        raise NotReady(Move.CUTOVER, f"rows were lost since the proof: {finding.detail}")
    alike = likened(store, alias, migration.target)
    if not alike.passed:
        raise NotReady(Move.CUTOVER, f"the target is not like the live side: {alike.detail}")
    scans = store.index(alias, migration.source).reads().count
    store.journal.note(alias, BEGUN, {"allowed": allow_owed, "source_scans": scans})
    figures = switch(
        store,
        migration,
        Move.CUTOVER,
        to=migration.target,
        allow_owed=allow_owed,
        worker=worker,
        deadline_s=deadline_s,
        progress=progress,
    )
    done = record(store, migration, Move.CUTOVER, {**figures, "allowed": allow_owed, **compared})
    return followed(store, done, worker, progress=progress)


def lapse(store: Store, migration: Migration) -> Migration:
    """A proven migration whose verdict no longer speaks of what is there goes back to ``filled``; any other stays as it is."""
    verdict = migration.verdict
    if migration.phase is not Phase.PROVEN or verdict is None or not store.there(migration.target):
        return migration
    if store.witness(migration.alias, migration.target) == verdict.witness:
        return migration
    return record(store, migration, Move.LAPSE, {"why": "what the verdict judged has changed"}).migration
