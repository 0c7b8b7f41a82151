"""The moving half of the demo: the whole migration, forward, back and forward again, while the application keeps working."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Final

import psycopg
from psycopg import sql
from transvase.core.errors import NotReady
from transvase.core.ports import Progress, Store
from transvase.core.space import Role
from transvase.migrations.cutover import cutover
from transvase.migrations.fill import fill
from transvase.migrations.open import open_target
from transvase.migrations.prove import prove, sentence
from transvase.migrations.retire import retire
from transvase.migrations.rollback import rollback
from transvase.migrations.runner import Encoders
from transvase.migrations.runner import Outcome as MoveMade
from transvase.migrations.sync import Worker, beside

from .check import Survey, survey
from .company import Company
from .ledger import Ledger
from .outcome import Sample
from .readers import DIFFERENT_DIMENSIONS
from .recall import Remembering
from .stage import ALIAS, VIEW, application
from .waits import Timeline

TRIES: Final = 3
"""Proofs that a busy neighbour may spoil (a check looks at latency) before the demo gives up."""
SLOWER: Final = 6
"""How often the writers may be asked to write half as often, until the worker gets between two writes and a switch can be."""
SWITCH_S: Final = 10.0
"""How long a switch waits for such a moment before they are asked."""
SETTLE_S: Final = 60.0
LOOK_S: Final = 0.25
FILLING: Final = "filling"
"""What ``fill`` calls its pouring when it reports progress."""
STRANGE: Final = "a question asked by a program that was never told"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """What the migration measured about itself."""

    rows: int
    rows_per_s: float
    dimensions: tuple[int, int]
    switches_ms: tuple[float, ...]
    slowed: int
    stranger: str
    after_rollback: Survey
    samples: tuple[Sample, ...]
    ledger: Ledger


@dataclass(slots=True)
class _Pot:
    """One migration on its way."""

    store: Store
    worker: Worker
    conninfo: str
    encoders: Encoders
    memories: Mapping[str, Remembering]
    company: Company
    timeline: Timeline
    progress: Progress
    dwell_s: float
    switches_ms: list[float] = field(default_factory=list)
    slowed: int = 0


def pour(
    store: Store,
    conninfo: str,
    *,
    base: str,
    tuned: str,
    encoders: Encoders,
    memories: Mapping[str, Remembering],
    company: Company,
    timeline: Timeline,
    dwell_s: float,
    progress: Progress,
) -> Moved:
    """Make every move from ``open`` to ``retire`` under the traffic of ``company``, resting ``dwell_s`` seconds on each side.

    Returns when the debts of the last writes are paid; the traffic has been stopped then. What a move refuses is raised.
    """
    poured = 0

    def filling(what: str, done: int, total: int) -> None:
        nonlocal poured
        poured = done if what == FILLING else poured
        progress(what, done, total)

    worker = Worker(store, ALIAS, encoders, report=lambda said: progress(said, 0, 0))
    pot = _Pot(store, worker, conninfo, encoders, memories, company, timeline, progress, dwell_s)
    progress("loading the new model", 0, 0)
    encoders(tuned)
    with beside(worker), _sampled(store, lambda: poured) as samples:
        with timeline.span("open"):
            open_target(store, ALIAS, to=tuned, encoders=encoders, progress=progress)
        shadow = store.alias(ALIAS).shadow
        assert shadow is not None, "open has made it"
        dimensions = (store.alias(ALIAS).live.width, shadow.width)
        company.deploy(tuned, shadow.width)
        with timeline.span("fill"):
            filled = fill(store, ALIAS, encoders=encoders, progress=filling)
        _prove(pot, "prove")
        _switch(pot, "cutover")
        stranger = _stranger(pot, memories[base])
        _rest(pot, "working on the new index")
        _switch(pot, "rollback")
        after_rollback = _counted(pot, memories[base])
        _rest(pot, "working on the old index again")
        _prove(pot, "prove again")
        _switch(pot, "cutover again")
        _rest(pot, "working on the new index for good")
        with timeline.span("retire"):
            retire(store, ALIAS, quiet_s=0.0, progress=progress)  # all readers of this company follow the alias
        _rest(pot, "working without the old index")
        ledger = company.stop()
        _settle(pot)
    return Moved(
        rows=int(_figure(filled, "rows")),
        rows_per_s=_figure(filled, "rows_per_s"),
        dimensions=dimensions,
        switches_ms=tuple(pot.switches_ms),
        slowed=pot.slowed,
        stranger=stranger,
        after_rollback=after_rollback,
        samples=tuple(samples),
        ledger=ledger,
    )


def _prove(pot: _Pot, name: str) -> None:
    for left in reversed(range(TRIES)):
        with pot.timeline.span(name):
            verdict = prove(pot.store, ALIAS, encoders=pot.encoders, progress=pot.progress)
        if verdict.passed:
            return
        if not left:
            raise NotReady("cutover", sentence(verdict))


def _switch(pot: _Pot, name: str) -> None:
    """Switch; where the writers outrun the worker, as on a machine with a fraction of a processor, they are asked to slow down.

    It is what the refusal tells an operator to do. They go on writing all the same.
    """
    verb = rollback if name == "rollback" else cutover
    stood = pot.store.journal.load(ALIAS)
    for left in reversed(range(1 + SLOWER)):
        try:
            with pot.timeline.span(name):
                made = verb(pot.store, ALIAS, encoders=pot.encoders, deadline_s=SWITCH_S, progress=pot.progress)
        except NotReady:
            if not left or pot.store.journal.load(ALIAS) != stood:
                raise
            pot.progress("the writers outrun the worker: letting them write half as often", 0, 0)
            pot.company.slow_writers()
            pot.slowed += 1
        else:
            pot.switches_ms.append(1000 * _figure(made, "switch_s"))
            return


def _stranger(pot: _Pot, memory: Remembering) -> str:
    """A search by SQL with a vector of the old Space after the cutover: the database's refusal, or nothing where it let it in."""
    with application(pot.conninfo, name="stranger") as connection:
        vector = str(memory.recall([STRANGE], Role.QUERY).matrix[0].tolist())
        ask = sql.SQL("SELECT id FROM {} ORDER BY embedding <=> %s::vector LIMIT 5").format(VIEW)
        try:
            connection.execute(ask, (vector,))
        except psycopg.DataError as refusal:
            if refusal.sqlstate != DIFFERENT_DIMENSIONS:
                raise
            return f"ERROR {refusal.sqlstate}: {str(refusal).strip()}"
    return ""


