"""A tenant that could not be fetched from cold storage stays refused by name, whatever the server says of it afterwards."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from transvase.adapters.weaviate.collections.activity import Activity
from transvase.adapters.weaviate.collections.tenants import Tenants
from transvase.core.errors import StoreFailed
from weaviate_doors import Shelf, shelving
from weaviate_independent import Reader
from weaviate_objects import uid
from weaviate_server import Node, needed, node, place, running
from weaviate_walk import Walk, text_of, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long, pytest.mark.timeout(300)]

NAMES = ("a", "b", "c")
ROWS = 4
WAIT_S = 60.0


@pytest.fixture(scope="module")
def shelved() -> Iterator[tuple[Node, Shelf]]:
    with shelving() as shelf, place() as folder:
        one = node(needed(), folder=folder)
        one.env.update(shelf.settings())
        with running([one]):
            yield one, shelf


@pytest.fixture
def walk(shelved: tuple[Node, Shelf], tmp_path: Path) -> Iterator[Walk]:
    """Three tenants, of which ``b`` is away and cannot be fetched: a fill has just ended at it."""
    server, shelf = shelved
    with walked(server, tmp_path, rows=0, multiTenancyConfig={"enabled": True}) as made:
        made.application.tenants(made.table, **dict.fromkeys(NAMES, "ACTIVE"))
        for tenant in NAMES:
            for number in range(ROWS):
                made.write(number, text_of(number), tenant=tenant)
        made.adopted()
        made.opened()
        tenants = Tenants(made.store.connection, made.table)
        tenants.bring({"b": Activity.OFFLOADED})
        come_to(tenants, Activity.OFFLOADED)
        shelf.broken = True
        with pytest.raises(StoreFailed, match=r"tenant b of .* was OFFLOADED and (came back empty|did not wake)"):
            made.filled()
        shelf.broken = False
        yield made


def come_to(tenants: Tenants, state: Activity) -> None:
    end = time.monotonic() + WAIT_S
    while tenants.status("b") is not state:
        assert time.monotonic() < end, tenants.statuses()
        time.sleep(0.1)


def inside(walk: Walk, name: str) -> dict[str, int]:
    reader = Reader(walk.application.web)
    return {tenant: len(reader.objects(name, tenant=tenant)) for tenant in Tenants(walk.store.connection, name).statuses()}


def test_the_same_command_again_does_not_take_it_for_empty(walk: Walk, shelved: tuple[Node, Shelf]) -> None:
    come_to(Tenants(walk.store.connection, walk.table), Activity.ACTIVE)
    assert walk.store.connection.count(walk.table, "b") == 0
    for _ in range(2):
        with pytest.raises(StoreFailed, match=r"tenant b of .* came back empty .*is empty still.*or remove the tenant"):
            walk.filled()
    server, _ = shelved
    server.kill()
    server.start()
    server.wait()
    with pytest.raises(StoreFailed, match=r"tenant b of .* came back empty"):
        walk.filled()
    migration = walk.store.journal.load(walk.alias)
    assert migration is not None
    assert migration.phase == "shadowing"


def test_it_goes_on_when_the_tenant_holds_something_again(walk: Walk) -> None:
    with pytest.raises(StoreFailed, match="tenant b of"):
        walk.filled()
    for number in range(ROWS):
        walk.write(number, text_of(number), tenant="b")
    walk.filled()
    assert walk.store.ledger.doubts(walk.alias) == []
    walk.proven()
    walk.cut_over()
    assert inside(walk, walk.store.alias(walk.alias).live.site) == dict.fromkeys(NAMES, ROWS)


def test_it_goes_on_when_the_tenant_was_removed(walk: Walk) -> None:
    walk.application.web.request("DELETE", f"/v1/schema/{walk.table}/tenants", json=["b"])
    walk.filled()
    assert walk.store.ledger.doubts(walk.alias) == []
    walk.proven()
    walk.cut_over()
    found = inside(walk, walk.store.alias(walk.alias).live.site)
    assert {tenant: count for tenant, count in found.items() if count} == {"a": ROWS, "c": ROWS}


def test_one_that_is_fetched_leaves_nothing_in_doubt(shelved: tuple[Node, Shelf], tmp_path: Path) -> None:
    with walked(shelved[0], tmp_path, rows=0, multiTenancyConfig={"enabled": True}) as made:
        made.application.tenants(made.table, b="ACTIVE")
        made.write(1, text_of(1), tenant="b")
        made.adopted()
        made.opened()
        tenants = Tenants(made.store.connection, made.table)
        tenants.bring({"b": Activity.OFFLOADED})
        come_to(tenants, Activity.OFFLOADED)
        made.filled()
        assert made.store.ledger.doubts(made.alias) == []
        come_to(tenants, Activity.OFFLOADED)
        target = made.store.alias(made.alias).shadow
        assert target is not None
        with Tenants(made.store.connection, target.site).awake("b"):
            assert list(Reader(made.application.web).objects(target.site, tenant="b")) == [uid(1)]


def test_one_that_a_killed_process_fetched_is_put_away_again_unless_it_is_empty(
    shelved: tuple[Node, Shelf], tmp_path: Path
) -> None:
    with walked(shelved[0], tmp_path, rows=0, multiTenancyConfig={"enabled": True}) as made:
        made.application.tenants(made.table, b="ACTIVE", empty="ACTIVE", unsure="ACTIVE")
        for tenant in ("b", "unsure"):
            made.write(1, text_of(1), tenant=tenant)
        made.adopted()
        ledger, tenants = made.store.ledger, Tenants(made.store.connection, made.table)
        for tenant in ("b", "empty", "unsure"):
            facts = {"of": "woken tenant", "site": made.table, "tenant": tenant, "before": "OFFLOADED"}
            ledger.doubt(made.alias, "left by a process that died", facts=facts)
        ledger.doubt(made.alias, "not seen", facts={"of": "fetched tenant", "site": made.table, "tenant": "unsure"})
        with made.store.hold(made.alias):
            come_to(tenants, Activity.OFFLOADED)
            assert {name: tenants.status(name) for name in ("empty", "unsure")} == dict.fromkeys(
                ("empty", "unsure"), Activity.ACTIVE
            )
        assert [doubt.why for doubt in ledger.doubts(made.alias)] == ["not seen"]
