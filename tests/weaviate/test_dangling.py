"""References to what is not there any more: a migration takes such objects along, and says which references it could not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transvase.core.errors import NotReady
from transvase.migrations import prove
from transvase.migrations.plan import plan
from weaviate_objects import Json, text_property, uid
from weaviate_server import Node
from weaviate_walk import Walk, encoder, text_of, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long, pytest.mark.story, pytest.mark.timeout(300)]

TENANTS = {"ada": "ACTIVE", "bob": "ACTIVE"}
HERE, GONE = 50, 51
"""Objects of the other collections: one that stays, and one that is deleted."""


def beside(walk: Walk, name: str, *, tenants: bool) -> str:
    """Another collection of the application's, with two objects in each tenant, to which ours refers."""
    app, other = walk.application, f"{walk.table}_{name}"
    app.make({"class": other, "properties": [text_property("called")], "multiTenancyConfig": {"enabled": tenants}})
    if tenants:
        app.tenants(other, **TENANTS)
    for tenant in TENANTS if tenants else ("",):
        extra = {"tenant": tenant} if tenant else {}
        app.put(other, *({"id": str(uid(number)), "properties": {"called": "x"}, **extra} for number in (HERE, GONE)))
    app.web.post(f"/v1/schema/{walk.table}/properties", json={"name": name, "dataType": [other]}).raise_for_status()
    return other


def led(other: str, *numbers: int) -> list[Json]:
    return [{"beacon": f"weaviate://localhost/{other}/{uid(number)}"} for number in numbers]


def written(walk: Walk, number: int, tenant: str, **references: list[Json]) -> None:
    vector = encoder("old").encode([text_of(number)], "document").matrix[0].tolist()  # type: ignore[arg-type]
    properties = {"body": text_of(number), "team": "red", **references}
    extra = {"tenant": tenant} if tenant else {}
    walk.application.put(walk.table, {"id": str(uid(number)), "properties": properties, "vector": vector, **extra})


def deleted(walk: Walk, other: str, tenant: str = "") -> None:
    walk.application.delete(other, f"{uid(GONE)}?tenant={tenant}" if tenant else uid(GONE))  # type: ignore[arg-type]


def leading(walk: Walk, site: str, number: int, tenant: str) -> dict[str, list[str]]:
    """Where the references of an object lead, each as COLLECTION/UUID."""
    (found,) = [one for one in walk.application.all(site, tenant=tenant) if one["id"] == str(uid(number))]
    lists = {name: some for name, some in found["properties"].items() if isinstance(some, list)}
    return {name: sorted("/".join(one["beacon"].split("/")[-2:]) for one in some) for name, some in lists.items()}


def at(other: str, *numbers: int) -> list[str]:
    return sorted(f"{other}/{uid(number)}" for number in numbers)


def judged(walk: Walk) -> str:
    """What a proof says of counts; it has nothing against the references."""
    for _ in range(4):
        verdict = prove.prove(walk.store, walk.alias, encoders=encoder)
        assert {finding.check for finding in verdict.failures} <= {"latency"}, prove.sentence(verdict)
        if verdict.passed:
            return next(finding.detail for finding in verdict.findings if finding.check == "counts")
    pytest.fail("a busy machine")


@pytest.fixture
def tenanted(server: Node, tmp_path: Path) -> Any:
    with walked(server, tmp_path, rows=0, multiTenancyConfig={"enabled": True}) as walk:
        walk.application.tenants(walk.table, **TENANTS)
        yield walk


