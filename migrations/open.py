"""``open``: makes the empty target and captures every write from then on."""

from __future__ import annotations

from transvase.core.errors import NotReady
from transvase.core.migration import Migration, Move, Phase
from transvase.core.ports import Declaration, Progress, Store

from .plan import attempt_of, refusals, target_of
from .runner import Encoders, Outcome, make, silent


def open_target(store: Store, alias: str, *, to: str, encoders: Encoders, progress: Progress = silent) -> Outcome:
    """Begin a migration of ``alias`` to the encoder ``to``, or go on with one that a crash left planned.

    NotReady for all that ``plan`` lists as a refusal; LockNotGained when the capture could not be set up within its budget.
    """
    progress("loading the encoder", 0, 0)
    encoders(to)
    with store.hold(alias):
        return opened(store, alias, to=to, encoders=encoders, progress=progress)


def opened(store: Store, alias: str, *, to: str, encoders: Encoders, progress: Progress) -> Outcome:
    """As ``open_target``, for a caller that holds the alias."""
    now, migration = store.alias(alias), store.journal.load(alias)
    encoder = encoders(to)
    target = target_of(store, now, encoder, attempt=attempt_of(migration))
    against = refusals(store, now, encoder.space, migration)
    if against:
        raise NotReady(Move.OPEN, "; ".join(against))
    _planned(store, alias, migration, source=now.live.name, target=target)

    def effect(_: Migration) -> dict[str, object]:
        progress("creating the target and capturing writes", 0, 0)
        store.create(alias, target)
        shared = {"shares": target.shares} if target.shares else {}
        return {"encoder": target.encoder, "space": target.label, "width": target.width, **shared}

    return make(store, alias, Move.OPEN, effect)


def _planned(store: Store, alias: str, found: Migration | None, *, source: str, target: Declaration) -> None:
    """Keep the record before the effect, so that what a crash leaves behind has a name and an owner."""
    if found is not None and found.phase is Phase.PLANNED:
        if found.target != target.name:
            raise NotReady(Move.OPEN, f"a migration to {found.target} was begun; go on with its encoder, or abort it first")
        return
    outlook = store.outlook(alias, target)
    if outlook.refusals:
        raise NotReady(Move.OPEN, "; ".join(outlook.refusals))
    planned = Migration(alias=alias, attempt=attempt_of(found), source=source, target=target.name)
    store.journal.save(planned, expect=None)
    store.journal.note(alias, "plan", {"target": target.name, "encoder": target.encoder, "space": target.label})
