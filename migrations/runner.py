"""How every move is made: load, mend, observe, permit, act, observe again, advance, keep, note.

What the phases are and which move is legal stands in ``transvase.core.migration``; what a move does stands in the file
of its verb. This file knows only the order in which the two meet, and how a crash between an effect and its record shows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from transvase.core.errors import Moved, NotReady
from transvase.core.migration import Facts, Migration, Move, Phase, advance, destination, permit
from transvase.core.ports import Alias, Declaration, Encoder, Store
from transvase.core.verdict import Verdict

Encoders = Callable[[str], Encoder]
"""Gives the encoder of an ENC; it may be asked often, so it remembers."""

Effect = Callable[[Migration], Mapping[str, object]]
"""What a move does to the world; returns the figures for the audit log. Doing it twice is doing it once."""

SWITCHES: Final = (Move.CUTOVER, Move.ROLLBACK)
"""The moves that are believed only when every node answers with the new side."""

_TRIES = 5
"""Saves that a pause or a resume may overtake before we give up: each of the two is one keystroke of an operator."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """Where a move led, and what was measured on the way."""

    migration: Migration
    figures: Mapping[str, object] = field(default_factory=dict)

    def as_json(self) -> dict[str, object]:
        """The one object that each move's command writes."""
        m = self.migration
        return {"alias": m.alias, "phase": str(m.phase), "source": m.source, "target": m.target, **self.figures}


def silent(_what: str, _done: int, _total: int) -> None:
    """A Progress for callers that show nothing."""


def latest(store: Store, alias: str, *, verb: str) -> Migration:
    """The latest migration of the alias; UnknownName without the alias, NotReady without a migration."""
    store.alias(alias)
    migration = store.journal.load(alias)
    if migration is None:
        raise NotReady(verb, f"{alias!r} has no migration yet; begin one with `transvase open {alias} --to ENC`")
    return migration


def declared(alias: Alias, index: str) -> Declaration | None:
    """The declaration of one of the alias' two indexes, by physical name."""
    return next((side for side in (alias.live, alias.shadow) if side is not None and side.name == index), None)


def observe(store: Store, migration: Migration, *, allowed: int = 0, verdict: Verdict | None = None) -> Facts:
    """What the store shows of this migration now."""
    alias = store.alias(migration.alias)
    source, target = declared(alias, migration.source), declared(alias, migration.target)
    there, kept = store.there(migration.target), store.there(migration.source)
    shared = target is not None and bool(target.shares)
    return Facts(
        live=alias.live.name,
        owed=store.outbox(migration.alias).owed(),
        allowed=allowed,
        captured=store.captures(migration.alias),
        filled=there and store.index(migration.alias, migration.target).place().finished,
        # A site that is searched today, with an index over it or without, is searched just so under another name.
        built=there and (shared or store.built(migration.target)),
        source_kept=source is not None and source.space is not None,
        source_there=kept,
        target_there=there,
        witness=store.witness(migration.alias, migration.target) if there and kept else "",
        verdict=verdict,
    )


def overtaken(migration: Migration, live: str) -> Move | None:
    """The switch that took place although the record does not say so: a crash fell between the two."""
    if migration.phase is Phase.PROVEN and live == migration.target:
        return Move.CUTOVER
    if migration.phase is Phase.LIVE and live == migration.source:
        return Move.ROLLBACK
    return None


def stand(store: Store, alias: str, move: Move) -> tuple[Migration, Outcome | None]:
    """Where the alias stands for ``move``, under its hold, and the outcome if the move only had to be recorded.

    The alias in the store is the truth: a switch that a crash left unrecorded is recorded first. IllegalMove when the
    machine has no such move from there.
    """
    migration = latest(store, alias, verb=move)
    mended = mend(store, migration)
    if mended is not None:
        moved, outcome = mended
        if moved is move:
            return outcome.migration, outcome
        migration = outcome.migration
    destination(migration, move)
    return migration, None


def mend(store: Store, migration: Migration) -> tuple[Move, Outcome] | None:
    """Record the switch that a crash left unrecorded, if there was one; the caller holds the alias."""
    switched = overtaken(migration, store.alias(migration.alias).live.name)
    return None if switched is None else (switched, record(store, migration, switched, {"mended": True}))


def make(
    store: Store, alias: str, move: Move, effect: Effect, *, seen: Callable[[Store, Migration], Facts] | None = None
) -> Outcome:
    """Make one move whose guards can be judged before its effect; the caller holds the alias.

    ``seen`` gives the facts that the guards judge, where they are more than ``observe`` finds.
    """
    migration, done = stand(store, alias, move)
    if done is not None:
        return done
    permit(migration, move, (seen or observe)(store, migration))
    started = time.monotonic()
    figures = effect(migration)
    return record(store, migration, move, {**figures, "seconds": round(time.monotonic() - started, 3)})


def record(
    store: Store, migration: Migration, move: Move, figures: Mapping[str, object], *, verdict: Verdict | None = None
) -> Outcome:
    """Believe the effect of ``move`` if it can be observed: keep the new phase and note it in the audit log.

    NotReady when it cannot be observed, or when some node does not answer with the new side of a switch; Moved when somebody
    else moved the migration meanwhile. A pause or a resume that was kept while the effect ran is no such somebody: it is
    carried over.
    """
    facts = observe(store, migration, verdict=verdict)
    if move in SWITCHES:
        facts = replace(facts, behind=store.behind(migration.alias))
    for attempt in range(_TRIES):
        now = store.journal.load(migration.alias)
        if now is None or (now.attempt, now.phase) != (migration.attempt, migration.phase):
            found = "none" if now is None else f"attempt {now.attempt}, {now.phase}"
            raise Moved("the migration", expected=f"attempt {migration.attempt}, {migration.phase}", found=found)
        after = advance(now, move, facts)
        try:
            store.journal.save(after, expect=now.version)
        except Moved:
            if attempt == _TRIES - 1:
                raise
        else:
            break
    store.journal.note(migration.alias, str(move), {"from": str(migration.phase), "to": str(after.phase), **figures})
    return Outcome(after, figures)
