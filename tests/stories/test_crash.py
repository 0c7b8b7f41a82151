"""kill -9 at many points of every move; the operator types the same words again, and the end is that of a run never killed."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Final

import numpy as np
import psycopg
import pytest
import scenery
from crashing import GROUND, LEADS_TO, MOVES, ROWS, Gallows, small
from psycopg import sql
from scenery import Connection
from transvase.core.connect import connect
from transvase.core.errors import IllegalMove, NotReady
from transvase.core.ports import Store

FORTH_AND_BACK: Final = ("adopt", "open", "fill", "prove", "cutover", "rollback", "prove", "cutover", "retire")
QUERIES_ALONE: Final = ("open queries", "fill", "prove", "cutover", "rollback", "prove", "cutover", "retire")
CHAINS: Final = {
    "forth and back": ((), FORTH_AND_BACK),
    "on from there": (FORTH_AND_BACK, ("open on", "fill", "prove", "cutover", "retire")),
    "given up when opened": (("adopt", "open"), ("abort",)),
    "given up when proven": (("adopt", "open", "fill", "prove"), ("abort",)),
    "in one command": (("adopt",), ("migrate", "retire")),
    "queries alone": (("adopt",), QUERIES_ALONE),
    "on from queries alone": (("adopt", *QUERIES_ALONE), ("open on", "fill", "prove", "cutover", "retire")),
    "queries alone given up": (("adopt", "open queries", "fill", "prove"), ("abort",)),
    "derived": (("adopt",), ("open derived", "derive", "prove", "cutover", "retire")),
}
"""Moves that are made first, and the moves that are killed and made again."""

POINTS: Final = {
    "forth and back": (3, 8, 9, 4, 6, 5, 3, 4, 6),
    "on from there": (5, 5, 2, 4, 5),
    "given up when opened": (3,),
    "given up when proven": (5,),
    "in one command": (5, 0),
    "queries alone": (4, 3, 2, 4, 3, 0, 0, 4),
    "on from queries alone": (3, 2, 0, 3, 4),
    "queries alone given up": (3,),
    "derived": (1, 8, 0, 3, 2),
}
"""In how many places each of these moves is killed; spread evenly over its exchanges with the database."""

KILLS: Final = [
    pytest.param((chain, at, i, of), id=f"{chain}: {CHAINS[chain][1][at]} ({at}) {i + 1} of {of}")
    for chain, points in POINTS.items()
    for at, of in enumerate(points)
    for i in range(of)
]

_numbers = count(1)


def test_the_points_are_enough_and_in_every_move() -> None:
    """At least sixty, and some in each move that an operator can make."""
    assert len(KILLS) >= 60
    assert {CHAINS[param.values[0][0]][1][param.values[0][1]] for param in KILLS} == set(MOVES)


@dataclass
class Chain:
    """The databases as each move found them, the exchanges of each move, and the end to which all roads must lead."""

    moves: tuple[str, ...]
    before: list[str] = field(default_factory=list)
    exchanges: list[int] = field(default_factory=list)
    end: dict[str, Any] = field(default_factory=dict)


class Ward:
    """The databases of this file, and the runs that are never killed."""

    def __init__(self, server: str, gallows: Gallows) -> None:
        self.server, self.gallows = server, gallows
        self.admin: Connection = psycopg.connect(server, autocommit=True)
        self.chains: dict[str, Chain] = {}
        self.databases: list[str] = []

    def url(self, name: str) -> str:
        head, _, query = self.server.partition("?")
        return f"{head.rpartition('/')[0]}/{name}?{query}"

    def copy(self, of: str) -> str:
        """A new database that is a copy of another one."""
        name = f"crash_{next(_numbers)}"
        query = sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY file_copy")
        self.admin.execute(query.format(sql.Identifier(name), sql.Identifier(of)))
        self.databases.append(name)
        return name

    def drop(self, name: str) -> None:
        self.admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(name)))

    def chain(self, name: str) -> Chain:
        """Run the chain once without killing anything, keeping a copy before each of its moves."""
        if name not in self.chains:
            first, moves = CHAINS[name]
            made = Chain(moves)
            self.chains[name] = made
            at = self.begun(first)
            for move in moves:
                made.before.append(self.copy(at))
                made.exchanges.append(self.made(at, move))
            with opened(self.url(at)) as (store, session):
                write(session)
                scenery.paid(store, GROUND.alias)
                made.end = state(session)
        return self.chains[name]

    def begun(self, first: tuple[str, ...]) -> str:
        """A database in which these moves have been made."""
        at = self.copy("transvase_template")
        with psycopg.connect(self.url(at), autocommit=True) as session:
            scenery.lay(session, GROUND, rows=ROWS)
        for move in first:
            self.made(at, move)
        return at

    def made(self, database: str, move: str) -> int:
        end = self.gallows.make(self.url(database), move)
        assert (end.signal, end.said) == (0, ""), f"{move}: {end.said}"
        return end.steps


@contextmanager
def opened(url: str) -> Iterator[tuple[Store, Connection]]:
    store = connect(url)
    try:
        with psycopg.connect(url, autocommit=True) as session:
            yield store, session
    finally:
        store.close()


@pytest.fixture(scope="module")
def ward(server: str) -> Iterator[Ward]:
    with Gallows() as gallows:
        made = Ward(server, gallows)
        yield made
        for name in made.databases:
            made.drop(name)
        made.admin.close()


@pytest.mark.story
@pytest.mark.parametrize("kill", KILLS)
def test_a_killed_run_is_resumed_to_the_same_end(
    ward: Ward, monkeypatch: pytest.MonkeyPatch, kill: tuple[str, int, int, int]
) -> None:
    """Same keys, digests and vectors, same live side, same journal, and nothing left over; writers went on meanwhile."""
    chain, at, i, of = kill
    reference = ward.chain(chain)
    small(monkeypatch.setattr)
    database = ward.copy(reference.before[at])
    point = 1 + (2 * i + 1) * reference.exchanges[at] // (2 * of)
    end = ward.gallows.make(ward.url(database), reference.moves[at], die_at=point)
    assert end.signal == signal.SIGKILL, end.said

    with opened(ward.url(database)) as (store, session):
        write(session)
        again(store, reference.moves[at])
        for move in reference.moves[at + 1 :]:
            whole(store, session)
            MOVES[move](store)
        whole(store, session)
        same(state(session), reference.end)
    ward.drop(database)


def same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """The same end. A product of matrices may differ in its last bits by how many rows were multiplied together."""
    assert {**found, "held": found["held"].keys()} == {**expected, "held": expected["held"].keys()}
    for key, (digest, vector) in found["held"].items():
        assert digest == expected["held"][key][0]
        assert np.allclose(vector, expected["held"][key][1], atol=1e-6)


def again(store: Store, move: str) -> None:
    """Type the same word again; a refusal is right only where the move had been made already."""
    try:
        MOVES[move](store)
    except (IllegalMove, NotReady):
        migration = store.journal.load(GROUND.alias)
        assert migration is not None
        assert migration.phase is LEADS_TO[move]


def whole(store: Store, session: Connection) -> None:
    """Whatever a killed run has left: once what is owed is paid, a filled side is whole, and so is the live one."""
    migration = store.journal.load(GROUND.alias)
    if migration is None or migration.phase in ("planned", "shadowing", "aborted"):
        return
    assert scenery.paid(store, GROUND.alias) == 0
    assert scenery.faults(session, GROUND) == []


def write(session: Connection) -> None:
    """What the application does between a crash and the resumption: it brings old vectors where its column still is."""
    query = "SELECT count(*) FROM pg_attribute WHERE attrelid = 'docs'::regclass AND attname = 'embedding' AND NOT attisdropped"
    by = "old" if session.execute(query).fetchone() == (1,) else None
    news = {GROUND.key_of(10_000 + i): scenery.text_of(10_000 + i) for i in range(3)}
    edits = {GROUND.key_of(i): f"edited after the crash: {i}" for i in (0, 55, 120, ROWS - 1)}
    scenery.put(session, GROUND, {**news, **edits}, by=by)
    scenery.take(session, GROUND, [GROUND.key_of(i) for i in (3, 77, ROWS - 2)])
    scenery.rekey(session, GROUND, GROUND.key_of(90), GROUND.key_of(20_000))


def state(session: Connection) -> dict[str, Any]:
    """Everything that must not depend on whether a run was killed."""
    live, shadow = scenery.sides(session, GROUND.alias)
    held = scenery.held_by(session, GROUND, live)
    return {
        "sides": (live, shadow),
        "journal": _rows(session, "SELECT attempt, phase, facts->>'source', facts->>'target' FROM transvase_control.migration"),
        "indexes": _rows(session, "SELECT name, encoder, width, metric, form, adopted, shares FROM transvase_control.index"),
        "places": _rows(session, "SELECT index, finished FROM transvase_control.place"),
        "texts": scenery.texts(session, GROUND),
        "held": {key: (digest, vector) for key, (digest, vector) in held.items()},
        "relations": _rows(session, _RELATIONS),
        "columns": _rows(session, "SELECT attname FROM pg_attribute WHERE attrelid = 'docs'::regclass AND attnum > 0"),
        "triggers": _rows(session, "SELECT tgname, tgenabled, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal"),
        "functions": _rows(session, "SELECT proname, prosrc FROM pg_proc WHERE pronamespace = 'transvase_control'::regnamespace"),
        "view": _rows(session, "SELECT definition FROM pg_views WHERE schemaname = 'transvase'"),
        "owed": _owed(session),
    }


_RELATIONS: Final = """
    SELECT n.nspname, c.relname, c.relkind, coalesce(i.indisvalid, true), coalesce(i.indisready, true), c.reloptions
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_index i ON i.indexrelid = c.oid
    WHERE n.nspname IN ('public', 'transvase', 'transvase_control')"""


def _rows(session: Connection, query: Any) -> list[tuple[Any, ...]]:
    return sorted(session.execute(query).fetchall(), key=str)


def _owed(session: Connection) -> int:
    names = [row[1] for row in _rows(session, _RELATIONS) if row[1].startswith("outbox_") and row[2] == "r"]
    query = sql.SQL("SELECT count(*) FROM {}")
    return sum(_rows(session, query.format(sql.Identifier("transvase_control", name)))[0][0] for name in names)
