"""What a fill does when its store fails for a while: it waits longer and longer, says why to everybody, and goes on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors
from transvase.adapters.memory import MemoryStore
from transvase.adapters.memory.corpus import MemoryCorpus
from transvase.adapters.memory.index import MemoryIndex
from transvase.adapters.postgres.failures import translation
from transvase.core.errors import StoreFailed
from transvase.core.migration import Phase
from transvase.core.ports import Source
from transvase.migrations import throttle
from transvase.migrations.adopt import adopt
from transvase.migrations.fill import fill
from transvase.migrations.migrate import migrate
from transvase.migrations.status import status
from worlds import NEW, OLD, MemoryWorld, rows_of

ENCODERS = {"old": OLD, "new": NEW}.__getitem__
ROWS = 600
BUSY = StoreFailed("the server asks to wait", code="busy", passing=True)


@pytest.fixture
def store(monkeypatch: pytest.MonkeyPatch) -> MemoryStore:
    """A table whose target is to be filled, in three batches, with pauses of a hundredth of a second."""
    monkeypatch.setattr(throttle, "FIRST_S", 0.01)
    monkeypatch.setattr(throttle, "LONGEST_S", 0.04)
    monkeypatch.setattr(throttle, "NOTED_S", 0.02)
    world = MemoryWorld(MemoryStore())
    world.make("docs")
    world.put("docs", rows_of([f"body {i}" for i in range(ROWS)]))
    source = Source(table="docs", key=("id",), text="body", vector="embedding")
    adopt(world.store, "docs", source=source, encoder="old", encoders=ENCODERS)
    migrate(world.store, "docs", encoders=ENCODERS, to="new", until=Phase.SHADOWING)
    return world.store


def failing(monkeypatch: pytest.MonkeyPatch, kind: type, name: str, errors: Iterator[StoreFailed], *, after: int = 1) -> None:
    """From its call number ``after`` on the method fails with one error after the other, then works again."""
    real: Callable[..., Any] = getattr(kind, name)
    calls: list[int] = []

    def call(*given: Any, **options: Any) -> Any:
        calls.append(1)
        if len(calls) > after:
            for error in errors:
                raise error
        return real(*given, **options)

    monkeypatch.setattr(kind, name, call)


def held(store: MemoryStore) -> int:
    shadow = store.alias("docs").shadow
    assert shadow is not None
    return store.index("docs", shadow.name).census().held


@pytest.mark.parametrize(
    ("kind", "name"), [(MemoryIndex, "fill"), (MemoryCorpus, "after"), (MemoryIndex, "build"), (MemoryCorpus, "sample")]
)
def test_what_passes_is_waited_for_longer_and_longer_and_the_fill_goes_on(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch, kind: type, name: str
) -> None:
    said: list[str] = []
    failing(monkeypatch, kind, name, iter([BUSY] * 5), after=1 if name in ("fill", "after") else 0)
    outcome = fill(store, "docs", encoders=ENCODERS, progress=lambda what, *_: said.append(what))
    assert outcome.migration.phase is Phase.FILLED
    assert [one for one in said if one.startswith("waiting")] == ["waiting: the server asks to wait [busy] (again in 0 s)"] * 5
    assert held(store) == ROWS


def test_pauses_double_to_the_longest_and_begin_anew_after_a_success(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(throttle.random, "uniform", lambda _least, most: most)
    pauses: list[float] = []
    patience = throttle.Throttle(store, "docs", progress=lambda *_: None).patience()
    monkeypatch.setattr(patience._stop, "wait", pauses.append)
    for _ in range(4):
        patience.after(BUSY)
    patience.over()
    patience.after(BUSY)
    assert pauses == [0.01, 0.02, 0.04, 0.04, 0.01]


def test_a_store_that_says_how_long_it_is_to_be_left_alone_is_left_alone_for_so_long(
    store: MemoryStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = StoreFailed("the server asks to wait", passing=True, after_s=0.3)
    failing(monkeypatch, MemoryIndex, "fill", iter([asked]))
    started = time.monotonic()
    fill(store, "docs", encoders=ENCODERS)
    assert time.monotonic() - started > 0.3


def test_everybody_sees_why_a_fill_waits_and_that_it_goes_on(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str | None] = []

    def progress(what: str, done: int, _total: int) -> None:
        seen.append(f"{what}: {status(store, 'docs').throttled_by}")

    failing(monkeypatch, MemoryIndex, "fill", iter([BUSY] * 4))
    fill(store, "docs", encoders=ENCODERS, progress=progress)
    waits = [one for one in seen if one is not None and one.startswith("waiting")]
    assert waits[0].endswith(": None"), "a pause that short is not noted"
    assert waits[-1].endswith(": the server asks to wait [busy]")
    assert [one for one in seen if one is not None and one.startswith("filling")][-2:] == ["filling: None"] * 2


def test_what_a_process_that_is_no_more_has_waited_for_is_not_shown(store: MemoryStore) -> None:
    for until, shown in ((time.time() + 5, "busy"), (time.time() - throttle.SLACK_S - 1, None)):
        store.journal.note("docs", throttle.WAITS, {"why": "busy", "until_s": until})
        assert status(store, "docs").throttled_by == shown


def test_postgres_says_what_passes_and_a_connection_that_is_gone_does_not() -> None:
    """The operator's lock went with it: whoever goes on may not be alone any more."""
    said = {
        kind: translation(kind("it"), "filling") for kind in (errors.DeadlockDetected, errors.TooManyConnections, errors.DiskFull)
    }
    said[psycopg.OperationalError] = translation(psycopg.OperationalError("server closed the connection"), "filling")
    passing = {kind for kind, error in said.items() if isinstance(error, StoreFailed) and error.passing}
    assert passing == {errors.DeadlockDetected, errors.TooManyConnections}


def test_what_does_not_pass_and_what_never_does_is_raised(store: MemoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (StoreFailed("it is broken"), BUSY):
        with monkeypatch.context() as patch:
            patch.setattr(throttle, "PATIENCE_S", 0.2)
            failing(patch, MemoryIndex, "fill", iter([error] * 1_000))
            with pytest.raises(StoreFailed) as raised:
                fill(store, "docs", encoders=ENCODERS)
            assert raised.value is error
    assert fill(store, "docs", encoders=ENCODERS).migration.phase is Phase.FILLED
