"""``rollback``: the alias comes to name the source again; both sides were kept current, so no write is lost."""

from __future__ import annotations

from dataclasses import replace

from transvase.core.errors import BadValue
from transvase.core.migration import Move, permit
from transvase.core.ports import Progress, Store

from .reconcile import reconciled
from .runner import Encoders, Outcome, observe, record, silent, stand
from .switch import DEADLINE_S, followed, switch
from .sync import Worker


def rollback(
    store: Store,
    alias: str,
    *,
    encoders: Encoders,
    allow_owed: int = 0,
    deadline_s: float = DEADLINE_S,
    progress: Progress = silent,
) -> Outcome:
    """Switch back to the source; the target goes on being kept, so that one more proof leads forward again.

    NotReady when the source's encoder is unknown (it got no writes), or when writers keep more owed than is allowed.
    """
    if allow_owed < 0:
        raise BadValue("--allow-owed", allow_owed, why="a number of rows is zero or more")
    store.alias(alias)
    with store.hold(alias):
        worker = Worker(store, alias, encoders)
        migration, done = stand(store, alias, Move.ROLLBACK)
        if done is not None:
            return followed(store, done, worker, progress=progress)
        permit(migration, Move.ROLLBACK, replace(observe(store, migration), owed=0))
        store.journal.note(alias, "rollback begins", {"allowed": allow_owed})
        compared = reconciled(store, alias, migration.source, worker, progress=progress)
        figures = switch(
            store,
            migration,
            Move.ROLLBACK,
            to=migration.source,
            allow_owed=allow_owed,
            worker=worker,
            deadline_s=deadline_s,
            progress=progress,
        )
        done = record(store, migration, Move.ROLLBACK, {**figures, "allowed": allow_owed, **compared})
        return followed(store, done, worker, progress=progress)
