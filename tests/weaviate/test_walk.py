"""One collection all the way: adopted, opened, filled, proven, switched, switched back and again, and its old side ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from weaviate_objects import told
from weaviate_server import Node
from weaviate_walk import Walk, walked

pytestmark = pytest.mark.weaviate


@pytest.fixture
def walk(server: Node, tmp_path: Path) -> Iterator[Walk]:
    with walked(server, tmp_path) as made:
        yield made


def alike(walk: Walk, one: str, other: str) -> bool:
    """Both collections hold the same objects, their moving vectors apart."""
    sides = [told([{**o, "vector": None} for o in walk.application.all(name)], name=name) for name in (one, other)]
    return sides[0] == sides[1]


def test_a_collection_walks_forward_back_and_forward_again_and_its_old_side_ends(walk: Walk) -> None:
    found = walk.adopted()
    assert (found.census.records, found.declaration.name, found.declaration.width) == (300, walk.table, 16)
    assert walk.named() == walk.table
    walk.opened()
    walk.filled()
    target = walk.store.alias(walk.alias).shadow
    assert target is not None
    assert alike(walk, walk.table, target.name)
    walk.proven()
    cut = walk.cut_over()
    assert (cut.migration.phase, walk.named()) == ("live", target.name)
    back = walk.rolled_back()
    assert (back.migration.phase, walk.named()) == ("filled", walk.table)
    walk.proven()
    walk.cut_over()
    assert walk.store.alias(walk.alias).live == target
    ended = walk.retired(drop=True)
    assert ended.migration.phase == "retired"
    assert walk.application.web.get(f"/v1/schema/{walk.table}").status_code == 404
    assert walk.named() == target.name
    assert len(walk.application.all(walk.server_alias)) == 300
    assert (walk.store.alias(walk.alias).shadow, walk.store.captures(walk.alias)) == (None, True)
