"""Kills a process in the middle of a move: a child of its own, at the n-th exchange with the database.

Run as a program it is a fork server without threads or connections: for each line on stdin it forks a child, which makes one
move and is killed by SIGKILL at the exchange that the line names, before it is sent (n % 3 == 0), when it has been sent and
not been answered (1), or when it has been answered (2). The answer on stdout is the child's end: a signal, or 0, and how many
exchanges it made. An exchange is anything that psycopg waits for: a statement, a BEGIN, a COMMIT, a piece of a COPY.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psycopg
import scenery
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


@dataclass(frozen=True, slots=True)
class End:
    """How a child ended: by which signal (0: by itself, well), after how many exchanges; and what it said."""

    signal: int
    exchanges: int
    said: str


class Gallows:
    """The fork server, as a context. One child at a time."""

    def __enter__(self) -> Self:
        command = [sys.executable, str(Path(__file__).resolve())]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.communicate(timeout=60)

    def make(self, url: str, move: str, *, die_at: int = 0) -> End:
        """Make the move in a child; with ``die_at`` it is killed there, at the latest when the move has been made."""
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.write(json.dumps([url, move, die_at]) + "\n")
        self._server.stdin.flush()
        return End(*json.loads(self._server.stdout.readline()))


def _count(die_at: int) -> list[int]:
    """Count exchanges from now on, and die at the one that was named."""
    seen, lock, wait = [0], threading.Lock(), psycopg.Connection.wait

    def counted(self: psycopg.Connection[Any], gen: Any, *args: Any, **kwargs: Any) -> Any:
        if threading.current_thread().name.startswith(_BESIDE):
            return wait(self, gen, *args, **kwargs)
        with lock:
            seen[0] += 1
            mine = seen[0] == die_at
        if not mine:
            return wait(self, gen, *args, **kwargs)
        if die_at % 3 == 1:
            next(gen, None)  # sends, and stops before the answer is read
        elif die_at % 3 == 2:
            wait(self, gen, *args, **kwargs)
        return os.kill(os.getpid(), signal.SIGKILL)

    psycopg.Connection.wait = counted  # type: ignore[method-assign]
    return seen


def _child(url: str, move: str, die_at: int, report: int) -> None:
    seen = _count(die_at)
    try:
        store = connect(url)
        MOVES[move](store)
        if die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        store.close()
        os.write(report, json.dumps([seen[0], ""]).encode())
    except BaseException as error:  # whatever it is, the parent must hear of it
        os.write(report, json.dumps([seen[0], f"{type(error).__name__}: {error}"]).encode())
    finally:
        os._exit(0)


def _serve() -> None:
    small(setattr)
    for name in ("old", "new", "newer", "asking old", "turned old"):
        scenery.encoder(GROUND.enc(name))
    for line in sys.stdin:
        url, move, die_at = json.loads(line)
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            _child(url, move, die_at, write)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            said = pipe.read()
        status = os.waitpid(child, 0)[1]
        exchanges, words = json.loads(said) if said else (0, "")
        print(json.dumps([os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, exchanges, words]), flush=True)


if __name__ == "__main__":
    _serve()
