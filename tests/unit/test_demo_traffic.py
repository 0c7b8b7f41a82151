"""The demo's traffic: everybody at a pace of their own, which may be halved, and nobody stopped before the end."""

from __future__ import annotations

import threading

from transvase.cli.demo.ledger import Ledger
from transvase.cli.demo.traffic import Paced, Traffic

WAIT_S = 30.0


class Counting:
    """An actor that counts its steps."""

    def __init__(self, name: str) -> None:
        self.name, self.steps, self.more = name, 0, threading.Event()

    def step(self) -> None:
        self.steps += 1
        self.more.set()

    def close(self) -> None:
        """Nothing is held."""

    def acted(self, times: int) -> None:
        """Return when it has acted so many times more."""
        wanted = self.steps + times
        while self.steps < wanted:
            assert self.more.wait(WAIT_S), f"{self.name} does not act"
            self.more.clear()


def test_whoever_is_slowed_down_often_enough_hardly_acts_and_the_others_go_on() -> None:
    writer, reader, ledger = Counting("writer 1"), Counting("sql 1"), Ledger()
    traffic = Traffic([Paced(writer, 200.0), Paced(reader, 200.0)], ledger=ledger)
    traffic.start()
    writer.acted(5)
    for _ in range(20):  # a step in more than an hour
        traffic.slow("writer")
    before = writer.steps
    reader.acted(50)
    traffic.stop()
    assert writer.steps <= before + 2, "what was due when it was told, and no more"
    assert ledger.failures == []
