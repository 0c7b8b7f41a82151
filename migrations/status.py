"""``status``: where a migration stands, seen from the store; the same for every process that looks."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Final

from transvase.core.migration import Migration, Phase, destination
from transvase.core.ports import Alias, Place, Store
from transvase.core.space import UNKNOWN

from .pouring import BEGUN
from .runner import declared, overtaken
from .throttle import reason, waiting

QUIET_S: Final = 60.0
"""So long without a sign of a worker while rows are owed, and the operator is told."""

Side = dict[str, str | None] | None
"""Physical name and Space of an index; the Space is None where the index is not there (yet, or any more)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Everything that ``status`` shows; ``phase`` is None where there was no migration yet."""

    alias: str
    phase: Phase | None
    source: Side
    target: Side
    live: Side
    total: int
    done: int
    """Rows that the target has passed; once the fill has reached the end, those that are not owed."""
    owed: int
    rate: float | None
    eta_s: float | None
    throttled_by: str | None
    worker_seen_s: float | None
    warnings: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """The one object that programs rely on."""
        return {
            "alias": self.alias,
            "phase": self.phase and str(self.phase),
            "source": self.source,
            "target": self.target,
            "live": self.live,
            "rows": {"total": self.total, "done": self.done},
            "owed": self.owed,
            "rate": self.rate,
            "eta_s": self.eta_s,
            "throttled_by": self.throttled_by,
            "worker_seen_s": self.worker_seen_s,
            "warnings": list(self.warnings),
        }


def status(store: Store, alias: str) -> Status:
    """Look; UnknownName without the alias. Nothing is changed, and no hold is needed."""
    now, migration = store.alias(alias), store.journal.load(alias)
    phase = None if migration is None else _phase(migration, now)
    place, total = _place(store, migration, now), store.corpus(alias).count()
    owed, seen = store.outbox(alias).owed(), store.outbox(alias).quiet_s()
    filling = phase is Phase.SHADOWING and not place.finished
    rate = _rate(store, alias, place) if filling else None
    return Status(
        alias=alias,
        phase=phase,
        source=None if migration is None else _side(now, migration.source),
        target=None if migration is None else _side(now, migration.target),
        live={"index": now.live.name, "space": now.live.label},
        total=total,
        done=max(total - owed, 0) if place.finished else min(place.done, total),
        owed=owed,
        rate=rate,
        eta_s=round(max(total - place.done, 0) / rate, 1) if rate else None,
        throttled_by=reason(store, alias) or waiting(store, alias) if filling else None,
        worker_seen_s=None if seen is None else round(seen, 1),
        warnings=(*_astray(migration, now), *_warnings(alias, now, owed=owed, seen=seen, blind=store.blind(alias))),
    )


def _phase(migration: Migration, alias: Alias) -> Phase:
    """The phase as the alias shows it: a switch whose record a crash swallowed has taken place all the same."""
    switched = overtaken(migration, alias.live.name)
    return migration.phase if switched is None else destination(migration, switched)


def _place(store: Store, migration: Migration | None, alias: Alias) -> Place:
    """How far the fill of the target is; without an open migration there is nothing to fill."""
    if migration is None or declared(alias, migration.target) is None:
        return Place()
    return store.index(alias.name, migration.target).place()


def _side(alias: Alias, index: str) -> Side:
    found = declared(alias, index)
    return {"index": index, "space": None if found is None else found.label}


def _rate(store: Store, alias: str, place: Place) -> float | None:
    """Rows a second since the run of the fill began that is the latest in the audit log."""
    begun = [event for event in store.journal.history(alias) if event.what == BEGUN]
    if not begun:
        return None
    done, epoch = begun[-1].facts.get("done"), begun[-1].facts.get("epoch_s")
    if not isinstance(done, int) or not isinstance(epoch, int | float):
        return None
    passed, seconds = place.done - done, time.time() - epoch
    return round(passed / seconds, 1) if passed > 0 and seconds > 0 else None


def _astray(migration: Migration | None, alias: Alias) -> tuple[str, ...]:
    """What is served although no move led there."""
    live = alias.live.name
    if migration is None or migration.phase not in (Phase.SHADOWING, Phase.FILLED) or live != migration.target:
        return ()
    moved = f"{live} is served, which nothing has proven: somebody moved the alias by hand"
    return (f"{moved}; let it name {migration.source} again, for whoever searches misses what has not been filled",)


def _warnings(name: str, alias: Alias, *, owed: int, seen: float | None, blind: str | None) -> tuple[str, ...]:
    apart = alias.shadow is not None and alias.shadow.site != alias.live.site
    found = [blind] if apart and blind is not None else []  # with one site alone, no other one goes stale
    if owed and (seen is None or seen > QUIET_S):
        since = "no worker was ever seen" if seen is None else f"no worker was seen for {seen:.0f} s"
        found.append(f"{owed} rows are owed and {since}: run `transvase sync {name}`")
    if alias.live.label == UNKNOWN:
        found.append("the live index's encoder is unknown: no search through Transvase, and no rollback after the first cutover")
    return tuple(found)
