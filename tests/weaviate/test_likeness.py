"""What the application changes beside objects while a migration is open: it is on both sides before the switch, or it is told."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from transvase.adapters.weaviate.collections.activity import Activity
from transvase.adapters.weaviate.collections.tenants import Tenants
from transvase.adapters.weaviate.switching import pointing
from transvase.adapters.weaviate.wire.connection import Connection
from transvase.core.errors import NotReady, Unfit
from transvase.core.figures import Likeness
from transvase.core.space import Role
from transvase.core.verdict import Finding
from transvase.migrations import prove
from weaviate_objects import NEW, OLD, text_property, uid
from weaviate_server import Node
from weaviate_walk import Walk, encoder, text_of, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long]

A, I = Activity.ACTIVE, Activity.INACTIVE  # noqa: E741 - read in a table
ROWS = 12


@pytest.fixture
def plain(server: Node, tmp_path: Path) -> Iterator[Walk]:
    with walked(server, tmp_path, rows=ROWS) as made:
        made.adopted()
        made.opened()
        yield made


@pytest.fixture
def many(server: Node, tmp_path: Path) -> Iterator[Walk]:
    with walked(server, tmp_path, rows=0, multiTenancyConfig={"enabled": True}) as made:
        made.application.tenants(made.table, a="ACTIVE", b="ACTIVE")
        for number in range(ROWS):
            made.write(number, text_of(number), tenant="ab"[number % 2])
        made.adopted()
        made.opened()
        yield made


def target_of(walk: Walk) -> str:
    shadow = walk.store.alias(walk.alias).shadow
    assert shadow is not None
    return shadow.name


def states(walk: Walk, name: str) -> dict[str, Activity]:
    return Tenants(walk.store.connection, name).statuses()


def schema(walk: Walk, name: str) -> dict[str, Any]:
    found: dict[str, Any] = walk.application.web.get(f"/v1/schema/{name}").json()
    return found


def changed(walk: Walk, name: str, **settings: Any) -> None:
    answer = walk.application.web.put(f"/v1/schema/{name}", json={**schema(walk, name), **settings})
    assert answer.is_success, answer.text


def property_added(walk: Walk, name: str, prop: str) -> None:
    body = {"name": prop, "dataType": ["text"], "tokenization": "field"}
    assert walk.application.web.post(f"/v1/schema/{name}/properties", json=body).is_success


def written_through_the_alias(walk: Walk, tenant: str) -> int:
    """The status of the answer when the application, with new vectors, writes into a tenant."""
    vector = NEW.encode(["through the alias"], Role.DOCUMENT).matrix[0].tolist()
    vector += [0.0] * (walk.width(walk.named()) - len(vector))
    body = {"class": walk.server_alias, "tenant": tenant, "id": str(uid(77)), "properties": {"body": "x"}, "vector": vector}
    return walk.application.web.post("/v1/objects", json=body).status_code


def likeness(walk: Walk) -> Finding:
    verdict = prove.prove(walk.store, walk.alias, encoders=encoder)
    return next(finding for finding in verdict.findings if finding.check == "likeness")


def test_an_empty_tenant_that_was_made_past_mirror_is_there_after_the_switch(many: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made after the opening, after the proof, and at the very last moment."""
    many.application.tenants(many.table, early="ACTIVE")
    many.filled()
    assert "early" in states(many, target_of(many))
    many.proven()
    many.application.tenants(many.table, later="ACTIVE", asleep="INACTIVE")
    before = pointing._permitted

    def last_moment(*args: Any) -> None:
        before(*args)
        many.application.tenants(many.table, last="ACTIVE")

    with monkeypatch.context() as patch:
        patch.setattr(pointing, "_permitted", last_moment)
        many.cut_over()
    wanted = {"a": A, "b": A, "early": A, "later": A, "last": A, "asleep": I}
    assert states(many, many.table) == states(many, many.named()) == wanted
    for tenant in ("early", "later", "last"):
        assert written_through_the_alias(many, tenant) == 200, tenant


