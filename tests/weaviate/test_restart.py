"""The server is killed and started again, in the middle of a fill and of a switch: the same word goes on to the same end.

The operator's process stands still while that happens, at a step of its own choosing; then it goes on, with connections that are
gone, and either gets over it or says that the server failed. Typed once more, the word leads to the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from transvase.core.fence import Fenced
from transvase.core.ports import Encoder
from transvase.core.space import Role
from transvase.migrations.sync import Worker
from weaviate_gallows import MOVES, Gallows
from weaviate_independent import Reader, differences, strange_vectors
from weaviate_objects import uid
from weaviate_outage import Outages, gone_on
from weaviate_server import Node
from weaviate_walk import Walk, encoder, text_of, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long, pytest.mark.story]

ROWS: Final = 30
DOWN_S: Final = 1.5
"""How long the server stays away after the operator's process goes on."""


@pytest.fixture
def walk(server: Node, tmp_path: Path) -> Iterator[Walk]:
    with walked(server, tmp_path, rows=ROWS) as made:
        made.adopted()
        made.opened()
        yield made


@pytest.fixture(scope="module")
def operator() -> Iterator[Gallows]:
    with Gallows() as made:
        yield made


def assert_whole(walk: Walk, texts: dict[int, str]) -> None:
    """Both sides hold these texts with the right vectors, and nothing is owed or in doubt."""
    assert Worker(walk.store, walk.alias, encoder).pay_up(deadline_s=30) == 0
    alias, reader = walk.store.alias(walk.alias), Reader(walk.application.web)
    assert alias.shadow is not None
    assert differences(reader, alias.live.name, alias.shadow.name) == []
    wanted = {uid(number): text for number, text in texts.items()}
    assert {uuid: one["properties"]["body"] for uuid, one in reader.objects(alias.live.name).items()} == wanted
    for side in (alias.live, alias.shadow):
        assert strange_vectors(reader, side.name, encoder(str(side.encoder)), side.width) == []
    assert (walk.store.outbox(walk.alias).owed(), walk.store.ledger.doubts(walk.alias)) == (0, [])


def sunk(walk: Walk, name: str) -> None:
    """Let the server write down what it holds back of the application's own writes: what it loses of those is not our concern."""
    body = {"match": {"class": name, "where": {"path": ["id"], "operator": "Equal", "valueText": str(uid(9_999))}}}
    assert walk.application.web.request("DELETE", "/v1/batch/objects", json=body).is_success


def found(walk: Walk, name: str, encoder: Encoder, *, width: int) -> int:
    """How many objects of the collection a search of the application's own finds."""
    vector = Fenced(encoder, width).encode([text_of(3)], Role.QUERY).matrix[0].tolist()
    query = f"{{ Get {{ {name}(limit: 1000, nearVector: {{vector: {vector}}}) {{ body }} }} }}"
    return len(walk.application.web.post("/v1/graphql", json={"query": query}).json()["data"]["Get"][name])


@pytest.mark.parametrize(("at", "down_s"), [(60, 0.0), (200, DOWN_S), (330, 0.0), (500, DOWN_S)])
def test_a_fill_goes_on_when_the_server_was_killed_in_its_middle(
    server: Node, operator: Gallows, walk: Walk, at: int, down_s: float
) -> None:
    """And its proof, which compares both sides once more, finds what was written past everybody when the server was back."""
    sunk(walk, walk.table)
    outages = Outages(server, operator)
    outages.cut(outages.halt(walk, "fill", at=at), down_s=down_s)
    walk.write(3, "edited after the restart")
    gone_on(operator, walk, "fill")
    MOVES["prove"](walk)
    assert_whole(walk, {**{i: text_of(i) for i in range(ROWS)}, 3: "edited after the restart"})


@pytest.mark.parametrize("schema", [{}, {"shardingConfig": {"desiredCount": 3}}], ids=["one shard", "three shards"])
def test_what_was_filled_is_found_after_a_power_cut(server: Node, tmp_path: Path, schema: dict[str, Any]) -> None:
    """The server holds back the log of its vector index until the next write: objects would be there, and no search find them."""
    with walked(server, tmp_path, rows=ROWS, **schema) as walk:
        walk.adopted()
        walk.opened()
        walk.filled()
        shadow = walk.store.alias(walk.alias).shadow
        assert shadow is not None
        server.kill()
        server.start()
        server.wait()
        assert found(walk, shadow.name, encoder("new"), width=shadow.width) == ROWS


def test_a_switch_goes_on_when_the_server_was_killed_in_its_middle(server: Node, operator: Gallows, walk: Walk) -> None:
    """Early, while both sides are compared; just before and after the alias moves; late. There and back in turn."""
    sunk(walk, walk.table)
    MOVES["fill"](walk)
    MOVES["prove"](walk)
    texts = {i: text_of(i) for i in range(ROWS)}
    outages, steps = Outages(server, operator), {move: operator.make(walk, move).steps for move in ("cutover", "rollback")}
    for share, down_s, move in (
        (0.2, 0.0, "cutover"),
        (0.7, DOWN_S, "rollback"),
        (0.8, DOWN_S, "cutover"),
        (0.95, 0.0, "rollback"),
    ):
        if move == "cutover":
            MOVES["prove"](walk)
        generation = walk.store.alias(walk.alias).generation
        outages.cut(outages.halt(walk, move, at=int(steps[move] * share)), down_s=down_s)
        gone_on(operator, walk, move)
        now = walk.store.alias(walk.alias)
        assert now.generation == generation + 1
        assert walk.named() == now.live.name
        assert (now.live.name == walk.table) == (move == "rollback")
        assert_whole(walk, texts)
        for side in (now.live, now.shadow):
            assert side is not None
            assert found(walk, side.name, encoder(str(side.encoder)), width=side.width) == ROWS
