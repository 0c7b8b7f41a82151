"""Two hundred tenants, awake, asleep and put away: a whole move takes every one of them along and leaves each as it was."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from costless import HashEncoder
from transvase.adapters.weaviate.collections.activity import Activity
from transvase.adapters.weaviate.collections.tenants import Tenants
from transvase.core.errors import StoreFailed
from transvase.core.space import Role
from transvase.migrations.plan import plan
from weaviate_doors import Shelf, shelving
from weaviate_gallows import small
from weaviate_independent import Json, Reader
from weaviate_objects import OLD, uid
from weaviate_server import Node, needed, node, place, running
from weaviate_walk import Walk, encoder, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long, pytest.mark.story]

TENANTS: Final = 200
EACH: Final = 2
"""Objects of one tenant; every tenth tenant has none."""
AWAY: Final = range(40, 43)
ASLEEP: Final = range(100, 115)
WAIT_S: Final = 90.0


def name_of(number: int) -> str:
    return f"t{number:03}"


def keys_of(number: int) -> list[int]:
    return [] if number % 10 == 9 else [number * 10 + i for i in range(EACH)]


@pytest.fixture(scope="module")
def shelved() -> Iterator[tuple[Node, Shelf]]:
    with shelving() as shelf, place() as folder:
        one = node(needed(), folder=folder)
        one.env.update(shelf.settings())
        with running([one]):
            yield one, shelf


@pytest.fixture
def walk(shelved: tuple[Node, Shelf], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Walk]:
    """A collection of so many tenants, in every state, under no alias yet."""
    small(monkeypatch.setattr)
    with walked(shelved[0], tmp_path, rows=0, multiTenancyConfig={"enabled": True}) as made:
        application = made.application
        application.tenants(made.table, **{name_of(number): "ACTIVE" for number in range(TENANTS)})
        texts = {key: f"text {key}" for number in range(TENANTS) for key in keys_of(number)}
        vectors = dict(zip(texts, OLD.encode(list(texts.values()), Role.DOCUMENT).matrix.tolist(), strict=True))
        objects = [
            {"id": str(uid(key)), "tenant": name_of(number), "properties": {"body": texts[key]}, "vector": vectors[key]}
            for number in range(TENANTS)
            for key in keys_of(number)
        ]
        application.put(made.table, *objects)
        tenants = Tenants(made.store.connection, made.table)
        tenants.bring({name_of(number): Activity.INACTIVE for number in ASLEEP})
        tenants.bring({name_of(number): Activity.OFFLOADED for number in AWAY if keys_of(number)})
        settled(tenants, Activity.OFFLOADED, sum(bool(keys_of(number)) for number in AWAY))
        yield made


def settled(tenants: Tenants, state: Activity, count: int) -> None:
    """Return when so many are in the state."""
    end = time.monotonic() + WAIT_S
    while list(tenants.statuses().values()).count(state) != count:
        assert time.monotonic() < end, tenants.statuses()
        time.sleep(0.1)


def states(walk: Walk, name: str) -> dict[str, str]:
    """What the server says of every tenant, when nothing is on its way any more."""
    end = time.monotonic() + WAIT_S
    while True:
        found = Reader(walk.application.web).tenants(name)
        if not {state for state in found.values() if state.endswith("ING")}:
            return found
        assert time.monotonic() < end, found
        time.sleep(0.2)


def everything(walk: Walk, name: str) -> dict[str, dict[str, Json]]:
    """Every object of every tenant, woken for it by us and not by what is tested."""
    tenants, reader = Tenants(walk.store.connection, name), Reader(walk.application.web)
    tenants.bring({tenant: Activity.ACTIVE for tenant, state in tenants.statuses().items() if state is not Activity.ACTIVE})
    settled(tenants, Activity.ACTIVE, TENANTS)
    return {tenant: {str(u): one for u, one in reader.objects(name, tenant=tenant).items()} for tenant in tenants.statuses()}


def assert_right(found: dict[str, dict[str, Json]], made_by: HashEncoder) -> None:
    """Each tenant holds what was written into it, with that encoder's vectors, and nothing else."""
    for number in range(TENANTS):
        mine = found[name_of(number)]
        assert {one["properties"]["body"] for one in mine.values()} == {f"text {key}" for key in keys_of(number)}, name_of(number)
        for one in mine.values():
            wanted = made_by.encode([one["properties"]["body"]], Role.DOCUMENT).matrix[0]
            assert one["vector"][: wanted.size] == pytest.approx(wanted, abs=1e-5)


def test_none_of_two_hundred_tenants_is_skipped_and_each_is_left_as_it_was(walk: Walk) -> None:
    before = states(walk, walk.table)
    assert sorted(set(before.values())) == ["COLD", "FROZEN", "HOT"]
    walk.adopted()
    said = str(plan(walk.store, walk.alias, to="new", encoders=encoder))
    assert f"of {TENANTS} tenants" in said
    walk.opened()
    outcome = walk.filled()
    assert outcome.figures["rows"] == sum(len(keys_of(number)) for number in range(TENANTS))
    assert states(walk, walk.table) == before
    walk.proven()
    verdict = walk.store.journal.load(walk.alias).verdict  # type: ignore[union-attr]
    assert verdict is not None
    for finding in verdict.findings:
        if finding.check in ("recall", "latency"):
            assert f"within 100 of {TENANTS} tenants, of which 10 were woken for it; 100 others" in finding.detail
    shadow = walk.store.alias(walk.alias).shadow
    assert shadow is not None
    assert states(walk, walk.table) == before
    walk.cut_over()
    assert states(walk, walk.table) == before
    after = states(walk, shadow.name)
    assert after.keys() == before.keys()
    unlike = {tenant: (before[tenant], after[tenant]) for tenant in before if before[tenant] != after[tenant]}
    assert unlike.items() <= {name_of(number): ("FROZEN", "COLD") for number in AWAY}.items()
    assert_right(everything(walk, shadow.name), encoder("new"))  # type: ignore[arg-type]
    assert_right(everything(walk, walk.table), OLD)


def test_a_tenant_that_cannot_be_fetched_stops_the_fill_by_name(walk: Walk, shelved: tuple[Node, Shelf]) -> None:
    """It is not taken for an empty one, although the server, which failed to fetch it, says that it is awake and empty."""
    _, shelf = shelved
    walk.adopted()
    walk.opened()
    shelf.broken = True
    try:
        with pytest.raises(StoreFailed, match=name_of(AWAY[0])):
            walk.filled()
    finally:
        shelf.broken = False
    migration = walk.store.journal.load(walk.alias)
    assert migration is not None
    assert migration.phase == "shadowing"
