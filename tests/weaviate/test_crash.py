"""kill -9 at many points of a whole walk; the operator types the same word again, and the end is that of a walk never killed.

Each walk makes every move once in a process that is killed and once more in one that is not. Between the two the application
writes: through a Mirror, and past it where the next move looks for that. What must be there is known from what was written.
"""

from __future__ import annotations

import json
import signal
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from transvase.adapters.weaviate.mirror import Mirror
from transvase.core.errors import UnknownName
from transvase.migrations.sync import Worker
from weaviate_gallows import LEADS_TO, Gallows
from weaviate_independent import Reader, differences, strange_vectors
from weaviate_objects import uid
from weaviate_server import Node
from weaviate_walk import ENCODERS, Walk, encoder, text_of, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.story]

MOVES: Final = ("adopt", "open", "fill", "prove", "cutover", "rollback", "prove", "cutover", "retire")
WALKS: Final = 6
ROWS: Final = 30
UNSEEN: Final = frozenset({"fill", "prove", "cutover", "rollback"})
"""Moves that compare both sides before they do anything: what was written past the Mirror is found by them."""


def test_the_points_are_forty_at_least() -> None:
    assert WALKS * len(MOVES) >= 40


@dataclass
class Journey:
    """A walk, the application that writes on the way, and what must be there because of it."""

    walk: Walk
    gallows: Gallows
    texts: dict[int, str] = field(default_factory=lambda: {i: text_of(i) for i in range(ROWS)})
    steps: list[int] = field(default_factory=list)
    moves: tuple[str, ...] = MOVES
    mirror: Mirror | None = None

    def write(self, at: int) -> None:
        """What the application does before the move with this number is made (again)."""
        news = {at: f"edited before move {at}", 1_000 + at: f"new before move {at}"}
        if not self._adopted():
            for number, text in news.items():
                self.walk.write(number, text, to=self.walk.table)
            self.walk.application.delete(self.walk.table, uid(ROWS - 1 - at))
        else:
            mirror = self._mirror()
            mirror.update(uid(at), {"body": news[at]})
            mirror.insert({"body": news[1_000 + at], "team": "red"}, uuid=uid(1_000 + at))
            mirror.delete(uid(ROWS - 1 - at))
        self.texts.update(news)
        del self.texts[ROWS - 1 - at]
        if self.moves[at] in UNSEEN:
            live = self.walk.store.alias(self.walk.alias).live
            text = self.texts[2_000 + at] = f"past the Mirror before move {at}"
            self.walk.write(2_000 + at, text, to=live.name, by=live.encoder or "")

    def again(self, at: int) -> None:
        """The same word once more; a refusal is right only where the move had been made already."""
        end = self.gallows.make(self.walk, self.moves[at])
        assert end.signal == 0
        if end.said:
            assert end.said.startswith(("IllegalMove", "NotReady")), end.said
            migration = self.walk.store.journal.load(self.walk.alias)
            assert migration is not None
            assert migration.phase is LEADS_TO[self.moves[at]], end.said
        self.steps.append(end.steps)

    def whole(self, at: int) -> None:
        """Nothing is owed or in doubt; both sides hold exactly what was written, each with its encoder's vectors."""
        walk, reader = self.walk, Reader(self.walk.application.web)
        seen = walk.store.alias(walk.alias)
        assert Worker(walk.store, walk.alias, encoder).pay_up(deadline_s=30) == 0
        assert (walk.store.outbox(walk.alias).owed(), walk.store.ledger.doubts(walk.alias)) == (0, [])
        assert walk.named() == seen.live.name
        wanted = {uid(number): text for number, text in self.texts.items()}
        sides = [seen.live] if seen.shadow is None or at < self.moves.index("fill") else [seen.live, seen.shadow]
        for side in sides:
            assert side.encoder is not None
            assert strange_vectors(reader, side.name, encoder(side.encoder), side.width) == []
        held = {uuid: one["properties"]["body"] for uuid, one in reader.objects(seen.live.name).items()}
        assert held == wanted
        if len(sides) == 2:
            late = f"{uid(2_000 + at)}"
            assert [one for one in differences(reader, *(side.name for side in sides)) if late not in one] == []

    def state(self) -> dict[str, Any]:
        """Everything that must not depend on whether a process was killed, without the names of this walk."""
        walk = self.walk
        web, alias = walk.application.web, walk.store.alias(walk.alias)
        with closing(sqlite3.connect(Path(walk.store.ledger.where))) as ledger:
            tables = {name: sorted(ledger.execute(query).fetchall()) for name, query in _TABLES.items()}
        found = {
            "sides": (alias.live.name, alias.shadow, alias.generation),
            "collections": sorted(one["class"] for one in web.get("/v1/schema").json()["classes"] if self._mine(one["class"])),
            "aliases": sorted(str(one) for one in web.get("/v1/aliases").json()["aliases"] if self._mine(one["class"])),
            "declared": [str(one) for one in walk.store.control.indexes(walk.alias)],
            "objects": {str(uuid): one["properties"] for uuid, one in Reader(web).objects(alias.live.name).items()},
            "ledger": tables,
        }
        words = json.dumps(found, default=str, sort_keys=True)
        names = {alias.live.name: "TARGET", walk.table: "TABLE", walk.server_alias: "ALIAS", walk.alias: "ALIAS"}
        for name in sorted(names, key=len, reverse=True):
            words = words.replace(name, names[name])
        plain: dict[str, Any] = json.loads(words)
        return plain

    def _mine(self, name: str) -> bool:
        return name.startswith((self.walk.table, self.walk.server_alias))

    def _adopted(self) -> bool:
        try:
            self.walk.store.alias(self.walk.alias)
        except UnknownName:
            return False
        return True

    def _mirror(self) -> Mirror:
        if self.mirror is None:
            self.mirror = Mirror(self.walk.store, self.walk.alias, encoders=ENCODERS)
        return self.mirror


