"""The ledger's door: whoever is about to write waits before it for a moment, whoever pays does not, and nobody for ever."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from ledger_child import ALIAS, LIVE, key
from transvase.adapters.ledger import Book, door

WAIT_S = 30.0


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A place for a ledger that is not there yet."""
    return request.getfixturevalue("database") if request.param == "postgres" else str(tmp_path / "ledger.sqlite")


@pytest.fixture
def pool() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


@pytest.fixture
def standing(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set when somebody waits at the door."""
    seen, stand = threading.Event(), door.stood_before

    def told(pages: object, alias: str, *, end: float) -> None:
        seen.set()
        stand(pages, alias, end=end)  # type: ignore[arg-type]

    monkeypatch.setattr(door, "stood_before", told)
    return seen


def written(ledger: Book) -> tuple[int, ...]:
    entries = ledger.intend(ALIAS, [key(1), key(2)], first=LIVE)
    ledger.settle(ALIAS, entries)
    return entries


def test_who_is_about_to_write_waits_until_the_door_opens_and_who_pays_or_writes_elsewhere_does_not(
    ledger: Book, another: Callable[[], Book], pool: ThreadPoolExecutor, standing: threading.Event
) -> None:
    other = another()
    with other.writers_held(ALIAS, most_s=WAIT_S):
        writing: Future[tuple[int, ...]] = pool.submit(written, ledger)
        assert standing.wait(WAIT_S)
        assert other.owed(ALIAS) == 0, "nothing is noted of who waits"
        (payment,) = other.intend(ALIAS, [key(1)], first="")
        other.settle(ALIAS, [payment])
        assert ledger.intend("Papers", [key(1)], first=LIVE)
        assert not writing.done()
    assert len(writing.result(WAIT_S)) == 2
    assert len(written(ledger)) == 2, "and nobody waits afterwards"


def test_a_door_that_is_never_opened_opens_by_itself(
    ledger: Book, another: Callable[[], Book], standing: threading.Event
) -> None:
    dead = another().writers_held(ALIAS, most_s=0.4)
    dead.__enter__()
    started = time.monotonic()
    assert written(ledger)
    assert standing.is_set()
    assert time.monotonic() - started >= 0.2


def test_a_writer_does_not_wait_longer_than_his_patience_nor_for_another_clock(
    ledger: Book, another: Callable[[], Book], standing: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = another()
    with other.writers_held(ALIAS, most_s=WAIT_S):
        monkeypatch.setattr(door, "PATIENT_S", 0.2)
        assert written(ledger)
        assert standing.is_set()
    monkeypatch.setattr(door, "PATIENT_S", WAIT_S)
    standing.clear()
    with other.at().write("as a clock that ran ahead would have it") as run:
        run("UPDATE beats SET at = at + 7200 WHERE alias = :alias", {"alias": ALIAS})
    assert written(ledger)
    assert not standing.is_set()