def test_tenants_whose_objects_refer_to_what_was_deleted_are_migrated_and_the_proof_names_the_references(tenanted: Walk) -> None:
    walk = tenanted
    people, places = beside(walk, "people", tenants=False), beside(walk, "places", tenants=True)
    for tenant in TENANTS:
        for number in range(20):
            written(walk, number, tenant)
        written(walk, 20, tenant, people=led(people, GONE, HERE), places=led(places, HERE, GONE))
        written(walk, 21, tenant, people=led(people, GONE))
        deleted(walk, places, tenant)
    deleted(walk, people)
    walk.application.web.put(f"/v1/schema/{places}/tenants", json=[{"name": "ada", "activityStatus": "COLD"}]).raise_for_status()
    walk.application.web.request("DELETE", f"/v1/schema/{places}/tenants", json=["bob"]).raise_for_status()
    walk.adopted()
    warned = plan(walk.store, walk.alias, to="new", encoders=encoder).outlook.warnings
    assert any("people" in one and "not there" in one for one in warned), warned
    walk.opened()
    walk.filled()
    shadow = walk.store.alias(walk.alias).shadow
    assert shadow is not None
    said = judged(walk)
    assert "4 objects" in said, said
    assert f"{people}/{uid(GONE)}" in said

    def whole(number: int, tenant: str) -> dict[str, list[str]]:
        return (
            {"people": at(people, GONE, HERE), "places": at(places, GONE, HERE)} if number == 20 else {"people": at(people, GONE)}
        )

    def copied(number: int, tenant: str) -> dict[str, list[str]]:
        kept = {"people": at(people, HERE), **({"places": at(places, HERE)} if tenant == "ada" else {})}
        return kept if number == 20 else {}

    for _ in range(2):  # nobody takes from the application's own collection what cannot be written anew
        for tenant in TENANTS:
            for number in (20, 21):
                assert leading(walk, walk.table, number, tenant) == whole(number, tenant)
                assert leading(walk, shadow.site, number, tenant) == copied(number, tenant)
        if walk.named() == walk.table:
            walk.cut_over()
    walk.rolled_back()
    assert walk.store.outbox(walk.alias).owed() == 0
    states = walk.application.web.get(f"/v1/schema/{places}/tenants").json()
    assert [(one["name"], one["activityStatus"]) for one in states] == [("ada", "COLD")], "it is left as it was"
    walk.application.put(people, {"id": str(uid(GONE)), "properties": {"called": "x"}})  # there again: the copies lack it now
    judged(walk)
    for tenant in TENANTS:
        assert leading(walk, shadow.site, 21, tenant) == {"people": at(people, GONE)}


def test_a_reference_that_a_copy_lacks_is_missed_while_what_it_leads_to_is_there(tenanted: Walk) -> None:
    """The excuse is for what leads to nothing, and for nothing else."""
    walk = tenanted
    people = beside(walk, "people", tenants=False)
    for number in range(20):
        written(walk, number, "ada", people=led(people, HERE))
    walk.adopted()
    walk.opened()
    walk.filled()
    shadow = walk.store.alias(walk.alias).shadow
    assert shadow is not None
    site = f"/v1/objects/{shadow.site}/{uid(3)}/references/people?tenant=ada"
    walk.application.web.request("DELETE", site, json=led(people, HERE)[0]).raise_for_status()
    assert walk.store.index(walk.alias, shadow.name).census().stale == 1
    judged(walk)
    assert leading(walk, shadow.site, 3, "ada") == {"people": at(people, HERE)}


def test_references_into_a_collection_that_goes_while_a_fill_is_under_way_do_not_stop_it(server: Node, tmp_path: Path) -> None:
    with walked(server, tmp_path, rows=0) as walk:
        people = beside(walk, "people", tenants=False)
        for number in range(20):
            written(walk, number, "", people=led(people, HERE))
        walk.adopted()
        walk.opened()
        walk.application.web.delete(f"/v1/schema/{people}").raise_for_status()
        walk.filled()
        assert "20 objects" in judged(walk)
        walk.cut_over()
        assert leading(walk, walk.table, 1, "") == {"people": at(people, HERE)}


def test_a_property_that_leads_to_a_collection_that_is_gone_is_refused_before_anything_is_made(
    server: Node, tmp_path: Path
) -> None:
    with walked(server, tmp_path, rows=20) as walk:
        people = beside(walk, "people", tenants=False)
        walk.adopted()
        walk.application.web.delete(f"/v1/schema/{people}").raise_for_status()
        assert any(people in one for one in plan(walk.store, walk.alias, to="new", encoders=encoder).outlook.refusals)
        with pytest.raises(NotReady, match=rf"people.*{people}.*make an empty collection"):
            walk.opened()
        assert walk.store.alias(walk.alias).shadow is None
        walk.application.make({"class": people})
        walk.opened()
        walk.filled()
        judged(walk)
