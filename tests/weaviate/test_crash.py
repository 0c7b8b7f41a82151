"""kill -9 at many points of a whole walk; the operator types the same word again, and the end is that of a walk never killed.

Each walk makes every move once in a process that is killed and once more in one that is not. Between the two the application
writes: through a Mirror, and past it where the next move looks for that. What must be there is known from what was written.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pytest
from weaviate_gallows import Gallows
from weaviate_independent import differences, strange_vectors
from weaviate_journey import UNSEEN, Journey
from weaviate_objects import uid
from weaviate_server import Node
from weaviate_walk import encoder, text_of, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long, pytest.mark.story]

MOVES: Final = ("adopt", "open", "fill", "prove", "cutover", "rollback", "prove", "cutover", "retire")
WALKS: Final = 6
ROWS: Final = 30


def test_the_points_are_forty_at_least() -> None:
    assert WALKS * len(MOVES) >= 40


@dataclass(kw_only=True)
class Papers(Journey):
    """A plain collection, and what must be there because of what was written."""

    texts: dict[int, str] = field(default_factory=lambda: {i: text_of(i) for i in range(ROWS)})

    def write(self, at: int) -> None:
        """What the application does before the move with this number is made (again)."""
        news = {at: f"edited before move {at}", 1_000 + at: f"new before move {at}"}
        if not self.adopted():
            for number, text in news.items():
                self.walk.write(number, text, to=self.walk.table)
            self.walk.application.delete(self.walk.table, uid(ROWS - 1 - at))
        else:
            self.mirror.update(uid(at), {"body": news[at]})
            self.mirror.insert({"body": news[1_000 + at], "team": "red"}, uuid=uid(1_000 + at))
            self.mirror.delete(uid(ROWS - 1 - at))
        self.texts.update(news)
        del self.texts[ROWS - 1 - at]
        if self.moves[at] in UNSEEN:
            live = self.walk.store.alias(self.walk.alias).live
            text = self.texts[2_000 + at] = f"past the Mirror before move {at}"
            self.walk.write(2_000 + at, text, to=live.name, by=live.encoder or "")

    def whole(self, at: int) -> None:
        """Nothing is owed or in doubt; both sides hold exactly what was written, each with its encoder's vectors."""
        reader, sides = self.reader, self.sides(at)
        wanted = {uid(number): text for number, text in self.texts.items()}
        for side in sides:
            assert side.encoder is not None
            assert strange_vectors(reader, side.name, encoder(side.encoder), side.width) == []
        held = {uuid: one["properties"]["body"] for uuid, one in reader.objects(sides[0].name).items()}
        assert held == wanted
        if len(sides) == 2:
            late = f"{uid(2_000 + at)}"
            assert [one for one in differences(reader, *(side.name for side in sides)) if late not in one] == []


@contextmanager
def journeying(server: Node, folder: Path, gallows: Gallows) -> Iterator[Papers]:
    with walked(server, folder, rows=ROWS) as walk:
        made = Papers(walk=walk, gallows=gallows, moves=MOVES)
        try:
            yield made
        finally:
            made.close()


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
