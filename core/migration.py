"""The machine: the phases a migration rests in, the moves between them, and the guards of every move.

Two rules. Everything that decides whether a move may be made stands in this file, and nothing here touches the world.
What a guard judges is a ``Facts``: observed from the store just before (``permit``) and just after (``advance``) the
effect, never remembered. Every effect is idempotent, so a crash between the effect and the record is mended by making
the move again; the alias in the store, not the journal, is the truth about which index is live.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Final

from .errors import IllegalMove, NotReady
from .verdict import Verdict


class Phase(StrEnum):
    """A state of rest: safe to stay in for ever, safe to crash in."""

    PLANNED = "planned"
    SHADOWING = "shadowing"
    FILLED = "filled"
    PROVEN = "proven"
    LIVE = "live"
    RETIRED = "retired"
    ABORTED = "aborted"


class Move(StrEnum):
    """The verb that leads to the next phase."""

    OPEN = "open"
    FILL = "fill"
    PROVE = "prove"
    LAPSE = "lapse"
    CUTOVER = "cutover"
    ROLLBACK = "rollback"
    RETIRE = "retire"
    ABORT = "abort"


MOVES: Final[Mapping[Phase, Mapping[Move, Phase]]] = {
    Phase.PLANNED: {Move.OPEN: Phase.SHADOWING, Move.ABORT: Phase.ABORTED},
    Phase.SHADOWING: {Move.FILL: Phase.FILLED, Move.ABORT: Phase.ABORTED},
    Phase.FILLED: {Move.PROVE: Phase.PROVEN, Move.FILL: Phase.FILLED, Move.ABORT: Phase.ABORTED},
    Phase.PROVEN: {Move.CUTOVER: Phase.LIVE, Move.LAPSE: Phase.FILLED, Move.ABORT: Phase.ABORTED},
    Phase.LIVE: {Move.ROLLBACK: Phase.FILLED, Move.RETIRE: Phase.RETIRED},
    Phase.RETIRED: {},
    Phase.ABORTED: {},
}
"""The whole machine. ``docs/states.md`` is drawn from this table."""

ENDED: Final = frozenset(phase for phase, exits in MOVES.items() if not exits)


@dataclass(frozen=True, slots=True, kw_only=True)
class Migration:
    """The durable record of moving one alias from a source index to a target index.

    ``version`` grows by one with every save; who saves must name the version it read.
    """

    alias: str
    attempt: int
    source: str
    target: str
    phase: Phase = Phase.PLANNED
    version: int = 0
    verdict: Verdict | None = None
    paused: bool = False

    @property
    def ended(self) -> bool:
        """True when nothing leads on from its phase."""
        return self.phase in ENDED

    def facts(self) -> dict[str, object]:
        """What a journal keeps of it as one JSON object, beside alias, attempt, version and phase, which it looks up by."""
        verdict = self.verdict.as_json() if self.verdict else None
        return {"source": self.source, "target": self.target, "paused": self.paused, "verdict": verdict}

    @classmethod
    def from_facts(cls, alias: str, attempt: int, *, version: int, phase: str, facts: Mapping[str, Any]) -> Migration:
        """The record that ``facts`` were made of."""
        return cls(
            alias=alias,
            attempt=attempt,
            source=facts["source"],
            target=facts["target"],
            phase=Phase(phase),
            version=version,
            verdict=Verdict.from_json(facts["verdict"]) if facts.get("verdict") else None,
            paused=bool(facts.get("paused")),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the store shows now. ``allowed`` and ``quiet_s`` are wishes of the operator's, and no observations."""

    live: str
    owed: int = 0
    allowed: int = 0
    """How many owed rows the operator accepts."""
    captured: bool = False
    filled: bool = False
    built: bool = False
    source_kept: bool = True
    source_there: bool = True
    target_there: bool = True
    witness: str = ""
    verdict: Verdict | None = None
    behind: tuple[str, ...] = ()
    """Nodes that do not answer with the live index yet; looked at after a switch."""
    quiet_s: float = 0.0
    """For how long nobody may have read the old side before it ends; 0: it does not matter."""
    old_side_quiet_s: float | None = None
    """For how long nobody is known to have read it; None: nobody can tell."""
    old_side_readers: tuple[str, ...] = ()
    """Who read it, where readers give a name; the latest first."""


Guard = Callable[[Migration, Facts], str | None]
"""Gives the reason why the move may not be made (or believed), or None."""


def _source_is_live(migration: Migration, facts: Facts) -> str | None:
    return None if facts.live == migration.source else _moved_by_hand(facts.live, migration.source, "source")


def _target_is_live(migration: Migration, facts: Facts) -> str | None:
    return None if facts.live == migration.target else _moved_by_hand(facts.live, migration.target, "target")


def _moved_by_hand(live: str, wanted: str, side: str) -> str:
    return f"the alias names {live}, not the {side} {wanted}: somebody moved it by hand; let it name {wanted} again"


def _writes_are_captured(_: Migration, facts: Facts) -> str | None:
    if not facts.target_there:
        return "the target index is not there"
    return None if facts.captured else "writes to the table are not captured (a trigger is missing or disabled)"


def _is_filled(_: Migration, facts: Facts) -> str | None:
    if not facts.filled:
        return "the fill has not reached the end of the table"
    return None if facts.built else "the target has no valid vector index (`fill` makes it again)"


def _verdict_passed(_: Migration, facts: Facts) -> str | None:
    if facts.verdict is None:
        return "nothing has been proven yet"
    if facts.verdict.passed:
        return None
    return "the verdict did not pass: " + "; ".join(f"{f.check}: {f.detail}" for f in facts.verdict.failures)


