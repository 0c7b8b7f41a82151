"""A server that is killed and started again while an operator stands still in the middle of a move, and what follows."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from weaviate_gallows import LEADS_TO, Gallows, stands
from weaviate_server import Node
from weaviate_walk import Walk

TRIES: Final = 4
BACK_S: Final = 3.0
"""When a server has answered that it is ready, it may take so long until everybody has found it again."""


@dataclass(slots=True)
class Outages:
    """Kills the server in the middle of moves, and knows when it could not answer."""

    server: Node
    operator: Gallows
    times: list[float] = field(default_factory=list)
    """When it was killed, and when it was ready again, in turn."""

    def halt(self, walk: Walk, move: str, *, at: int, among: str = "") -> int:
        """Begin a move, and return when it stands still at its step ``at``: the number of its process.

        ``among``: only requests count as steps whose method and path this expression matches.
        """
        process = self.operator.begin(walk, move, die_at=at, by=signal.SIGSTOP, among=among)
        stands(process, f"{move}, step {at}")
        return process

    def cut(self, process: int, *, down_s: float) -> None:
        """Kill the server, and start it ``down_s`` seconds after the process goes on; where that is none, before it does."""
        self.times.append(time.monotonic())
        self.server.kill()
        if down_s:
            os.kill(process, signal.SIGCONT)
            time.sleep(down_s)
        self.server.start()
        self.server.wait()
        self.times.append(time.monotonic())
        if not down_s:
            os.kill(process, signal.SIGCONT)

    def excuse(self, asked: float, failed: float) -> bool:
        """Whether what was asked then, and failed then, may have met the server while it was away."""
        times = [*self.times, *([float("inf")] if len(self.times) % 2 else [])]
        return any(failed >= away and asked <= back + BACK_S for away, back in zip(times[::2], times[1::2], strict=True))


def gone_on(operator: Gallows, walk: Walk, move: str, *, excused: Sequence[str] = ("StoreFailed",)) -> None:
    """The end of a move that was begun; the same word again while it says what is excused, and anything else is wrong."""
    end = operator.ended()
    for _ in range(TRIES):
        assert end.signal == 0
        if not end.said:
            break
        assert any(words in end.said for words in excused), end.said
        end = operator.make(walk, move)
    migration = walk.store.journal.load(walk.alias)
    assert migration is not None
    assert (migration.phase, end.said) == (LEADS_TO[move], "")