def test_a_tenant_with_objects_that_was_made_past_mirror_after_the_opening_is_filled(many: Walk) -> None:
    many.application.tenants(many.table, strange="ACTIVE")
    vector = OLD.encode(["a stranger's"], Role.DOCUMENT).matrix[0].tolist()
    mine = {"id": str(uid(5)), "properties": {"body": "a stranger's"}, "vector": vector, "tenant": "strange"}
    many.application.put(many.table, mine)
    many.filled()
    (found,) = many.application.all(target_of(many), tenant="strange")
    assert (found["id"], found["properties"]["body"]) == (str(uid(5)), "a stranger's")
    assert found["vector"]


def test_a_tenant_is_left_in_the_state_that_the_application_gave_it_meanwhile(many: Walk) -> None:
    many.application.tenants(many.table, c="INACTIVE")
    many.filled()
    tenants = Tenants(many.store.connection, many.table)
    tenants.bring({"a": I, "c": A})
    many.proven()
    assert states(many, target_of(many)) == {"a": I, "b": A, "c": A}
    tenants.bring({"a": A, "b": I})
    many.cut_over()
    assert states(many, many.named()) == states(many, many.table) == {"a": A, "b": I, "c": A}


def test_a_tenant_that_was_removed_past_mirror_is_gone_on_the_other_side_too(many: Walk) -> None:
    many.application.tenants(many.table, empty="ACTIVE")
    many.filled()
    for name in ("b", "empty"):
        assert many.application.web.request("DELETE", f"/v1/schema/{many.table}/tenants", json=[name]).is_success
    many.proven()
    assert states(many, target_of(many)) == {"a": A}
    many.cut_over()
    assert states(many, many.named()) == {"a": A}


