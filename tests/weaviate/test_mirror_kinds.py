"""Mirror and everything that an object can carry: properties of every kind, references, several vectors, tenants."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transvase.core.errors import BadValue, StoreFailed
from weaviate.classes.data import DataObject, GeoCoordinate, PhoneNumber
from weaviate.classes.query import Filter
from weaviate.classes.tenants import Tenant, TenantActivityStatus
from weaviate.collections.classes.internal import ReferenceToMulti
from weaviate_mirrors import Whole, assert_alike, mirrored, pay, reader
from weaviate_objects import OLD, Plot, plotted, uid, vector
from weaviate_rich import EMPTY, FULL, PHONE, PLAIN, SPARSE, VECTORS
from weaviate_server import Node

pytestmark = pytest.mark.weaviate

OTHER = {"stays": vector(100, 4), "rows": [vector(row, 8) for row in range(3)]}


@pytest.fixture
def rich(server: Node, tmp_path: Path) -> Any:
    """Every kind of property, and three vectors of which one moves."""
    with plotted(server, tmp_path, vector_name="moves", vectors=(), properties=(*PLAIN, PHONE), vectorConfig=VECTORS) as made:
        yield made


def test_every_kind_of_property_arrives_as_the_live_side_has_it(rich: Plot) -> None:
    with mirrored(rich) as mirror:
        mirror.insert(FULL, uuid=uid(1), vector=OTHER)
        mirror.insert_many([Whole(uid(2), EMPTY, OTHER), Whole(uid(3), SPARSE), Whole(uid(4), FULL, {"stays": vector(7, 4)})])
        mirror.replace(uid(3), FULL, vector={"rows": OTHER["rows"]})
        mirror.update(uid(1), {"tags": ["z"], "obj": {"a": "new"}, "x": None})
        mirror.update(uid(2), {"body": "has a text now"}, vector={"stays": vector(9, 4)})
    assert_alike(rich, size=4)
    first = reader(rich).objects(rich.shadow.site)[uid(1)]
    assert first["properties"]["tags"] == ["z"]
    assert np.allclose(first["vectors"]["rows"], OTHER["rows"])


def test_what_the_driver_calls_its_own_is_understood(rich: Plot) -> None:
    with mirrored(rich) as mirror:
        mirror.insert(
            {
                "body": "with the driver's types",
                "geo": GeoCoordinate(latitude=48.1, longitude=11.5),
                "tel": PhoneNumber(number="089 1234567", default_country="DE"),
                "when": datetime(2024, 5, 6, 7, 8, 9, 123456, tzinfo=UTC),
                "u": uid(9),
                "xs": np.array([1.5, 2.5]),
                "ns": (np.int64(3), 4),
            },
            uuid=uid(1),
        )
    assert_alike(rich, size=1)
    found = reader(rich).objects(rich.shadow.site)[uid(1)]["properties"]
    assert found["tel"]["internationalFormatted"] == "+49 89 1234567"
    assert found["when"].startswith("2024-05-06T07:08:09.123456")
    assert found["ns"] == [3, 4]


def test_a_batch_carries_every_kind_and_other_vectors_too(rich: Plot) -> None:
    with mirrored(rich) as mirror, mirror.batch.fixed_size(batch_size=3) as batch:
        for number in range(7):
            batch.add_object(FULL if number % 2 else EMPTY, uuid=uid(number), vector=OTHER)
    assert batch.number_errors == 0
    assert_alike(rich, size=7)


@pytest.fixture
def friends(server: Node, tmp_path: Path) -> Any:
    """Objects that refer to each other: the shadow's refer to the shadow's."""
    with plotted(server, tmp_path) as made:
        for site in (made.live.site, made.shadow.site):
            prop = {"name": "friends", "dataType": [site]}
            made.application.web.post(f"/v1/schema/{site}/properties", json=prop).raise_for_status()
        yield made


def test_references_into_the_collection_itself_are_those_of_each_side(friends: Plot) -> None:
    with mirrored(friends) as mirror:
        mirror.insert_many([{"body": "nobody's"}, Whole(uid(1), {"body": "one"}), Whole(uid(2), {"body": "two"})])
        mirror.insert({"body": "three"}, {"friends": [uid(1), uid(2)]}, uuid=uid(3))
        mirror.insert({"body": "four"}, {"friends": ReferenceToMulti(target_collection="Docs", uuids=uid(3))}, uuid=uid(4))
        mirror.reference_add(uid(1), "friends", to=uid(2))
        mirror.reference_add(uid(2), "friends", to=[uid(1), uid(3)])
        mirror.reference_delete(uid(2), "friends", to=uid(1))
        mirror.reference_replace(uid(3), "friends", to=uid(4))
        mirror.update(uid(4), {"body": "four again"})
        with mirror.batch.dynamic() as batch:
            batch.add_object({"body": "five"}, uuid=uid(5))
            batch.add_reference(uid(5), "friends", uid(4))
        assert batch.number_errors == 0
        with pytest.raises(StoreFailed):
            mirror.insert({"body": "six"}, {"friends": uid(77)}, uuid=uid(6))
        pay(friends, seconds=5)
    assert_alike(friends, size=6)
    beacons = {
        number: [one["beacon"] for one in reader(friends).objects(friends.shadow.site)[uid(number)]["properties"]["friends"]]
        for number in (1, 2, 3, 4, 5)
    }
    start = f"weaviate://localhost/{friends.shadow.site}"
    wanted = {1: 2, 2: 3, 3: 4, 4: 3, 5: 4}
    assert beacons == {number: [f"{start}/{uid(to)}"] for number, to in wanted.items()}


def test_a_replacement_without_references_drops_them_on_both_sides(friends: Plot) -> None:
    with mirrored(friends) as mirror:
        mirror.insert({"body": "one"}, uuid=uid(1))
        mirror.insert({"body": "two"}, {"friends": uid(1)}, uuid=uid(2))
        mirror.replace(uid(2), {"body": "two again"})
    assert_alike(friends, size=2)
    assert "friends" not in reader(friends).objects(friends.live.site)[uid(2)]["properties"]


@pytest.fixture
def tenanted(server: Node, tmp_path: Path) -> Any:
    """Two tenants on each side."""
    with plotted(server, tmp_path, multiTenancyConfig={"enabled": True}) as made:
        for site in (made.live.site, made.shadow.site):
            made.application.tenants(site, ada="HOT", bob="HOT")
        yield made


def test_each_tenant_is_written_by_itself(tenanted: Plot) -> None:
    with mirrored(tenanted) as mirror:
        ada, bob = mirror.with_tenant("ada"), mirror.with_tenant(Tenant(name="bob"))
        for view, who in ((ada, "ada"), (bob, "bob")):
            view.insert({"body": f"{who}'s"}, uuid=uid(1))
            view.insert_many(
                [DataObject({"body": f"{who}'s {number}", "team": "red"}, uuid=uid(number)) for number in range(2, 6)]
            )
        ada.replace(uid(1), {"body": "ada's own"})
        bob.update(uid(2), {"body": "bob's own"})
        assert ada.delete(uid(3))
        assert not ada.delete(uid(3))
        assert bob.delete_many(Filter.by_property("team").equal("red")).successful == 4
        with mirror.batch.dynamic() as batch:
            batch.add_object({"body": "by name"}, uuid=uid(8), tenant="ada")
        with pytest.raises(BadValue, match="with_tenant"):
            mirror.insert({"body": "whose?"})
    assert_alike(tenanted, size=6)


def test_tenants_come_change_and_go_on_both_sides(tenanted: Plot) -> None:
    def states() -> list[dict[str, str]]:
        return [reader(tenanted).tenants(side.site) for side in (tenanted.live, tenanted.shadow)]

    with mirrored(tenanted) as mirror:
        mirror.tenants.create(["eve", Tenant(name="kim", activity_status=TenantActivityStatus.INACTIVE)])
        assert states() == [{"ada": "HOT", "bob": "HOT", "eve": "HOT", "kim": "COLD"}] * 2
        mirror.with_tenant("eve").insert({"body": "eve's"})
        mirror.with_tenant("bob").insert({"body": "bob's"})
        mirror.tenants.update(Tenant(name="bob", activity_status=TenantActivityStatus.INACTIVE))
        mirror.tenants.remove(["eve", "kim"])
        assert states() == [{"ada": "HOT", "bob": "COLD"}] * 2
        assert {name: one.activity_status for name, one in mirror.tenants.get().items()} == {
            "ada": TenantActivityStatus.ACTIVE,
            "bob": TenantActivityStatus.INACTIVE,
        }
        mirror.tenants.update(Tenant(name="bob", activity_status=TenantActivityStatus.ACTIVE))
        for bad in ("", 3, [None]):
            with pytest.raises(BadValue):
                mirror.tenants.create(bad)
    assert_alike(tenanted, size=1)


def test_a_tenant_that_the_shadow_lacks_is_made_by_the_write(tenanted: Plot) -> None:
    tenanted.application.tenants(tenanted.live.site, late="HOT")
    with mirrored(tenanted) as mirror:
        mirror.with_tenant("late").insert({"body": "late"})
    assert_alike(tenanted, size=1)


def test_a_tenant_that_the_shadow_lacks_is_made_by_the_worker(tenanted: Plot) -> None:
    tenanted.application.tenants(tenanted.live.site, late="HOT")
    with mirrored(tenanted, encoders={"old": OLD, "new": OLD}) as mirror:
        mirror.with_tenant("late").insert({"body": "late"}, uuid=uid(1))
    assert tenanted.outbox.owed() == 1, "there was no encoder of the shadow's Space here"
    pay(tenanted)
    assert_alike(tenanted, size=1)


def test_a_removed_tenant_that_the_shadow_kept_is_emptied_by_the_worker(tenanted: Plot, monkeypatch: pytest.MonkeyPatch) -> None:
    from transvase.adapters.weaviate.mirror.tenants import MirroredTenants

    with mirrored(tenanted) as mirror:
        mirror.with_tenant("ada").insert_many([{"body": f"text {number}"} for number in range(5)])
        with monkeypatch.context() as patched:
            patched.setattr(MirroredTenants, "_beside", lambda *_: False)
            mirror.tenants.remove("ada")
        assert tenanted.outbox.owed() == 5
        pay(tenanted)
    assert reader(tenanted).objects(tenanted.shadow.site, tenant="ada") == {}


def test_a_tenant_that_sleeps_is_the_applications_error_on_the_live_side_and_a_debt_on_the_other(tenanted: Plot) -> None:
    with mirrored(tenanted) as mirror:
        tenanted.application.web.put(
            f"/v1/schema/{tenanted.shadow.site}/tenants", json=[{"name": "ada", "activityStatus": "COLD"}]
        ).raise_for_status()
        mirror.with_tenant("ada").insert({"body": "ada's"})
        assert tenanted.outbox.owed() == 1
        pay(tenanted)
        tenanted.application.web.put(
            f"/v1/schema/{tenanted.shadow.site}/tenants", json=[{"name": "ada", "activityStatus": "HOT"}]
        ).raise_for_status()
        mirror.tenants.update(Tenant(name="bob", activity_status=TenantActivityStatus.INACTIVE))
        with pytest.raises(Exception, match="not active"):
            mirror.with_tenant("bob").insert({"body": "bob's"})
        mirror.tenants.update(Tenant(name="bob", activity_status=TenantActivityStatus.ACTIVE))
        pay(tenanted)
    assert_alike(tenanted, size=1)
