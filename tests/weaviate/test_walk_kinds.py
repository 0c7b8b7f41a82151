"""Collections of every kind all the way: adopted, opened, filled, proven, switched there, back and there again, and ended.

An application writes between all of these moves, by Mirror and past it, in every way that it has. After each move an independent
reader compares both sides object by object, property, reference and vector, and holds them beside what was laid and written.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transvase.adapters.weaviate.mirror import Mirror
from transvase.migrations.sync import Worker
from weaviate_kinds import KINDS
from weaviate_life import Life
from weaviate_objects import Json
from weaviate_server import Node, needed, node, place, running
from weaviate_walk import ENCODERS, encoder, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long, pytest.mark.story, pytest.mark.timeout(300)]

INDEXED_S = 30.0


@pytest.fixture(scope="module")
def late_server() -> Iterator[Node]:
    """It indexes vectors later than it writes them, without which it takes no dynamic index."""
    program = needed()
    with place() as folder:
        made = node(program, folder=folder)
        made.env["ASYNC_INDEXING"] = "true"
        with running([made]):
            yield made


@pytest.fixture(params=KINDS)
def life(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Life]:
    kind = KINDS[request.param]
    with walked(request.getfixturevalue("late_server" if kind.waits else "server"), tmp_path, rows=0, **kind.settings) as walk:
        walk.vector = kind.moving
        made = Life(walk, kind)
        made.lay()
        yield made


def test_a_collection_of_any_kind_walks_all_the_way_while_it_is_written(life: Life) -> None:
    walk = life.walk
    found = walk.adopted()
    assert (found.census.records, found.declaration.width) == (len(life.laid) - len(life.kind.tenants), 16)
    with Mirror.connect(walk.url, walk.alias, encoders=ENCODERS) as mirror:
        for move in ("opened", "filled", "proven", "cut_over", "rolled_back", "proven", "cut_over"):
            life.live(mirror)
            indexed(life)
            getattr(walk, move)()
            compared(life)
        assert walk.named() != walk.table
        life.live(mirror, strangers=False)
        live = compared(life)
        before = life.everything(live)
        walk.retired(take_name=True, quiet_s=0.0)
        assert life.everything(walk.table, site=live) == life.everything(live) == before
        life.live(mirror, strangers=False)
        life.assert_held(walk.store.alias(walk.alias).live)
        assert walk.store.outbox(walk.alias).owed() == 0


def compared(life: Life) -> str:
    """Nothing is owed, and both sides are alike in all that they hold and how they are set; the live one's name."""
    walk = life.walk
    alias = walk.store.alias(walk.alias)
    sides = [alias.live] if alias.shadow is None else [alias.live, alias.shadow]
    if (phase := walk.store.journal.load(walk.alias)) is not None and phase.phase != "shadowing":
        assert Worker(walk.store, walk.alias, encoder).pay_up(deadline_s=30) == 0
        life.assert_held(*sides)
    assert [life.reader.tenants(side.site) for side in sides] == [life.reader.tenants(alias.live.site)] * len(sides)
    assert [settings(life, side.site) for side in sides] == [settings(life, alias.live.site)] * len(sides)
    return alias.live.site


def settings(life: Life, name: str) -> Json:
    """A collection's settings as the server tells them, but for its own name, and what a quantiser has learnt."""
    told: Json = life.walk.application.web.get(f"/v1/schema/{name}").json()
    assert told.pop("class") == name
    for prop in told["properties"]:
        prop["dataType"] = ["ITSELF" if kind == name else kind for kind in prop["dataType"]]
    for holder in (told, *told.get("vectorConfig", {}).values()):
        for quantiser in ("pq", "sq"):
            inner = (holder.get("vectorIndexConfig") or {}).get(quantiser, {})
            for learnt in ("segments", "centroids", "trainingLimit"):
                inner.pop(learnt, None)
    return told


def indexed(life: Life) -> None:
    """Wait until every vector is in its index, where the server puts it there in its own time."""
    end = time.monotonic() + INDEXED_S
    while life.kind.waits and any(_queued(life)):
        assert time.monotonic() < end, "vectors were not indexed"
        time.sleep(0.2)


def _queued(life: Life) -> Iterator[int]:
    told: Any = life.walk.application.web.get("/v1/nodes", params={"output": "verbose"}).json()
    for shard in (shard for one in told["nodes"] for shard in one.get("shards") or ()):
        yield int(shard.get("vectorQueueLength") or 0)
