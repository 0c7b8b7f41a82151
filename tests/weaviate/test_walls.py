"""After the cutover a stranger who still speaks the old space through the alias is refused by the server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from transvase.core.space import Role
from weaviate_objects import OLD, uid
from weaviate_server import Node
from weaviate_walk import Walk, text_of, walked

pytestmark = pytest.mark.weaviate

ROWS = 40


@pytest.fixture(params=[1, 3], ids=["one shard", "three shards"])
def walk(server: Node, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Walk]:
    sharding = {"shardingConfig": {"desiredCount": request.param}} if request.param > 1 else {}
    with walked(server, tmp_path, rows=ROWS, **sharding) as made:
        made.ready()
        made.cut_over()
        yield made


def old_vector(number: int) -> list[float]:
    vector: list[float] = OLD.encode([text_of(number)], Role.QUERY).matrix[0].tolist()
    return vector


def test_an_old_query_through_the_alias_is_refused_and_finds_nothing(walk: Walk) -> None:
    client = walk_client(walk)
    try:
        from weaviate.exceptions import WeaviateQueryError

        with pytest.raises(WeaviateQueryError, match=r"vector lengths don't match|dimension"):
            client.collections.get(walk.server_alias).query.near_vector(old_vector(3), limit=3)
    finally:
        client.close()


def test_an_old_batch_through_the_alias_is_refused_and_changes_nothing(walk: Walk) -> None:
    before = sorted(str(one["id"]) for one in walk.application.all(walk.server_alias))
    client = walk_client(walk)
    try:
        with client.batch.fixed_size(20) as batch:
            for number in range(ROWS - 5, ROWS + 5):
                batch.add_object(
                    walk.server_alias, {"body": f"a stranger's {number}"}, uuid=uid(number), vector=old_vector(number)
                )
        failed = client.batch.failed_objects
    finally:
        client.close()
    assert len(failed) == 10
    assert all("length" in one.message or "dimension" in one.message for one in failed)
    now = walk.application.all(walk.server_alias)
    assert sorted(str(one["id"]) for one in now) == before
    assert not [one for one in now if "stranger" in str(one["properties"]["body"])]


def test_an_old_insert_of_one_object_is_refused_too(walk: Walk) -> None:
    body = {"class": walk.server_alias, "id": str(uid(999)), "properties": {"body": "one more"}, "vector": old_vector(1)}
    assert walk.application.web.post("/v1/objects", json=body).status_code == 500
    assert walk.application.one(walk.server_alias, uid(999)) is None


def walk_client(walk: Walk):  # type: ignore[no-untyped-def]
    import weaviate

    port = int(str(walk.application.web.base_url).rsplit(":", maxsplit=1)[-1].strip("/"))
    return weaviate.connect_to_local("127.0.0.1", port=port, grpc_port=port + 1)
