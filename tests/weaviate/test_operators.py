"""Two operators on one ledger, each a process of its own: one is let in, the other told who is there; nothing happens twice."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import pytest
from transvase.core.migration import Phase
from weaviate_gallows import LEADS_TO, MOVES, Gallows, stands
from weaviate_independent import Reader, differences, strange_vectors
from weaviate_server import Node
from weaviate_walk import Walk, encoder, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long, pytest.mark.story]

ROWS: Final = 30
BEFORE: Final = {
    "open": (),
    "fill": ("open",),
    "cutover": ("open", "fill", "prove"),
    "retire": ("open", "fill", "prove", "cutover"),
}
"""What has been done before the move that two of them make; adopting apart."""

DEEP: Final = {"open": 100, "fill": 300, "cutover": 350, "retire": 120}
"""The step at which the first operator is frozen: far into the move, and far from its end."""


@pytest.fixture
def walk(server: Node, tmp_path: Path) -> Iterator[Walk]:
    with walked(server, tmp_path, rows=ROWS) as made:
        made.adopted()
        yield made


@pytest.fixture(scope="module")
def operators() -> Iterator[tuple[Gallows, Gallows]]:
    with Gallows() as one, Gallows() as other:
        yield one, other


def reach(walk: Walk, move: str) -> None:
    for word in BEFORE[move]:
        MOVES[word](walk)


@contextmanager
def frozen(operator: Gallows, walk: Walk, move: str) -> Iterator[int]:
    """An operator that stands still in the middle of a move; when the block ends it goes on, to a good end."""
    process = operator.begin(walk, move, die_at=DEEP[move], by=signal.SIGSTOP)
    try:
        stands(process, f"{move}, step {DEEP[move]}")
        yield process
    finally:
        with suppress(ProcessLookupError):
            os.kill(process, signal.SIGCONT)
        end = operator.ended()
    assert (end.signal, end.said) == (0, "")


def server_side(walk: Walk) -> dict[str, Any]:
    """Everything of this walk that the server holds, the control rows too, but those by which readers say that they read."""
    reader, web = Reader(walk.application.web), walk.application.web
    names = [one["class"] for one in web.get("/v1/schema").json()["classes"]]
    mine = [name for name in names if name.startswith((walk.table, walk.server_alias, "TransvaseControl"))]
    held = {name: reader.objects(name) for name in mine}
    kinds = ("reader", "clock")
    held["TransvaseControl"] = {
        uuid: one for uuid, one in held["TransvaseControl"].items() if one["properties"]["kind"] not in kinds
    }
    return {"aliases": web.get("/v1/aliases").json(), **held}


def said(walk: Walk) -> list[str]:
    """The audit log, in its words."""
    return [event.what for event in walk.store.journal.history(walk.alias)]


@pytest.mark.parametrize("move", sorted(BEFORE))
def test_while_one_stands_in_the_middle_of_a_move_nobody_else_makes_any(
    walk: Walk, operators: tuple[Gallows, Gallows], move: str
) -> None:
    """Every word is answered with Busy and the other's name, and nothing on the server or in the ledger changes."""
    first, second = operators
    reach(walk, move)
    with frozen(first, walk, move) as process:
        before, log = server_side(walk), said(walk)
        for word in ("open", "fill", "cutover", "retire"):
            end = second.make(walk, word)
            assert end.said.startswith("Busy"), f"{word}: {end.said}"
            assert str(process) in end.said
        assert (server_side(walk), said(walk)) == (before, log)
    assert said(walk).count(move) == 1
    migration = walk.store.journal.load(walk.alias)
    assert migration is not None
    assert migration.phase is LEADS_TO[move]


def test_of_two_who_type_the_same_word_at_once_one_does_it(walk: Walk, operators: tuple[Gallows, Gallows]) -> None:
    """All the way: the other one is told that somebody is there, or that it has been done; every effect is there once."""
    for move in ("open", "fill", "prove", "cutover", "rollback", "prove", "cutover"):
        generation, times = walk.store.alias(walk.alias).generation, said(walk).count(move)
        for operator in operators:
            operator.begin(walk, move)
        ends = [operator.ended() for operator in operators]
        assert [end.signal for end in ends] == [0, 0]
        losers = [end.said for end in ends if end.said]
        if move not in ("fill", "prove"):  # both sides may be compared and judged once more
            assert len(losers) == 1, ends
            assert said(walk).count(move) == times + 1
        assert all(one.startswith(("Busy", "IllegalMove", "NotReady", "Moved")) for one in losers), losers
        migration = walk.store.journal.load(walk.alias)
        assert migration is not None
        assert migration.phase is LEADS_TO[move]
        switched = move in ("cutover", "rollback", "open")
        assert walk.store.alias(walk.alias).generation == generation + switched
    poured = [event.facts["rows_this_run"] for event in walk.store.journal.history(walk.alias) if "rows_this_run" in event.facts]
    assert sum(int(str(rows)) for rows in poured) == ROWS
    alias, reader = walk.store.alias(walk.alias), Reader(walk.application.web)
    assert alias.shadow is not None
    assert differences(reader, alias.live.name, alias.shadow.name) == []
    for side in (alias.live, alias.shadow):
        assert len(reader.objects(side.name)) == ROWS
        assert strange_vectors(reader, side.name, encoder(str(side.encoder)), side.width) == []
    assert walk.store.ledger.doubts(walk.alias) == []
    assert migration.phase is Phase.LIVE


def test_who_is_killed_holds_nothing_back(walk: Walk, operators: tuple[Gallows, Gallows]) -> None:
    """The lock of an operator who is killed in the middle is free at once: the next one goes on."""
    first, second = operators
    reach(walk, "fill")
    assert first.make(walk, "fill", die_at=DEEP["fill"]).signal == signal.SIGKILL
    end = second.make(walk, "fill")
    assert (end.signal, end.said) == (0, "")
    assert said(walk).count("fill") == 1
