"""The one step in which the alias changes sides, for the cutover and for the way back: pay, look, point, again until it holds."""

from __future__ import annotations

import time
from contextlib import nullcontext, suppress
from dataclasses import replace
from typing import Final

from transvase.core.errors import NotReady, TransvaseError
from transvase.core.migration import Migration, Move, permit
from transvase.core.ports import Progress, Store, Switch
from transvase.core.record import named

from .runner import Outcome, observe
from .sync import BATCH, Worker

DEADLINE_S: Final = 30.0
"""How long writers may keep the outbox from being empty before the switch is given up; nothing remains armed then."""

TURN_S: Final = 3.0
"""How long is paid at a stretch. What is written all the time is owed anew as fast as it is paid: more of that ends nowhere."""

HELD_S: Final = 5.0
"""How long writers may be made to wait while the last rows are paid and the alias changes sides, where the store can do that."""

AFTER_S: Final = 10.0
"""How long is paid what was found to have been written unseen while the alias moved; the rest is the worker's."""


def switch(
    store: Store,
    migration: Migration,
    move: Move,
    *,
    to: str,
    allow_owed: int,
    worker: Worker,
    deadline_s: float,
    progress: Progress,
) -> dict[str, object]:
    """Make the alias name ``to``; the figures of the switch.

    NotReady when a guard does not hold or more than ``allow_owed`` keys stay owed until the deadline; Moved when somebody
    else changed the alias in between.
    """
    started = time.monotonic()
    end = started + deadline_s
    turn_s, little = min(TURN_S, deadline_s / 3), False
    while True:
        facts = replace(observe(store, migration, allowed=allow_owed), owed=0)
        permit(migration, move, facts)
        generation = store.alias(migration.alias).generation
        progress("paying what is owed", 0, 0)
        with store.outbox(migration.alias).writers_held(most_s=HELD_S) if little else nullcontext():
            owed, done = worker.drain(deadline_s=min(turn_s, end - time.monotonic()), enough=allow_owed, underway=False), None
            if owed <= allow_owed:
                permit(migration, move, replace(facts, owed=owed))
                done = _point(store, migration.alias, to, expect=generation, allow_owed=allow_owed)
        if done is not None:
            return _figures(done, paying_s=time.monotonic() - started)
        if time.monotonic() >= end or len(worker.poisoned) > allow_owed:
            raise NotReady(move, _crowded(owed, worker, deadline_s))
        little = not little and owed <= max(BATCH, turn_s / 2 * (worker.rate or 0.0))  # writers get every other turn


def followed(store: Store, switched: Outcome, worker: Worker, *, progress: Progress) -> Outcome:
    """Where a write may pass unseen: pay what the old side got while the alias moved, which the new one has not until then.

    The alias has moved and that is kept: what cannot be paid now stays owed, and is no error of the move.
    """
    alias = switched.migration.alias
    with suppress(TransvaseError):
        if store.blind(alias) is not None:
            progress("paying what came while it moved", 0, 0)
            left = worker.pay_up(deadline_s=AFTER_S)
            return replace(switched, figures={**switched.figures, "left_owed": left})
    return switched


def _figures(done: Switch, *, paying_s: float) -> dict[str, object]:
    return {
        "switch_s": round(done.seconds, 6),
        "owed": done.owed,
        "waited_s": round(done.waited_s, 6),
        "agreed_s": round(done.agreed_s, 6),
        "paying_s": round(paying_s, 3),
    }


def _point(store: Store, alias: str, index: str, *, expect: int, allow_owed: int) -> Switch | None:
    """Try once, right after the last payment, since every moment in between belongs to the writers; None when one came."""
    try:
        return store.point(alias, index, expect=expect, allow_owed=allow_owed)
    except NotReady:
        return None


def _crowded(owed: int, worker: Worker, deadline_s: float) -> str:
    if worker.poisoned:
        shown = named(worker.poisoned[:5])
        return f"{owed} rows are owed, and the texts of {shown} cannot be encoded; change them, or use `--allow-owed {owed}`"
    pace = f"paying them takes about {owed / worker.rate:.1f} s ({worker.rate:.0f} rows/s)" if worker.rate else "none was paid"
    return (
        f"{owed} rows are owed after {deadline_s:.0f} s, because writes keep coming; {pace}. Have `transvase sync` pay for a "
        f"while before you do it again, slow the writers down, or switch all the same with `--allow-owed {max(owed, 1)}`: those "
        "rows answer with an older vector, or not at all, until they are paid"
    )