_TABLES: Final = {
    "migrations": "SELECT attempt, phase FROM migrations",
    "owed": "SELECT tenant, uuid, only_site, first_site, writer FROM owed WHERE settled = 0",
    "captures": "SELECT alias, live, shadow, active FROM captures",
    "doubts": "SELECT why FROM doubts",
    "places": "SELECT site, finished FROM places",
    "marks": "SELECT alias, site FROM marks",
}
"""What of the ledger must be the same in the end."""


@contextmanager
def journeying(server: Node, folder: Path, gallows: Gallows) -> Iterator[Journey]:
    with walked(server, folder, rows=ROWS) as walk:
        made = Journey(walk, gallows)
        try:
            yield made
        finally:
            if made.mirror is not None:
                made.mirror.close()


@pytest.fixture(scope="module")
def gallows() -> Iterator[Gallows]:
    with Gallows() as made:
        yield made


@pytest.fixture(scope="module")
def reference(
    server: Node, gallows: Gallows, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[list[int], dict[str, Any]]]:
    """A walk that nobody kills: how many steps each move has, and where it ends."""
    with journeying(server, tmp_path_factory.mktemp("reference"), gallows) as journey:
        for at in range(len(MOVES)):
            journey.write(at)
            journey.again(at)
            journey.whole(at)
        assert all(steps >= WALKS for steps in journey.steps), journey.steps
        yield journey.steps, journey.state()


@pytest.mark.parametrize("number", range(WALKS))
def test_a_walk_that_is_killed_in_every_move_is_resumed_to_the_same_end(
    server: Node, gallows: Gallows, tmp_path: Path, reference: tuple[list[int], dict[str, Any]], number: int
) -> None:
    """The same objects and vectors, the same live side, the same journal, and nothing left over; writers went on meanwhile."""
    steps, end = reference
    with journeying(server, tmp_path, gallows) as journey:
        for at, move in enumerate(MOVES):
            point = 1 + (2 * number + 1) * steps[at] // (2 * WALKS)
            killed = gallows.make(journey.walk, move, die_at=point)
            assert killed.signal == signal.SIGKILL, f"{move} at {point}: {killed.said}"
            journey.write(at)
            journey.again(at)
            journey.whole(at)
        assert journey.state() == end
