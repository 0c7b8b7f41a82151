"""Who is accused of a wrong vector: nobody who was only written unseen, and whoever is wrong still when that was paid."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from transvase.adapters.memory import MemoryStore
from transvase.core.record import Key, Record
from transvase.migrations import suspects
from transvase.migrations.suspects import convicted
from worlds import MemoryWorld, shadowed

KEYS: list[Key] = [(1,), (2,)]


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> MemoryWorld:
    monkeypatch.setattr(suspects, "_PAUSE_S", 0.0)
    made = MemoryWorld(MemoryStore())
    shadowed(made, ["a", "b", "c"])
    made.lose_debts("docs")
    return made


def test_what_was_written_unseen_is_excused_once_it_is_paid(world: MemoryWorld) -> None:
    wrong, owed = set(KEYS), set[Key]()

    def differing(records: Sequence[Record]) -> list[Key]:
        return [record.key for record in records if record.key in wrong]

    def unseen(keys: Sequence[Key]) -> set[Key]:
        owed.update(key for key in keys if key == (1,))
        return owed & {*keys}

    found = convicted(
        world.store, "docs", KEYS, differing=differing, meanwhile=lambda: wrong.difference_update(owed), unseen=unseen
    )
    assert found == [(2,)], "the other one has no such excuse"


def test_what_is_wrong_however_often_it_is_paid_has_no_excuse(world: MemoryWorld) -> None:
    def differing(records: Sequence[Record]) -> list[Key]:
        return [record.key for record in records]

    assert convicted(world.store, "docs", KEYS, differing=differing, unseen=set) == KEYS
