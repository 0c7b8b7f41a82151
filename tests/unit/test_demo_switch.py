"""The demo's switch where the writers outrun the worker: they are asked to slow down, and nothing is switched before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from transvase.adapters.memory import MemoryStore
from transvase.cli.demo import pouring
from transvase.cli.demo.stage import ALIAS
from transvase.cli.demo.waits import Timeline
from transvase.core.errors import NotReady
from transvase.core.migration import Phase
from transvase.core.ports import Encoder, Source, Switch
from transvase.migrations.adopt import adopt
from transvase.migrations.migrate import migrate
from transvase.migrations.sync import Worker
from worlds import NEW, OLD, MemoryWorld, rows_of

ENCODERS: Callable[[str], Encoder] = {"old": OLD, "new": NEW}.__getitem__


@dataclass
class Writers:
    """They write whenever a switch is tried, until they have been asked often enough to slow down."""

    deaf_to: int
    asked: int = 0
    wrote: int = 0

    def text(self) -> str:
        """Another one each time."""
        self.wrote += 1
        return f"written again {self.wrote}"

    def slow_writers(self) -> None:
        self.asked += 1


class Pressed(MemoryStore):
    """A store to which somebody writes between the last payment and the switch."""

    writers: Writers

    def point(self, alias: str, index: str, *, expect: int, allow_owed: int) -> Switch:
        if self.writers.asked < self.writers.deaf_to:
            MemoryWorld(self).put("docs", [{"id": 3, "body": self.writers.text()}])
        return super().point(alias, index, expect=expect, allow_owed=allow_owed)


def poured(writers: Writers, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A pot whose migration is proven, and whose switches wait for a moment only."""
    monkeypatch.setattr(pouring, "SWITCH_S", 0.05)
    store = Pressed()
    store.writers = writers
    world = MemoryWorld(store)
    world.make("docs")
    world.put("docs", rows_of([f"body {i}" for i in range(20)]))
    adopt(
        store, ALIAS, source=Source(table="docs", key=("id",), text="body", vector="embedding"), encoder="old", encoders=ENCODERS
    )
    migrate(store, ALIAS, encoders=ENCODERS, to="new", until=Phase.PROVEN)
    worker = Worker(store, ALIAS, ENCODERS)
    company: Any = writers
    return pouring._Pot(store, worker, "", ENCODERS, {}, company, Timeline(), lambda *_: None, 0.0)


def test_writers_that_outrun_the_worker_are_slowed_down_until_the_switch_is_possible(monkeypatch: pytest.MonkeyPatch) -> None:
    writers = Writers(deaf_to=2)
    pot = poured(writers, monkeypatch)
    old = pot.store.alias(ALIAS).live.name
    pouring._switch(pot, "cutover")
    assert (writers.asked, pot.slowed, len(pot.switches_ms)) == (2, 2, 1)
    assert pot.store.alias(ALIAS).live.name != old
    assert [span.name for span in pot.timeline.spans] == ["cutover"]


def test_writers_that_hear_nothing_are_given_up_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    writers = Writers(deaf_to=10**6)
    pot = poured(writers, monkeypatch)
    before = pot.store.alias(ALIAS)
    with pytest.raises(NotReady, match="writes keep coming"):
        pouring._switch(pot, "cutover")
    assert writers.asked == pouring.SLOWER
    assert pot.store.alias(ALIAS) == before


def test_what_no_slower_writer_can_mend_is_raised_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    writers = Writers(deaf_to=0)
    pot = poured(writers, monkeypatch)
    pot.store.index(ALIAS, pot.store.journal.load(ALIAS).target)._state().serial += 1_000
    with pytest.raises(NotReady, match="the verdict has lapsed"):
        pouring._switch(pot, "cutover")
    assert writers.asked == 0
