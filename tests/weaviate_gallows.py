"""Makes an operator's moves on a real server in processes of their own, and kills or freezes one in the middle where told to.

Run as a program it is a fork server without channels or connections: for each line on stdin it forks a child, which makes one
move as a command would, and is killed (or frozen) at the n-th step: before (n odd) or after (n even) an exchange with the server,
a transaction of the ledger, or a flush. The answers on stdout are the child's number and its end: a signal or 0, its steps, and
what it said.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import httpx
from transvase.adapters.weaviate import connect
from transvase.core.migration import Phase
from transvase.migrations import fill as filling
from transvase.migrations.prove import scene
from weaviate_mirrors import DIE_AT, End, counted
from weaviate_objects import Application
from weaviate_walk import Walk

BATCH: Final = 8
"""Objects of one batch of the fill, so that a small collection has several."""

MOVES: Final[Mapping[str, Callable[[Walk], object]]] = {
    "adopt": Walk.adopted,
    "open": Walk.opened,
    "fill": Walk.filled,
    "prove": Walk.proven,
    "cutover": Walk.cut_over,
    "rollback": Walk.rolled_back,
    "retire": lambda walk: walk.retired(drop=True),
}
"""What an operator types, one word each."""

LEADS_TO: Final[Mapping[str, Phase]] = {
    "open": Phase.SHADOWING,
    "fill": Phase.FILLED,
    "prove": Phase.PROVEN,
    "cutover": Phase.LIVE,
    "rollback": Phase.FILLED,
    "retire": Phase.RETIRED,
}
"""Where each move ends: a move that is refused there had been made already."""

WAIT_S: Final = 60.0
"""For a step at which a process stands still: longer than any move of a small collection takes."""

_BESIDE: Final = ("transvase-",)
"""Threads that only look on, once in a while: they would make the steps of a move another number each time."""


class Gallows:
    """The fork server, as a context. One child at a time; two servers make two operators."""

    def __enter__(self) -> Self:
        self._server = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.communicate(timeout=60)

    def make(self, walk: Walk, move: str, *, die_at: int = 0) -> End:
        """Make the move in a child; with ``die_at`` it is killed there, at the latest when the move has been made."""
        self.begin(walk, move, die_at=die_at)
        return self.ended()

    def begin(self, walk: Walk, move: str, *, die_at: int = 0, by: signal.Signals = signal.SIGKILL) -> int:
        """As ``make``, and do not wait for its end; the number of the process."""
        assert self._server.stdin is not None
        where = {"web": str(walk.application.web.base_url), "url": walk.url, "table": walk.table, "alias": walk.alias}
        self._server.stdin.write(json.dumps({**where, "move": move, "by": by, DIE_AT: die_at}) + "\n")
        self._server.stdin.flush()
        return int(self._said())

    def ended(self) -> End:
        """The end of the move that was begun."""
        return End(*self._said())

    def _said(self) -> Any:
        assert self._server.stdout is not None
        return json.loads(self._server.stdout.readline())


def stands(process: int, where: str) -> None:
    """Return when the process, which freezes itself, stands still; fails when it ends instead."""
    end = time.monotonic() + WAIT_S
    while _state(process) != "T":
        assert Path(f"/proc/{process}").exists(), f"it ended before it came to {where}"
        assert time.monotonic() < end, f"it never came to {where}"
        time.sleep(0.02)


def _state(process: int) -> str:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""


def small(change: Callable[[Any, str, int], None]) -> None:
    """Make batches and samples small with ``change`` (setattr, or a monkeypatch of it), so that a walk is short."""
    change(filling, "BATCH", BATCH)
    change(scene, "SAMPLE", 20)
    change(scene, "QUERIES", 4)


def _child(order: dict[str, Any], report: int) -> None:
    steps: Callable[[], int] = lambda: 0  # noqa: E731 - replaced when there is something to count
    try:
        steps = counted(order[DIE_AT], beside=_BESIDE, by=signal.Signals(order["by"]))
        store = connect(order["url"])
        walk = Walk(Application(httpx.Client(base_url=order["web"])), order["url"], store, order["table"], order["alias"])
        MOVES[order["move"]](walk)
        if order[DIE_AT] and order["by"] == signal.SIGKILL:
            os.kill(os.getpid(), signal.SIGKILL)
        made = steps()
        store.close()
        os.write(report, json.dumps([made, ""]).encode())
    except BaseException as error:  # whatever it is, the parent must hear of it
        os.write(report, json.dumps([steps(), f"{type(error).__name__}: {error}"]).encode())
    finally:
        os._exit(0)


def _serve() -> None:
    small(setattr)
    for line in sys.stdin:
        read, write = os.pipe()
        child = os.fork()
        if child == 0:
            os.close(read)
            _child(json.loads(line), write)
        print(child, flush=True)
        os.close(write)
        with os.fdopen(read, "rb") as pipe:
            said = pipe.read()
        status = os.waitpid(child, 0)[1]
        steps, words = json.loads(said) if said else (0, "")
        print(json.dumps([os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, steps, words]), flush=True)


if __name__ == "__main__":
    _serve()
