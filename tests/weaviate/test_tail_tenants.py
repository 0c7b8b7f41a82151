"""What strangers write into twenty tenants, some of them asleep, while the alias moves; and the states of the tenants."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transvase.adapters.weaviate.collections.activity import Activity
from transvase.adapters.weaviate.collections.tenants import Tenants
from transvase.adapters.weaviate.mirror import Mirror
from transvase.adapters.weaviate.switching import pointing
from transvase.core.errors import StoreFailed
from transvase.migrations.sync import Worker
from weaviate.classes.tenants import Tenant, TenantActivityStatus
from weaviate_independent import Reader
from weaviate_objects import uid
from weaviate_server import Node
from weaviate_walk import ENCODERS, Walk, encoder, text_of, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long]

NAMES = tuple(f"t{number:02}" for number in range(20))
ASLEEP = NAMES[::4]
ROWS = 4


def states(walk: Walk, name: str) -> dict[str, Activity]:
    return Tenants(walk.store.connection, name).statuses()


def inside(walk: Walk, name: str, tenant: str) -> dict[Any, str]:
    """The text of each object of a tenant, which is woken for it."""
    with Tenants(walk.store.connection, name).awake(tenant):
        found = Reader(walk.application.web).objects(name, tenant=tenant)
    return {uuid: str(one["properties"]["body"]) for uuid, one in found.items()}


def laid(walk: Walk, *names: str) -> None:
    walk.application.tenants(walk.table, **dict.fromkeys(names, "ACTIVE"))
    for tenant in names:
        for number in range(ROWS):
            walk.write(number, text_of(number), tenant=tenant)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("times", [False, True], ids=["without times", "with times"])
def test_what_strangers_wrote_in_each_tenant_while_the_alias_moved_is_found(
    server: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: bool
) -> None:
    """An edit, a new object and a deletion in each of twenty tenants after the last look, and a tenant of its own."""
    schema = {"multiTenancyConfig": {"enabled": True}, "invertedIndexConfig": {"indexTimestamps": times}}
    with walked(server, tmp_path, rows=0, **schema) as walk:
        laid(walk, *NAMES)
        old = Tenants(walk.store.connection, walk.table)
        old.bring(dict.fromkeys(ASLEEP, Activity.INACTIVE))
        before = states(walk, walk.table)
        target = walk.ready()
        assert states(walk, walk.table) == states(walk, target) == before
        moved = pointing._put

        def late(*args: Any) -> None:
            moved(*args)
            for tenant in NAMES:
                with old.awake(tenant):
                    walk.write(1, f"a latecomer's edit in {tenant}", to=walk.table, tenant=tenant)
                    walk.write(ROWS, f"a latecomer's own in {tenant}", to=walk.table, tenant=tenant)
                    web = walk.application.web
                    assert web.delete(f"/v1/objects/{walk.table}/{uid(2)}", params={"tenant": tenant}).is_success
            walk.application.tenants(walk.table, late="ACTIVE")
            walk.write(7, "in a tenant that nobody knew", to=walk.table, tenant="late")

        with monkeypatch.context() as patch:
            patch.setattr(pointing, "_put", late)
            walk.cut_over()
        assert walk.named() == target
        assert Worker(walk.store, walk.alias, encoder).pay_up(deadline_s=60) == 0
        wanted = {uid(0): text_of(0), uid(3): text_of(3)}
        for side in (walk.table, target):
            for tenant in NAMES:
                late_ = {uid(1): f"a latecomer's edit in {tenant}", uid(ROWS): f"a latecomer's own in {tenant}"}
                assert inside(walk, side, tenant) == {**wanted, **late_}, (side, tenant)
            assert inside(walk, side, "late") == {uid(7): "in a tenant that nobody knew"}
            assert states(walk, side) == {**before, "late": Activity.ACTIVE}, "each was given back as it was found"
        assert "left the collection" in str(walk.retired().figures["done"])
        assert states(walk, walk.table) == states(walk, target)


def test_a_change_of_tenants_that_the_shadow_refuses_changes_nothing(server: Node, tmp_path: Path) -> None:
    """The server has nowhere to put tenants away; a live side that refuses has the shadow put back."""
    with walked(server, tmp_path, rows=0, multiTenancyConfig={"enabled": True}) as walk:
        laid(walk, "ada", "bob")
        target = walk.ready()
        with Mirror.connect(walk.url, walk.alias, encoders=ENCODERS) as mirror:
            before = states(walk, walk.table)
            with pytest.raises(StoreFailed, match="offload"):
                mirror.tenants.update(Tenant(name="ada", activity_status=TenantActivityStatus.OFFLOADED))
            assert states(walk, walk.table) == states(walk, target) == before
            Tenants(walk.store.connection, target).remove(("bob",))
            mirror.tenants.update(Tenant(name="bob", activity_status=TenantActivityStatus.INACTIVE))
            assert states(walk, walk.table) == states(walk, target) == {"ada": Activity.ACTIVE, "bob": Activity.INACTIVE}
            with pytest.raises(StoreFailed, match="nobody"):
                mirror.tenants.update(
                    [Tenant(name=one, activity_status=TenantActivityStatus.INACTIVE) for one in ("ada", "nobody")]
                )
            assert states(walk, walk.table) == states(walk, target) == {"ada": Activity.ACTIVE, "bob": Activity.INACTIVE}