def _counted(pot: _Pot, memory: Remembering) -> Survey:
    """The state of the side that is live now, with the writers held for as long as the count takes."""
    with pot.company.held() as final:
        _settle(pot)
        with application(pot.conninfo, name="count") as connection:
            return survey(connection, final, memory)


def _settle(pot: _Pot) -> None:
    owed = pot.worker.drain(deadline_s=SETTLE_S)
    if owed:
        raise NotReady("count", f"{owed} rows are still owed {SETTLE_S:.0f} s after the last write")


def _rest(pot: _Pot, what: str) -> None:
    pot.progress(what, 0, 0)
    time.sleep(pot.dwell_s)


@contextmanager
def _sampled(store: Store, poured: Callable[[], int]) -> Iterator[list[Sample]]:
    """Look at the outbox and at the rows poured so far, again and again, while the block runs."""
    samples: list[Sample] = []
    stop, outbox = threading.Event(), store.outbox(ALIAS)

    def look() -> None:
        while not stop.is_set():
            samples.append(Sample(time.monotonic(), poured(), outbox.owed()))
            stop.wait(LOOK_S)

    thread = threading.Thread(target=look, name="looking", daemon=True)
    thread.start()
    try:
        yield samples
    finally:
        stop.set()
        thread.join()


def _figure(made: MoveMade, name: str) -> float:
    """A figure that a move put down about itself."""
    value = made.figures[name]
    assert isinstance(value, int | float), f"{name} is {value!r}"
    return float(value)
