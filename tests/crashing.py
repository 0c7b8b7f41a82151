"""Kills a process in the middle of a move: a child of its own, at the n-th exchange with the database.

Run as a program it is a fork server (``forking``): a child makes one move and is killed by SIGKILL at the exchange that its order
names, before it is sent (n % 3 == 0), when it has been sent and not been answered (1), or when it has been answered (2). Its
steps are the exchanges, and an exchange is anything that psycopg waits for: a statement, a BEGIN, a COMMIT, a piece of a COPY.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import psycopg
import scenery
from forking import End, Server, Tally, serve
from scenery import Ground
from transvase.core.connect import connect
from transvase.core.migration import Phase
from transvase.core.ports import Store
from transvase.migrations import derive as deriving
from transvase.migrations import fill as filling
from transvase.migrations import prove as proving
from transvase.migrations.abort import abort
from transvase.migrations.cutover import cutover
from transvase.migrations.fill import fill
from transvase.migrations.migrate import migrate
from transvase.migrations.open import open_target
from transvase.migrations.prove import prove, scene
from transvase.migrations.retire import retire
from transvase.migrations.rollback import rollback

GROUND: Final = Ground()
ROWS: Final = 200
BATCH: Final = 40
"""Rows of one batch of the fill, so that a small table has several."""


def _passed(store: Store) -> object:
    verdict = prove(store, GROUND.alias, encoders=scenery.encoder)
    assert verdict.passed, proving.sentence(verdict)
    return verdict


MOVES: Final[Mapping[str, Callable[[Store], object]]] = {
    "adopt": lambda s: scenery.adopted(s, GROUND),
    "open": lambda s: open_target(s, GROUND.alias, to=GROUND.enc("new"), encoders=scenery.encoder),
    "open on": lambda s: open_target(s, GROUND.alias, to=GROUND.enc("newer"), encoders=scenery.encoder),
    "open queries": lambda s: open_target(s, GROUND.alias, to=GROUND.enc("asking old"), encoders=scenery.encoder),
    "open derived": lambda s: open_target(s, GROUND.alias, to=GROUND.enc("turned old"), encoders=scenery.encoder),
    "fill": lambda s: fill(s, GROUND.alias, encoders=scenery.encoder),
    "derive": lambda s: fill(s, GROUND.alias, encoders=scenery.encoder, derivations=scenery.derivations),
    "prove": _passed,
    "cutover": lambda s: cutover(s, GROUND.alias, encoders=scenery.encoder),
    "rollback": lambda s: rollback(s, GROUND.alias, encoders=scenery.encoder),
    "retire": lambda s: retire(s, GROUND.alias),
    "abort": lambda s: abort(s, GROUND.alias),
    "migrate": lambda s: migrate(
        s, GROUND.alias, encoders=scenery.encoder, to=GROUND.enc("new"), until=Phase.LIVE, deadline_s=120
    ),
}
"""What an operator types, one word each."""

LEADS_TO: Final[Mapping[str, Phase]] = {
    "open": Phase.SHADOWING,
    "open on": Phase.SHADOWING,
    "open queries": Phase.SHADOWING,
    "open derived": Phase.SHADOWING,
    "fill": Phase.FILLED,
    "derive": Phase.FILLED,
    "prove": Phase.PROVEN,
    "cutover": Phase.LIVE,
    "rollback": Phase.FILLED,
    "retire": Phase.RETIRED,
    "abort": Phase.ABORTED,
    "migrate": Phase.LIVE,
}
"""Where each move ends: a move that is refused there had been made already."""

_BESIDE: Final = ("transvase-", "pool-")
"""Threads that only look on, as often as they can: they would drown the moves' own exchanges."""


def small(change: Callable[[Any, str, int], None]) -> None:
    """Make batches and samples small with ``change`` (setattr, or a monkeypatch of it), so that a walk is short."""
    change(filling, "BATCH", BATCH)
    change(deriving, "BATCH", BATCH)
    change(scene, "SAMPLE", 40)
    change(scene, "QUERIES", 6)


class Gallows(Server):
    """The fork server, as a context."""

    def __init__(self) -> None:
        super().__init__(str(Path(__file__).resolve()))

    def make(self, url: str, move: str, *, die_at: int = 0) -> End:
        """Make the move in a child; with ``die_at`` it is killed there, at the latest when the move has been made."""
        return self.done([url, move, die_at])


def _count(die_at: int, tally: Tally) -> None:
    """Count exchanges from now on, and die at the one that was named."""
    lock, wait = threading.Lock(), psycopg.Connection.wait

    def counted(self: psycopg.Connection[Any], gen: Any, *args: Any, **kwargs: Any) -> Any:
        if threading.current_thread().name.startswith(_BESIDE):
            return wait(self, gen, *args, **kwargs)
        with lock:
            tally.steps += 1
            mine = tally.steps == die_at
        if not mine:
            return wait(self, gen, *args, **kwargs)
        if die_at % 3 == 1:
            next(gen, None)  # sends, and stops before the answer is read
        elif die_at % 3 == 2:
            wait(self, gen, *args, **kwargs)
        return os.kill(os.getpid(), signal.SIGKILL)

    psycopg.Connection.wait = counted  # type: ignore[method-assign]


def _move(order: tuple[str, str, int], tally: Tally) -> int:
    url, move, die_at = order
    _count(die_at, tally)
    store = connect(url)
    MOVES[move](store)
    if die_at:
        os.kill(os.getpid(), signal.SIGKILL)
    store.close()
    return tally.steps


if __name__ == "__main__":
    small(setattr)
    for name in ("old", "new", "newer", "asking old", "turned old"):
        scenery.encoder(GROUND.enc(name))
    serve(_move)
