"""Objects in the order of their keys, page by page and tenant by tenant, with as much of each as was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from transvase.adapters.weaviate.collections.shape import shape_of
from transvase.adapters.weaviate.objects.copies import fetch, pages
from transvase.adapters.weaviate.objects.reading import Lens, page
from transvase.core.errors import Superseded, UnknownName
from weaviate_objects import NEW, OLD, WIDTH, Plot, collection, encoded, plotted, text_property, uid, vector
from weaviate_server import Node

pytestmark = pytest.mark.weaviate

TENANTS = {"multiTenancyConfig": {"enabled": True}}


@pytest.fixture
def tenanted(server: Node, tmp_path: Path) -> Iterator[Plot]:
    with plotted(server, tmp_path, **TENANTS) as made:
        for site in (made.live.site, made.shadow.site):
            made.application.tenants(site, b="ACTIVE", a="ACTIVE", sleeping="INACTIVE")
        yield made


def many(plot: Plot, number: int, **more: object) -> list[tuple[object, ...]]:
    objects = [{"id": str(uid(n)), "properties": {"body": f"text {n}"}, "vector": vector(n), **more} for n in range(number)]
    plot.application.put(plot.live.site, *objects)
    return sorted((uid(n),) for n in range(number))


@pytest.mark.parametrize("shards", [1, 3])
def test_pages_follow_the_keys_to_the_end(server: Node, tmp_path: Path, shards: int) -> None:
    with plotted(server, tmp_path, shardingConfig={"desiredCount": shards}) as plot:
        keys = many(plot, 95)
        for limit in (10, 95, 19, 1_000):
            found = list(pages(plot.connection, plot.live.site, Lens(""), limit=limit))
            assert [one.key for some in found for one in some] == keys
            assert all(len(some) == limit for some in found[:-1])


def test_a_page_begins_after_a_key_that_need_not_be_there(plot: Plot) -> None:
    keys = many(plot, 30)
    shape = shape_of(plot.connection, plot.live.site)
    for start in (keys[10][0], type(keys[10][0])(int=keys[10][0].int + 1)):
        found = page(plot.connection, shape, Lens(""), after=start, limit=5)
        assert [one.key for one in found] == keys[11:16]


def test_both_ways_page_alike(server: Node, tmp_path: Path) -> None:
    """A collection with a reference is read over REST: the same keys, in the same pages."""
    properties = [text_property("body"), text_property("team")]
    with plotted(server, tmp_path, properties=properties) as plot:
        plot.application.make(collection("Elsewhere"))
        reference = {"name": "to", "dataType": ["Elsewhere"]}
        plot.application.web.post(f"/v1/schema/{plot.live.site}/properties", json=reference).raise_for_status()
        keys = many(plot, 23)
        assert not shape_of(plot.connection, plot.live.site).plain
        found = list(pages(plot.connection, plot.live.site, Lens(""), limit=10))
        assert [len(some) for some in found] == [10, 10, 3]
        assert [one.key for some in found for one in some] == keys
        got = fetch(plot.connection, shape_of(plot.connection, plot.live.site), Lens(""), [*keys[:4], (uid(999),)])
        assert sorted(got) == keys[:4]
        plot.application.web.delete(f"/v1/schema/{plot.live.site}")
        plot.application.web.delete("/v1/schema/Elsewhere")


def test_a_lens_leaves_out_what_was_not_asked_for(server: Node, tmp_path: Path) -> None:
    with plotted(server, tmp_path, vector_name="moves", vectors=("moves", "stays")) as plot:
        body = {"id": str(uid(1)), "properties": {"body": "a"}, "vectors": {"moves": vector(1), "stays": vector(2, 5)}}
        plot.application.put(plot.live.site, body)
        shape = shape_of(plot.connection, plot.live.site)
        assert shape.vectors == ("moves", "stays")

        def seen(**chosen: bool) -> tuple[bool, list[str], list[str]]:
            (one,) = page(plot.connection, shape, Lens("moves", **chosen), after=None, limit=5)
            return one.vector is not None, sorted(one.cargo.vectors), sorted(one.cargo.properties)

        assert seen() == (True, ["stays"], ["body"])
        assert seen(vector=False) == (False, ["stays"], ["body"])
        assert seen(others=False) == (True, [], ["body"])
        assert seen(vector=False, others=False, properties=False) == (False, [], [])


def test_the_default_vector_is_known_by_either_name(server: Node, tmp_path: Path) -> None:
    with plotted(server, tmp_path, vectors=("default",)) as plot:
        shape = shape_of(plot.connection, plot.live.site)
        assert shape.named("") == "default"
        plot.application.put(plot.live.site, {"id": str(uid(1)), "properties": {"body": "a"}, "vectors": {"default": vector(1)}})
        (one,) = page(plot.connection, shape, Lens(""), after=None, limit=5)
        assert one.vector is not None
        with pytest.raises(UnknownName, match="default"):
            shape.named("title")


def test_a_property_that_appeared_since_is_read(plot: Plot) -> None:
    """Auto-schema adds one silently, between two pages."""
    plot.application.put(plot.live.site, *({"id": str(uid(n)), "properties": {"body": "a", "surprise": 1.5}} for n in range(3)))
    found = [one for some in pages(plot.connection, plot.live.site, Lens(""), limit=2) for one in some]
    assert [one.cargo.properties["surprise"] for one in found] == [1.5] * 3


def test_a_collection_that_is_gone_is_superseded(plot: Plot) -> None:
    shape = shape_of(plot.connection, plot.live.site)
    plot.application.web.delete(f"/v1/schema/{plot.live.site}")
    with pytest.raises(Superseded):
        page(plot.connection, shape, Lens(""), after=None, limit=5)
    with pytest.raises(Superseded):
        plot.corpus.after(None, limit=5)


# ---------------------------------------------------------------- the corpus


def test_records_come_in_key_order_with_their_texts(plot: Plot) -> None:
    plot.write(1, "one")
    plot.write(2, None)
    plot.write(3, "")
    records = plot.corpus.after(None, limit=10)
    assert {record.key[0]: record.text for record in records} == {uid(1): "one", uid(2): None, uid(3): ""}
    assert [record.key for record in records] == sorted(record.key for record in records)
    assert plot.corpus.after(records[0].key, limit=1) == [records[1]]
    assert plot.corpus.count() == 3


def test_a_template_joins_properties_and_is_missing_where_one_is(server: Node, tmp_path: Path) -> None:
    with plotted(server, tmp_path, text="{team}: {body}") as plot:
        plot.write(1, "one")
        plot.write(2, None)
        assert {record.text for record in plot.corpus.read([(uid(1),), (uid(2),), (uid(3),)])} == {"red: one", None}


def test_a_sample_is_the_same_for_a_seed_and_has_texts(plot: Plot) -> None:
    many(plot, 40)
    plot.write(100, None)
    one, again, other = (plot.corpus.sample(12, seed=seed) for seed in (1, 1, 2))
    assert one == again
    assert {record.key for record in one} != {record.key for record in other}
    assert len({record.key for record in one}) == 12
    assert len(plot.corpus.sample(100, seed=3)) == 40
    assert all(record.text is not None for record in plot.corpus.sample(100, seed=3))


def test_tenants_follow_one_another_and_none_is_left_out(tenanted: Plot) -> None:
    """The same id may lie in several tenants; one that sleeps is woken for it, and sleeps again."""
    for tenant in ("a", "b"):
        for number in (1, 2, 3):
            tenanted.write(number, f"{tenant}{number}", tenant=tenant)
    site = tenanted.live.site
    tenanted.application.web.put(f"/v1/schema/{site}/tenants", json=[{"name": "sleeping", "activityStatus": "ACTIVE"}])
    tenanted.write(1, "s1", tenant="sleeping")
    tenanted.application.web.put(f"/v1/schema/{site}/tenants", json=[{"name": "sleeping", "activityStatus": "INACTIVE"}])
    keys = sorted([*((t, uid(n)) for t in ("a", "b") for n in (1, 2, 3)), ("sleeping", uid(1))])
    corpus = tenanted.corpus
    assert [record.key for record in corpus.after(None, limit=100)] == keys
    paged, after = [], None
    while some := corpus.after(after, limit=2):
        paged += [record.key for record in some]
        after = some[-1].key
    assert paged == keys
    assert corpus.count() == 7
    assert {record.key: record.text for record in corpus.read([("b", uid(2)), ("nobody", uid(2)), ("sleeping", uid(1))])} == {
        ("b", uid(2)): "b2",
        ("sleeping", uid(1)): "s1",
    }
    states = {one["name"]: one["activityStatus"] for one in tenanted.application.web.get(f"/v1/schema/{site}/tenants").json()}
    assert states["sleeping"] in ("INACTIVE", "COLD")


def test_tenants_are_paid_each_into_its_own(tenanted: Plot) -> None:
    keys = [tenanted.write(1, f"of {tenant}", tenant=tenant) for tenant in ("a", "b")]
    tenanted.ledger.owe("Docs", keys)
    assert tenanted.pay() == 2
    for tenant in ("a", "b"):
        (one,) = tenanted.application.all(tenanted.shadow.site, tenant=tenant)
        assert one["properties"]["body"] == f"of {tenant}"
    tenanted.application.web.delete(f"/v1/objects/{tenanted.live.site}/{uid(1)}", params={"tenant": "a"})
    tenanted.ledger.owe("Docs", keys)
    assert tenanted.pay() == 2
    assert tenanted.application.all(tenanted.shadow.site, tenant="a") == []
    assert len(tenanted.application.all(tenanted.shadow.site, tenant="b")) == 1


def test_vectors_come_back_as_they_were_written(plot: Plot) -> None:
    plot.write(1, "a")
    plot.write(2, None)
    keys, found = plot.index(plot.live).vectors([(uid(1),), (uid(2),), (uid(3),)])
    assert keys == [(uid(1),)]
    assert found is not None
    assert found.space == OLD.space != NEW.space
    assert np.array_equal(found.matrix, encoded(OLD, ["a"], WIDTH).matrix)
    keys, found = plot.index(plot.live).vectors([])
    assert found is not None
    assert (keys, found.matrix.shape) == ([], (0, WIDTH))