def _verdict_holds(migration: Migration, facts: Facts) -> str | None:
    verdict = migration.verdict
    if verdict is None or not verdict.passed:
        return "there is no verdict that passed"
    if verdict.witness != facts.witness:
        return "the verdict has lapsed: what it judged has changed since; prove again"
    return None


def _nothing_owed(_: Migration, facts: Facts) -> str | None:
    return None if facts.owed <= facts.allowed else f"{facts.owed} rows are owed and {facts.allowed} are allowed"


def _target_is_there(migration: Migration, facts: Facts) -> str | None:
    if facts.target_there:
        return None
    return (
        f"the live side {migration.target} is not there any more, so {migration.source} may be the only copy that is left; bring "
        f"the live side back, or let the store's alias name {migration.source} by hand, which `rollback` then records"
    )


def _source_is_there(migration: Migration, facts: Facts) -> str | None:
    if facts.source_there:
        return None
    return (
        f"the live side {migration.source} is not there any more, so {migration.target} may be the only copy that is left: bring "
        "the live side back, from a backup or from what the target holds"
    )


def _source_was_kept(_: Migration, facts: Facts) -> str | None:
    if not facts.source_there:
        return "the source index is gone"
    return (
        None if facts.source_kept else "the source's encoder is unknown, so it has not received the writes made since the cutover"
    )


def _source_is_retired(_: Migration, facts: Facts) -> str | None:
    return "the source index is still there under its old name" if facts.source_there else None


def _every_node_agrees(_: Migration, facts: Facts) -> str | None:
    if not facts.behind:
        return None
    named, does = ", ".join(facts.behind), "does" if len(facts.behind) == 1 else "do"
    return (
        f"the alias names {facts.live}, and {named} {does} not answer so yet; see to it that every node can be reached, "
        "then make the move again: it is recorded when all agree"
    )


def _old_side_is_quiet(migration: Migration, facts: Facts) -> str | None:
    if not facts.quiet_s or not facts.source_there:
        return None
    quiet = facts.old_side_quiet_s
    if quiet is None:
        return (
            f"nobody can tell when {migration.source} was last read, so nobody can say that it is quiet; make sure that no "
            "reader uses it, then retire it without asking for quiet"
        )
    if quiet >= facts.quiet_s:
        return None
    by = f" by {', '.join(facts.old_side_readers[:3])}" if facts.old_side_readers else ""
    return (
        f"{migration.source} was read {quiet:.0f} s ago{by}, and {facts.quiet_s:.0f} s of quiet are asked for (`--quiet 0` asks "
        "for none)"
    )


def _target_is_gone(_: Migration, facts: Facts) -> str | None:
    return "the target index is still there" if facts.target_there else None


BEFORE: Final[Mapping[Move, tuple[Guard, ...]]] = {
    Move.OPEN: (_source_is_live,),
    Move.FILL: (_source_is_live, _source_is_there, _writes_are_captured),
    Move.PROVE: (_source_is_live, _source_is_there, _writes_are_captured, _is_filled),
    Move.LAPSE: (_source_is_live,),
    Move.CUTOVER: (_source_is_live, _source_is_there, _writes_are_captured, _is_filled, _verdict_holds, _nothing_owed),
    Move.ROLLBACK: (_target_is_live, _target_is_there, _source_was_kept, _writes_are_captured, _nothing_owed),
    Move.RETIRE: (_target_is_live, _target_is_there, _old_side_is_quiet),
    Move.ABORT: (_source_is_live, _source_is_there),
}
"""What must hold before the effect of a move may be tried."""

AFTER: Final[Mapping[Move, tuple[Guard, ...]]] = {
    Move.OPEN: (_source_is_live, _writes_are_captured),
    Move.FILL: (_is_filled,),
    Move.PROVE: (_verdict_passed,),
    Move.LAPSE: (),
    Move.CUTOVER: (_target_is_live, _every_node_agrees),
    Move.ROLLBACK: (_source_is_live, _every_node_agrees),
    Move.RETIRE: (_target_is_live, _source_is_retired),
    Move.ABORT: (_source_is_live, _target_is_gone),
}
"""What must be observed after the effect before the journal believes it."""


def destination(migration: Migration, move: Move) -> Phase:
    """The phase that ``move`` leads to; IllegalMove where the table has none."""
    exits = MOVES[migration.phase]
    if move not in exits:
        raise IllegalMove(move, migration.phase, legal=tuple(exits))
    return exits[move]


def permit(migration: Migration, move: Move, facts: Facts) -> None:
    """Return when the effect of ``move`` may be tried now; IllegalMove or NotReady otherwise."""
    destination(migration, move)
    _judge(BEFORE[move], migration, move, facts)


def advance(migration: Migration, move: Move, facts: Facts) -> Migration:
    """The migration after ``move``, one version on, if ``facts`` show that its effect took place; NotReady otherwise."""
    phase = destination(migration, move)
    _judge(AFTER[move], migration, move, facts)
    keeps = move in (Move.CUTOVER, Move.RETIRE)
    verdict = facts.verdict if move is Move.PROVE else (migration.verdict if keeps else None)
    return replace(migration, phase=phase, version=migration.version + 1, verdict=verdict)


def _judge(guards: tuple[Guard, ...], migration: Migration, move: Move, facts: Facts) -> None:
    for guard in guards:
        reason = guard(migration, facts)
        if reason is not None:
            raise NotReady(move, reason)
