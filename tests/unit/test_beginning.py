"""How a command begins on a store that asks to wait: it does, says why, and ends in the store's own words when it did enough."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors
from transvase.adapters.memory import MemoryStore, connect
from transvase.adapters.postgres.failures import first_contact, translation
from transvase.cli import wiring
from transvase.cli.main import main
from transvase.core.errors import StoreFailed
from transvase.core.ports import Source
from transvase.migrations import beginning
from transvase.migrations.adopt import adopt
from transvase.migrations.beginning import Beginning
from worlds import NEW, OLD, MemoryWorld, rows_of

BUSY = StoreFailed("the server asks to wait", code="busy", passing=True)
LOST = StoreFailed("the session has gone", anew=True)
BROKEN = StoreFailed("it is broken")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses of hundredths of a second, and a patience to match."""
    monkeypatch.setattr(beginning, "FIRST_S", 0.01)
    monkeypatch.setattr(beginning, "LONGEST_S", 0.02)
    monkeypatch.setattr(beginning, "PATIENCE_S", 0.5)


@pytest.fixture
def url(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A store in memory with an adopted table ``docs``."""
    made = f"memory:{request.node.name}"
    world = MemoryWorld(connect(made))
    world.make("docs")
    world.put("docs", rows_of(["a", "b"]))
    encoders = {"old": OLD, "new": NEW}.__getitem__
    source = Source(table="docs", key=("id",), text="body", vector="embedding")
    adopt(world.store, "docs", source=source, encoder="old", encoders=encoders)
    monkeypatch.setattr(wiring, "load", encoders)
    wiring.encoders.cache_clear()
    yield made
    wiring.encoders.cache_clear()


def raising(*errors_: StoreFailed, then: Callable[..., Any] = lambda *_: "done") -> Callable[..., Any]:
    """Fails with one error after the other, then gives what ``then`` gives."""
    left = list(errors_)

    def call(*given: Any) -> Any:
        if left:
            raise left.pop(0)
        return then(*given)

    return call


@pytest.mark.parametrize(
    "words",
    [("status",), ("history",), ("plan", "--to", "new"), ("open", "--to", "new"), ("migrate", "--to", "new"), ("sync", "--once")],
)
@pytest.mark.parametrize("error", [BUSY, LOST], ids=["busy", "lost"])
def test_what_a_command_looks_up_first_is_asked_for_again_and_the_reason_told(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], error: StoreFailed
) -> None:
    monkeypatch.setattr(MemoryStore, "alias", raising(error, error, error, then=MemoryStore.alias))
    verb, *options = words
    assert main(["--store", url, verb, "docs", *options]) == 0
    said = capsys.readouterr().err
    assert f"waiting: {error}" in said


@pytest.mark.parametrize("verb", ["status", "cutover"])
def test_a_command_that_has_waited_enough_ends_with_what_the_store_says(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], verb: str
) -> None:
    monkeypatch.setattr(MemoryStore, "alias", raising(*[BUSY] * 1_000))
    started = time.monotonic()
    assert main(["--store", url, verb, "docs"]) == 3
    assert time.monotonic() - started > 0.3
    assert capsys.readouterr().err.splitlines()[-1] == f"transvase: {BUSY}"


def test_a_store_that_asks_to_wait_at_the_first_contact_is_waited_for_and_one_that_does_not_answer_is_not(
    url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(wiring, "connect", raising(BUSY, BUSY, then=connect))
    assert main(["--store", url, "status", "docs"]) == 0
    assert "waiting: the server asks to wait" in capsys.readouterr().err
    monkeypatch.setattr(wiring, "connect", raising(BROKEN, then=connect))
    assert main(["--store", url, "status", "docs"]) == 3
    assert capsys.readouterr().err == f"transvase: {BROKEN}\n"


def test_a_longer_wait_than_is_left_is_not_begun() -> None:
    said: list[str] = []
    with pytest.raises(StoreFailed):
        Beginning(lambda what, *_: said.append(what)).through(raising(StoreFailed("in an hour", passing=True, after_s=3_600)))
    assert said == []


def test_who_holds_the_alias_makes_nothing_anew_that_may_have_cost_the_session() -> None:
    holding = Beginning(lambda *_: None, holding=True)
    assert holding.through(raising(BUSY)) == "done"
    with pytest.raises(StoreFailed):
        holding.through(raising(LOST))
    assert Beginning(lambda *_: None).through(raising(LOST)) == "done"


def test_postgres_tells_a_session_that_another_may_replace_from_one_that_nobody_gives() -> None:
    def anew(error: Exception) -> bool:
        told = translation(error, "looking")
        return isinstance(told, StoreFailed) and told.anew

    for lost in (
        errors.AdminShutdown("it"),
        errors.CannotConnectNow("it"),
        psycopg.OperationalError("server closed the connection"),
    ):
        assert anew(lost)
    for lasting in (errors.DiskFull("it"), errors.QueryCanceled("it"), errors.UndefinedTable("it"), errors.InvalidPassword("it")):
        assert not anew(lasting)


@pytest.mark.parametrize(
    ("said", "waits"),
    [
        ('connection to server at "db", port 5432 failed: FATAL:  the database system is starting up', True),
        ('connection to server at "db", port 5432 failed: FATAL:  sorry, too many clients already', True),
        ('connection to server at "db", port 5432 failed: Connection refused', False),
        ('connection to server at "db", port 5432 failed: FATAL:  password authentication failed for user "me"', False),
    ],
)
def test_at_the_first_contact_postgres_is_waited_for_where_it_answers_so(said: str, waits: bool) -> None:
    told = translation(psycopg.OperationalError(said), "connecting")
    assert isinstance(told, StoreFailed)
    assert (told.anew, first_contact(told).anew) == (True, waits)