def test_a_tenant_that_may_not_be_removed_is_named_by_the_proof(many: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    many.filled()
    many.application.tenants(target_of(many), spare="ACTIVE")

    def refused(*_: Any) -> None:
        raise Unfit("delete_tenants is not among your rights", remedy="ask for it")

    with monkeypatch.context() as patch:
        patch.setattr(Tenants, "remove", refused)
        found = likeness(many)
    assert (found.passed, found.measured) == (False, 1.0)
    assert "spare" in found.detail
    many.proven()


@pytest.mark.parametrize("when", ["before the proof", "after it"])
def test_a_property_that_no_object_has_yet_is_on_the_new_side(plain: Walk, when: str) -> None:
    plain.filled()
    if when == "before the proof":
        property_added(plain, plain.table, "extra")
    plain.proven()
    if when == "after it":
        property_added(plain, plain.table, "extra")
    plain.cut_over()
    old, new = ({one["name"]: one for one in schema(plain, name)["properties"]} for name in (plain.table, plain.named()))
    assert old == new
    property_added(plain, plain.named(), "newer")
    plain.rolled_back()
    assert {one["name"] for one in schema(plain, plain.named())["properties"]} == {*old, "newer"}


def test_a_vector_that_the_application_adds_meanwhile_comes_along_with_what_objects_have_of_it(plain: Walk) -> None:
    plain.filled()
    plain.proven()
    plain.application.grow(plain.table, {"beside": {"vectorizer": {"none": {}}, "vectorIndexType": "flat"}})
    plain.write(1, "has both", vectors={"beside": [1.0, 2.0, 3.0]})
    plain.proven()
    plain.cut_over()
    assert schema(plain, plain.named())["vectorConfig"] == schema(plain, plain.table)["vectorConfig"]
    for name in (plain.table, plain.named()):
        held = plain.application.one(name, uid(1))
        assert held is not None
        assert held["vectors"]["beside"] == [1.0, 2.0, 3.0]


def test_a_setting_that_was_changed_meanwhile_comes_along_forth_and_back(many: Walk) -> None:
    def told(name: str) -> dict[str, Any]:
        return {what: schema(many, name)[what] for what in (*mine, "multiTenancyConfig", "invertedIndexConfig")}

    many.filled()
    target = target_of(many)
    inverted = schema(many, many.table)["invertedIndexConfig"]
    mine: dict[str, Any] = {"description": "all that was ever said"}
    other = {**inverted, "bm25": {"b": 0.5, "k1": 1.5}, "stopwords": {**inverted["stopwords"], "preset": "none"}}
    tenancy = {**schema(many, many.table)["multiTenancyConfig"], "autoTenantActivation": True}
    changed(many, many.table, **mine, invertedIndexConfig=other, multiTenancyConfig=tenancy)
    many.proven()
    assert told(target) == told(many.table)
    assert told(target)["invertedIndexConfig"]["bm25"] == {"b": 0.5, "k1": 1.5}
    many.cut_over()
    mine = {"description": ""}
    changed(many, target, description="", invertedIndexConfig=inverted)
    assert schema(many, many.table)["description"]
    many.rolled_back()
    for name in (many.table, target):
        assert not schema(many, name).get("description")
        assert schema(many, name)["invertedIndexConfig"] == inverted


def test_a_setting_that_is_not_brought_along_is_named_until_it_is_alike(plain: Walk) -> None:
    plain.filled()
    other = {"generative-openai": {"model": "any"}}
    changed(plain, plain.table, moduleConfig=other)
    found = likeness(plain)
    assert (found.passed, found.measured, found.threshold) == (False, 1.0, 0.0)
    assert f"{target_of(plain)} lacks moduleConfig" in found.detail
    changed(plain, target_of(plain), moduleConfig=other)
    plain.proven()


def test_a_setting_that_the_other_side_refuses_is_named(plain: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    plain.filled()
    inverted = schema(plain, plain.table)["invertedIndexConfig"]
    changed(plain, plain.table, invertedIndexConfig={**inverted, "bm25": {"b": 0.5, "k1": 1.5}})
    rest, site = Connection.rest, target_of(plain)

    def refused(self: Connection, method: str, path: str, **options: Any) -> Any:
        if (method, path) == ("PUT", f"/schema/{site}"):
            raise Unfit("update_collections is not among your rights", remedy="ask for it")
        return rest(self, method, path, **options)

    with monkeypatch.context() as patch:
        patch.setattr(Connection, "rest", refused)
        found = likeness(plain)
    assert (found.passed, found.measured) == (False, 2.0)
    assert f"invertedIndexConfig/bm25/b is 0.75 on {target_of(plain)} and should be 0.5" in found.detail
    plain.proven()


def test_what_auto_schema_says_of_a_nested_property_is_told_and_keeps_no_one_from_switching(server: Node, tmp_path: Path) -> None:
    """The server describes such a property by the moment at which it was made: two sides never say the same."""
    nested = {"name": "about", "dataType": ["object"], "nestedProperties": [{"name": "x", "dataType": ["text"]}]}
    with walked(server, tmp_path, rows=ROWS, properties=[text_property("body"), text_property("team"), nested]) as walk:
        walk.adopted()
        walk.opened()
        walk.application.patch(walk.table, uid(3), {"about": {"x": "one", "grown": "two"}})
        time.sleep(1.1)  # the moment is told in seconds
        walk.filled()
        walk.proven()
        finding = likeness(walk)
        assert finding.passed
        assert "description" in finding.detail
        walk.cut_over()


def test_how_the_vectors_are_indexed_is_told_and_judged_by_the_other_checks(plain: Walk) -> None:
    """An operator may give the new side a wider search; that is no reason to refuse it."""
    plain.filled()
    changed(plain, target_of(plain), vectorIndexConfig={**schema(plain, target_of(plain))["vectorIndexConfig"], "ef": 200})
    found = likeness(plain)
    assert found.passed
    assert "vectorIndexConfig/ef is 200" in found.detail


def test_a_cutover_is_refused_where_a_property_is_on_the_new_side_alone(plain: Walk) -> None:
    plain.filled()
    plain.proven()
    property_added(plain, target_of(plain), "stray")
    with pytest.raises(NotReady, match="properties/stray and the live side has not"):
        plain.cut_over()
    assert plain.named() == plain.table
    property_added(plain, plain.table, "stray")
    plain.cut_over()


def test_a_side_that_is_live_itself_is_like_itself(plain: Walk) -> None:
    assert plain.store.liken(plain.alias, plain.table) == Likeness()
    assert plain.store.liken(plain.alias, target_of(plain)) == Likeness()
