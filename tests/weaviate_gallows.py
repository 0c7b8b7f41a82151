"""Makes an operator's moves on a real server in processes of their own, and kills or freezes one in the middle where told to.

Run as a program it is a fork server (``forking``): a child makes one move as a command would, and is killed (or frozen) at the
n-th step: before (n odd) or after (n even) an exchange with the server, a transaction of the ledger, or a flush. Where others
are at work, and a step has no number, it is named by a function of the switch.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import httpx
from forking import End, Server, Tally, serve
from transvase.adapters.weaviate import connect
from transvase.adapters.weaviate.switching import pointing
from transvase.core.migration import Phase
from transvase.migrations import fill as filling
from transvase.migrations.prove import scene
from weaviate_mirrors import DIE_AT, count
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
    "take the name": lambda walk: walk.retired(take_name=True),
}
"""What an operator types, one word each."""

LEADS_TO: Final[Mapping[str, Phase]] = {
    "open": Phase.SHADOWING,
    "fill": Phase.FILLED,
    "prove": Phase.PROVEN,
    "cutover": Phase.LIVE,
    "rollback": Phase.FILLED,
    "retire": Phase.RETIRED,
    "take the name": Phase.RETIRED,
}
"""Where each move ends: a move that is refused there had been made already."""

WAIT_S: Final = 60.0
"""For a step at which a process stands still: longer than any move of a small collection takes."""

_BESIDE: Final = ("transvase-",)
"""Threads that only look on, once in a while: they would make the steps of a move another number each time."""


class Gallows(Server):
    """The fork server, as a context. Two servers make two operators."""

    def __init__(self) -> None:
        super().__init__(__file__)

    def make(self, walk: Walk, move: str, *, die_at: int = 0, among: str = "") -> End:
        """Make the move in a child; with ``die_at`` it is killed there, at the latest when the move has been made.

        ``among``: only requests count as steps whose method and path this expression matches.
        """
        self.begin(walk, move, die_at=die_at, among=among)
        return self.ended()

    def begin(
        self,
        walk: Walk,
        move: str,
        *,
        die_at: int = 0,
        by: signal.Signals = signal.SIGKILL,
        among: str = "",
        at: str = "",
    ) -> int:
        """As ``make``, and do not wait for its end; the number of the process.

        ``at``: it is met where this function of the switch begins, or ends (``after NAME``).
        """
        where = {"web": str(walk.application.web.base_url), "url": walk.url, "table": walk.table, "alias": walk.alias}
        more = {"vector": walk.vector, "allowed": walk.allowed, "among": among, "at": at}
        return self.order({**where, **more, "move": move, "by": by, DIE_AT: die_at})


def stands(process: int, where: str, *, within_s: float = WAIT_S) -> None:
    """Return when the process, which freezes itself, stands still; fails when it ends instead."""
    end = time.monotonic() + within_s
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


def _met(at: str, by: signal.Signals) -> None:
    when, _, name = at.rpartition(" ")
    plain = getattr(pointing, name)

    def call(*given: Any, **named: Any) -> Any:
        if not when:
            os.kill(os.getpid(), by)
        done = plain(*given, **named)
        if when:
            os.kill(os.getpid(), by)
        return done

    setattr(pointing, name, call)


def _move(order: dict[str, Any], tally: Tally) -> int:
    count(order[DIE_AT], tally, beside=_BESIDE, by=signal.Signals(order["by"]), among=order["among"])
    store, application = connect(order["url"]), Application(httpx.Client(base_url=order["web"]))
    walk = Walk(application, order["url"], store, order["table"], order["alias"], order["vector"], order["allowed"])
    if order["at"]:
        _met(order["at"], signal.Signals(order["by"]))
    MOVES[order["move"]](walk)
    if order[DIE_AT] and order["by"] == signal.SIGKILL:
        os.kill(os.getpid(), signal.SIGKILL)
    made = tally.steps
    store.close()
    return made


if __name__ == "__main__":
    small(setattr)
    serve(_move)
