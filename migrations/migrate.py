"""``migrate``: makes the moves that lead to a phase, from wherever it finds the migration, and pays the outbox meanwhile."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from transvase.core.errors import BadValue, NotReady
from transvase.core.migration import Migration, Move, Phase
from transvase.core.ports import Progress, Store

from .beginning import Beginning
from .cutover import cut_over, lapse
from .derive import Derivations, way
from .fill import filled
from .open import opened
from .plan import attempt_of, target_of
from .prove import proven, sentence
from .runner import Encoders, Outcome, declared, mend, silent
from .switch import DEADLINE_S
from .sync import Report, Worker, beside

ROAD: Final = (Phase.PLANNED, Phase.SHADOWING, Phase.FILLED, Phase.PROVEN, Phase.LIVE)
"""The phases in the order in which they are reached; ``retired`` is the operator's own decision."""

_VERB: Final = "migrate"


def migrate(
    store: Store,
    alias: str,
    *,
    encoders: Encoders,
    to: str | None = None,
    until: Phase = Phase.PROVEN,
    allow_owed: int = 0,
    deadline_s: float = DEADLINE_S,
    derivations: Derivations | None = None,
    progress: Progress = silent,
    report: Report = lambda _: None,
) -> Outcome:
    """Go on to ``until``, opening a migration to the encoder ``to`` if none is open. Never cuts over unless told ``until`` live.

    With ``derivations`` the fill computes the new vectors from the stored old ones; without, it encodes the texts.

    Raises what the single moves raise; what they did stays done, and the same call goes on from there.
    """
    if until not in ROAD[1:]:
        raise BadValue("--until", str(until), why=f"one of {', '.join(ROAD[1:])}")
    store.alias(alias)
    if to is not None:
        progress("loading the encoder", 0, 0)
        encoders(to)
    with store.hold(alias):
        migration = _entered(store, alias, to=to, encoders=encoders, derivations=derivations, progress=progress)
        worker = Worker(store, alias, encoders, report=report)
        with beside(worker):
            while ROAD.index(migration.phase) < ROAD.index(until):
                match migration.phase:
                    case Phase.SHADOWING:
                        filled(store, alias, encoders=encoders, worker=worker, derivations=derivations, progress=progress)
                    case Phase.FILLED:
                        _begun(progress, lambda: _prove(store, alias, encoders, worker=worker, progress=progress))
                    case _:
                        _begun(
                            progress,
                            lambda: cut_over(
                                store, alias, worker=worker, allow_owed=allow_owed, deadline_s=deadline_s, progress=progress
                            ),
                        )
                migration = _now(store, alias) or migration
    return Outcome(migration, {"paid_meanwhile": worker.paid})


def _begun(progress: Progress, step: Callable[[], object]) -> None:
    """Make a step that comes after hours, perhaps; like a command's beginning, but that the alias is held."""
    Beginning(progress, holding=True).through(step)


def _now(store: Store, alias: str) -> Migration | None:
    """The migration as it really stands: a switch that a crash hid is recorded, a verdict that lapsed is let go."""
    found = store.journal.load(alias)
    if found is None:
        return None
    mended = mend(store, found)
    return lapse(store, mended[1].migration if mended else found)


def _entered(
    store: Store, alias: str, *, to: str | None, encoders: Encoders, derivations: Derivations | None, progress: Progress
) -> Migration:
    """The open migration, opened now if there is none; NotReady when it leads elsewhere than ``to``, or cannot be derived."""
    found = _now(store, alias)
    if found is None or found.ended or found.phase is Phase.PLANNED:
        if to is None:
            raise NotReady(_VERB, f"no migration of {alias!r} is open; say where to with `--to ENC`")
        if derivations is not None:
            now = store.alias(alias)
            way(now.live, target_of(store, now, encoders(to), attempt=attempt_of(found)), derivations)
        return opened(store, alias, to=to, encoders=encoders, progress=progress).migration
    target = declared(store.alias(alias), found.target)
    if to is not None and target is not None and target.space != encoders(to).space:
        raise NotReady(_VERB, f"the open migration leads to {target.encoder} (space {target.label}); finish or abort it first")
    return found


def _prove(store: Store, alias: str, encoders: Encoders, *, worker: Worker, progress: Progress) -> None:
    verdict = proven(store, alias, encoders=encoders, worker=worker, progress=progress)
    if not verdict.passed:
        raise NotReady(Move.PROVE, sentence(verdict))
