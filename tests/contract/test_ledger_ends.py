"""How entries end in the ledger when something comes between: a writer that was given up, notes that fail, somebody who waits."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import UUID

import pytest
from ledger_child import ALIAS, LIVE, SHADOW, key
from transvase.adapters.ledger import Book, book
from transvase.core.errors import LockNotGained, StoreFailed
from transvase.core.figures import Debt


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for a ledger that is not there yet."""
    return request.getfixturevalue("database") if request.param == "postgres" else str(tmp_path / "ledger.sqlite")


def due(ledger: Book) -> dict[UUID, str | None]:
    return {debt.key[-1]: debt.only for debt in ledger.debts(ALIAS, limit=100, grace_s=0)}


def failing(pages: Any, monkeypatch: pytest.MonkeyPatch, *, doing: str) -> None:
    """Have every transaction of this purpose fail."""
    write = type(pages).write

    @contextmanager
    def failed(self: Any, purpose: str, *, durable: bool = True) -> Iterator[Any]:
        if purpose == doing:
            raise StoreFailed("the disk is full")
        with write(self, purpose, durable=durable) as run:
            yield run

    monkeypatch.setattr(type(pages), "write", failed)


def test_a_writer_that_was_taken_for_dead_leaves_what_others_settled_as_it_would_have_left_it(ledger, another):
    mine = ledger.intend(ALIAS, [key(1), key(2), key(3)], first=LIVE)
    assert another().settle(ALIAS, mine[:2]) == 2
    ledger.leave(ALIAS, mine[:1])
    ledger.leave(ALIAS, mine[1:], only=SHADOW)
    assert due(ledger) == {key(1)[0]: None, key(2)[0]: SHADOW, key(3)[0]: SHADOW}
    assert ledger.firsts(ALIAS, [key(1), key(2), key(3)]) == dict.fromkeys([key(1), key(2), key(3)], LIVE)
    assert ledger.flying(ALIAS) == 0


def test_what_is_owed_again_does_not_claim_to_be_newer_than_what_came_later(ledger, another):
    other = another()
    mine = ledger.intend(ALIAS, [key(1)], first=LIVE)
    other.settle(ALIAS, mine)
    theirs = other.intend(ALIAS, [key(1)], first=SHADOW)
    ledger.leave(ALIAS, mine)
    other.leave(ALIAS, theirs)
    assert ledger.firsts(ALIAS, [key(1)]) == {key(1): SHADOW}
    (debt,) = ledger.debts(ALIAS, limit=9, grace_s=0)
    assert (debt.key, len(debt.entries)) == (key(1), 2)


@pytest.mark.parametrize(("end", "doing"), [("settle", "settling"), ("leave", "leaving what is owed")])
def test_an_end_that_could_not_be_noted_can_be_noted_again(ledger, another, monkeypatch, end, doing):
    mine = ledger.intend(ALIAS, [key(1)], first=LIVE)
    with monkeypatch.context() as patch:
        failing(ledger.at(), patch, doing=doing)
        with pytest.raises(StoreFailed):
            getattr(ledger, end)(ALIAS, mine)
        assert (ledger.owed(ALIAS), ledger.flying(ALIAS)) == (1, 1)
    another().settle(ALIAS, mine)
    getattr(ledger, end)(ALIAS, mine)
    assert due(ledger) == {key(1)[0]: None}, "nobody forgot whose it was"


def test_a_writers_write_does_not_fail_because_old_entries_could_not_be_thrown_away(ledger, monkeypatch, caplog):
    monkeypatch.setattr(book, "PRUNE_EVERY", 1)
    with monkeypatch.context() as patch:
        failing(ledger.at(), patch, doing="throwing away what is settled")
        assert ledger.settle(ALIAS, ledger.intend(ALIAS, [key(1)], first=LIVE)) == 1
    assert "not thrown away: the disk is full" in caplog.text
    ledger.settle(ALIAS, ledger.intend(ALIAS, [key(2)], first=LIVE))
    with ledger.at().read("counting") as run:
        assert run("SELECT COUNT(*) FROM owed")[0][0] == 0, "the next one takes it along"


def test_a_write_that_is_under_way_for_minutes_is_passed_by_no_longer(ledger, monkeypatch):
    ledger.intend(ALIAS, [key(1)], first=LIVE)
    assert ledger.owed(ALIAS, underway=False) == 0
    monkeypatch.setattr(book, "UNDERWAY_S", 0.2)
    time.sleep(0.3)
    ledger.intend(ALIAS, [key(2)], first=LIVE)
    assert ledger.owed(ALIAS, underway=False) == 1


def test_who_outlasts_writers_waits_for_those_that_began_before_and_for_nobody_else(ledger, another):
    other = another()
    before = other.intend(ALIAS, [key(1)], first=LIVE, by="the shop")
    with pytest.raises(LockNotGained, match="the shop"):
        ledger.outlast(ALIAS, patience_s=0.1)
    waited: list[float] = []

    def outlast() -> None:
        begun = time.monotonic()
        ledger.outlast(ALIAS, patience_s=20)
        waited.append(time.monotonic() - begun)

    waiting = Thread(target=outlast)
    waiting.start()
    time.sleep(0.3)
    other.intend(ALIAS, [key(2)], first=LIVE)  # in flight to the end
    assert not waited
    other.settle(ALIAS, before)
    waiting.join()
    assert 0.2 < waited[0] < 10


def test_the_last_requests_of_a_writer_that_has_just_died_are_outlasted(ledger, children, where, monkeypatch):
    children.say("intend", where=where, keys=[1])
    monkeypatch.setattr(book, "GRACE_S", 60.0)
    with pytest.raises(LockNotGained):
        ledger.outlast(ALIAS, patience_s=0.1)
    monkeypatch.setattr(book, "GRACE_S", 0.0)
    ledger.outlast(ALIAS, patience_s=20)


def test_what_lies_at_a_site_is_what_the_newest_entry_that_says_so_names(ledger):
    ledger.leave(ALIAS, ledger.intend(ALIAS, [key(1), key(2), key(3)], first=LIVE))
    later = ledger.intend(ALIAS, [key(2)], first=SHADOW)
    ledger.owe(ALIAS, [key(3), key(4)])
    ledger.owe(ALIAS, [key(5)], only=SHADOW)
    assert (ledger.lying(ALIAS, LIVE), ledger.lying(ALIAS, SHADOW)) == (2, 1)
    ledger.settle(ALIAS, later)
    assert (ledger.lying(ALIAS, LIVE), ledger.lying(ALIAS, SHADOW)) == (3, 0)
    ledger.owe(ALIAS, [key(6)], first=f"{LIVE}@1700000000123")
    ledger.owe(ALIAS, [key(1)], first=f"{SHADOW}@1700000000123")
    assert (ledger.lying(ALIAS, LIVE), ledger.lying(ALIAS, SHADOW)) == (3, 1)
    ledger.settle(ALIAS, [entry for debt in ledger.debts(ALIAS, limit=9) for entry in debt.entries])
    assert ledger.lying(ALIAS, LIVE) == 0
    assert ledger.debts(ALIAS, limit=9) == list[Debt]()
