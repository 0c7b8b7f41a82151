"""A server that is killed after a batch has the objects and not their places in its vector index: found, and mended.

Nothing else would tell: the objects are there with their vectors, and no search by a vector meets them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from transvase.adapters.weaviate.mirror import Mirror
from transvase.core.fence import Fenced
from transvase.core.ports import Declaration
from transvase.core.space import Role
from weaviate.classes.data import DataObject
from weaviate_objects import uid
from weaviate_server import Node
from weaviate_walk import ENCODERS, Walk, encoder, text_of, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long, pytest.mark.story, pytest.mark.timeout(300)]

ROWS, LOST = 60, 50
KINDS: dict[str, dict[str, Any]] = {
    "one shard": {},
    "three shards": {"shardingConfig": {"desiredCount": 3}},
    "quantised": {"vectorIndexConfig": {"rq": {"enabled": True, "bits": 8}}},
    "tenants": {"multiTenancyConfig": {"enabled": True}},
}


@pytest.fixture(params=KINDS)
def walk(request: pytest.FixtureRequest, server: Node, tmp_path: Path) -> Iterator[Walk]:
    with walked(server, tmp_path, rows=0, **KINDS[request.param]) as made:
        if made.application.web.get(f"/v1/schema/{made.table}").json()["multiTenancyConfig"]["enabled"]:
            made.application.tenants(made.table, ada="ACTIVE")
        batch(made, made.table, "old", 16, range(ROWS))
        yield made


def tenant(walk: Walk) -> str:
    told = walk.application.web.get(f"/v1/schema/{walk.table}").json()
    return "ada" if told["multiTenancyConfig"]["enabled"] else ""


def batch(walk: Walk, site: str, by: str, width: int, numbers: Sequence[int]) -> None:
    """The application writes so many objects at once, past everybody."""
    vectors = Fenced(encoder(by), width).encode([text_of(n) for n in numbers], Role.DOCUMENT).matrix.tolist()
    within = {"tenant": "ada"} if tenant(walk) else {}
    objects = ({"id": str(uid(n)), "properties": {"body": text_of(n), "team": "red"}, **within} for n in numbers)
    walk.application.put(site, *({**one, "vector": vector} for one, vector in zip(objects, vectors, strict=True)))


def lost(walk: Walk, side: Declaration) -> int:
    """How many objects a search does not find that asks for all of them."""
    vector = Fenced(encoder(str(side.encoder)), side.width).encode([text_of(1)], Role.QUERY).matrix[0].tolist()
    within = 'tenant: "ada", ' if tenant(walk) else ""
    query = f"{{ Get {{ {side.site}({within}limit: 1000, nearVector: {{vector: {vector}}}) {{ body }} }} }}"
    answer = walk.application.web.post("/v1/graphql", json={"query": query}).json()
    return len(walk.application.all(side.site, tenant=tenant(walk))) - len(answer["data"]["Get"][side.site])


def cut(server: Node) -> None:
    server.kill()
    server.start()
    server.wait()


def test_what_a_power_cut_took_from_the_vector_index_of_either_side_is_mended_by_the_next_move(walk: Walk, server: Node) -> None:
    walk.adopted()
    walk.opened()
    walk.filled()
    alias = walk.store.alias(walk.alias)
    assert alias.shadow is not None
    old, new = alias.live, alias.shadow
    written = range(ROWS, ROWS + LOST)
    batch(walk, new.site, "new", new.width, written)
    batch(walk, old.site, "old", old.width, written)
    cut(server)
    assert lost(walk, new) > 0, "without that there is nothing to be mended"
    walk.proven()
    assert lost(walk, new) == 0
    assert walk.store.outbox(walk.alias).owed() == 0
    batch(
        walk, old.site, "old", old.width, range(1_000, 1_000 + LOST)
    )  # the later side of the two, and nobody looks at it before
    cut(server)
    walk.cut_over()
    assert lost(walk, new) == 0
    assert lost(walk, old) > 0, "without that there is nothing to be mended"
    walk.rolled_back()
    assert lost(walk, old) == lost(walk, new) == 0


def test_what_was_written_through_mirror_at_once_is_found_after_a_power_cut(walk: Walk, server: Node) -> None:
    walk.adopted()
    walk.opened()
    walk.filled()
    alias = walk.store.alias(walk.alias)
    assert alias.shadow is not None
    with Mirror.connect(walk.url, walk.alias, encoders=ENCODERS) as mirror:
        writer = mirror.with_tenant("ada") if tenant(walk) else mirror
        objects = [DataObject({"body": text_of(n), "team": "red"}, uuid=uid(n)) for n in range(ROWS, ROWS + LOST)]
        assert not writer.insert_many(objects).has_errors
    cut(server)
    assert (lost(walk, alias.live), lost(walk, alias.shadow)) == (0, 0)


def test_what_is_written_or_deleted_just_now_is_not_taken_for_lost(
    server: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise no walk would come to an end as long as anybody writes, through a Mirror too."""
    from transvase.adapters.weaviate.comparing import graph, unfound

    with walked(server, tmp_path, rows=20) as walk:
        walk.adopted()
        walk.opened()
        walk.filled()
        alias, looks = walk.store.alias(walk.alias), list[Sequence[Any]]()
        shadow = alias.shadow
        assert shadow is not None
        gone, busy, _, lost = keys = [(uid(n),) for n in range(4)]

        def looked(_setting: Any, _site: str, some: Sequence[Any], **_options: Any) -> Iterator[Any]:
            looks.append(some)
            if len(looks) == 1:
                walk.application.delete(shadow.name, gone[0])
                walk.store.ledger.intend(walk.alias, [busy], first=alias.live.site, by="somebody")
            else:
                walk.write(2, text_of(2), to=shadow.name, by="new")
            return iter([key for key in keys if key in some])

        monkeypatch.setattr(graph, "unfound", looked)
        monkeypatch.setattr(unfound, "unfound", looked)
        assert graph.Graph(walk.store.setting(walk.alias), shadow).owe(dict.fromkeys(keys, 1), begun=0) == 1
        assert [debt.key for debt in walk.store.outbox(walk.alias).read(limit=10)] == [lost]


def test_what_is_found_is_not_looked_for_twice(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    from transvase.adapters.weaviate.comparing import graph

    walk.adopted()
    walk.opened()
    looked: list[int] = []
    original = graph.unfound

    def counting(*args: Any, **options: Any) -> Any:
        looked.append(len(args[2]))
        return original(*args, **options)

    monkeypatch.setattr(graph, "unfound", counting)
    walk.filled()
    assert looked[:1] == [ROWS]
    monkeypatch.setattr("transvase.adapters.weaviate.ports.index.OVERLAP_MS", 0)
    looked.clear()
    walk.proven()
    assert sum(looked) == 0
