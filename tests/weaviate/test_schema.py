"""A target's configuration is its source's, but for the vector that moves; and the server takes what was made."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from transvase.adapters.weaviate.collections.schema import (
    all_schemas,
    compare,
    derived,
    schema_found,
    schema_of,
    vector_kind,
    vector_kinds,
)
from transvase.adapters.weaviate.wire.address import Address
from transvase.adapters.weaviate.wire.connection import Connection
from transvase.adapters.weaviate.wire.credentials import Credentials
from transvase.core.errors import Superseded, Unfit, UnknownName
from weaviate_ground import put, self_provided
from weaviate_modules import with_transformers

pytestmark = pytest.mark.weaviate

SINGLE = "text int number date boolean uuid object geoCoordinates phoneNumber blob"
KINDS = [*SINGLE.split(), *(f"{kind}[]" for kind in SINGLE.split()[:7])]


def wide(author: str, name: str) -> dict[str, Any]:
    """A collection with a setting of its own wherever there is one to make."""
    nested = [
        {"name": "a", "dataType": ["text"]},
        {"name": "deep", "dataType": ["object"], "nestedProperties": [{"name": "b", "dataType": ["int"]}]},
    ]
    properties: list[dict[str, Any]] = [
        {"name": f"p{number}", "dataType": [kind], **({"nestedProperties": nested} if kind.startswith("object") else {})}
        for number, kind in enumerate(KINDS)
    ]
    properties[0].update(tokenization="trigram", indexSearchable=True, indexFilterable=False, description="a description")
    properties[2].update(indexRangeFilters=True)
    properties += [
        {"name": "by", "dataType": [author]},
        {"name": "parent", "dataType": [name]},
        {"name": "any", "dataType": [author, name]},
    ]
    return {
        "name": name,
        "description": "of everything",
        "properties": properties,
        "invertedIndexConfig": {
            "bm25": {"b": 0.6, "k1": 1.4},
            "indexNullState": True,
            "indexPropertyLength": True,
            "indexTimestamps": True,
            "stopwords": {"preset": "en", "additions": ["foo"], "removals": ["the"]},
        },
        "shardingConfig": {"desiredCount": 2},
        "replicationConfig": {"asyncEnabled": False, "deletionStrategy": "NoAutomatedResolution"},
        "vectorConfig": {
            "moving": self_provided(
                distance="dot",
                efConstruction=200,
                maxConnections=24,
                ef=77,
                pq={"enabled": True, "segments": 4, "trainingLimit": 300},
            ),
            "flat": self_provided("flat", distance="dot", bq={"enabled": True}),
            "many": self_provided(multivector={"enabled": True}),
            "fresh": self_provided("hfresh"),
        },
    }


@pytest.fixture
def source(connection: Connection, make: Callable[..., str]) -> str:
    author = make()
    settings = wide(author, f"Wide{author}")
    references = [prop for prop in settings["properties"] if prop["name"] in ("parent", "any")]
    settings["properties"] = [prop for prop in settings["properties"] if prop not in references]
    name = make(**settings)
    for prop in references:  # a collection can refer to itself only once it is there
        connection.rest("POST", f"/schema/{name}/properties", body=prop)
    return name


def test_a_wide_collection_is_derived_exactly_and_the_server_takes_it(
    connection: Connection, make: Callable[..., str], source: str
) -> None:
    raw = schema_of(connection, source)
    target = derived(raw, name=f"{source}_1", vector="moving", width=17, metric="cosine")
    differences = compare(raw, target)
    author = source.removeprefix("Wide")
    assert sorted(differences) == sorted(
        [
            f"/class: '{source}' -> '{source}_1'",
            f"/properties/parent/dataType: ['{source}'] -> ['{source}_1']",
            f"/properties/any/dataType: ['{author}', '{source}'] -> ['{author}', '{source}_1']",
            "/vectorConfig/moving/vectorIndexConfig/distance: 'dot' -> 'cosine'",
            "/vectorConfig/moving/vectorIndexConfig/pq/segments: 4 -> 1",
        ]
    )
    assert raw == schema_of(connection, source), "deriving changes nothing in what it was given"
    connection.rest("POST", "/schema", body=target)
    try:
        assert compare(target, schema_of(connection, f"{source}_1")) == ()
        back = derived(target, name=source, vector="moving", width=16, metric="ip")
        assert [one for one in compare(raw, back) if "segments" not in one] == []
    finally:
        connection.rest("DELETE", f"/schema/{source}_1")


def test_a_difference_is_seen_wherever_it_is(connection: Connection, source: str) -> None:
    raw = schema_of(connection, source)
    assert compare(raw, raw) == ()
    other = derived(raw, name=source, vector="moving", width=16, metric="ip")
    other["properties"].reverse()
    other["properties"][0]["description"] = ""
    assert compare(raw, other) == (), "order and empty settings mean nothing"
    other["invertedIndexConfig"]["bm25"]["b"] = 0.7
    other["vectorConfig"]["flat"]["vectorIndexConfig"]["bq"]["enabled"] = False
    del other["properties"][3]
    assert len(compare(raw, other)) == 3


@pytest.mark.parametrize(
    ("segments", "width", "fitted"), [(4, 17, 1), (16, 17, 17), (96, 385, 77), (96, 384, 96), (64, 769, 769), (0, 17, 0)]
)
def test_segments_become_the_nearest_that_divide_the_width(segments: int, width: int, fitted: int) -> None:
    raw = {"class": "A", "vectorConfig": {"v": self_provided(pq={"enabled": True, "segments": segments}, distance="cosine")}}
    made = derived(raw, name="B", vector="v", width=width, metric="cosine")
    assert made["vectorConfig"]["v"]["vectorIndexConfig"]["pq"]["segments"] == fitted


def test_a_quantised_index_takes_vectors_of_the_fenced_width(connection: Connection, make: Callable[..., str]) -> None:
    """Segments that do not divide the width: the server takes no vector at all."""
    pq = {"enabled": True, "segments": 8, "trainingLimit": 300, "centroids": 16}
    name = make(vectorConfig={"default": self_provided(pq=pq, distance="cosine")})
    assert put(connection, name, 16, size=320) == set()
    raw = schema_of(connection, name)
    unfit = {**raw, "class": f"{name}_0"}
    connection.rest("POST", "/schema", body=unfit)
    connection.rest("POST", "/schema", body=derived(raw, name=f"{name}_1", vector="", width=17, metric="cosine"))
    try:
        assert all("divisor" in said for said in put(connection, f"{name}_0", 17))
        assert put(connection, f"{name}_1", 17, size=320) == set()
        assert connection.count(f"{name}_1") == 320
    finally:
        connection.rest("DELETE", f"/schema/{name}_0")
        connection.rest("DELETE", f"/schema/{name}_1")


def test_the_wall_of_widths_stands_in_the_derived_collection(connection: Connection, make: Callable[..., str]) -> None:
    name = make()
    put(connection, name, 16)
    connection.rest(
        "POST", "/schema", body=derived(schema_of(connection, name), name=f"{name}_1", vector="", width=17, metric="cosine")
    )
    try:
        assert put(connection, f"{name}_1", 17) == set()
        assert all("dimensions do not match" in said for said in put(connection, f"{name}_1", 16, start=100))
        assert connection.count(f"{name}_1") == 10
    finally:
        connection.rest("DELETE", f"/schema/{name}_1")


def test_a_collection_whose_vector_has_no_name_is_derived_exactly(connection: Connection, make: Callable[..., str]) -> None:
    name = make(vectorizer="none", vectorIndexType="flat", vectorIndexConfig={"distance": "l2-squared", "bq": {"enabled": True}})
    raw = schema_of(connection, name)
    assert [(kind.name, kind.index, kind.distance, kind.quantiser) for kind in vector_kinds(raw)] == [
        ("", "flat", "l2-squared", "bq")
    ]
    target = derived(raw, name=f"{name}_1", vector="default", width=17, metric="l2")
    assert compare(raw, target) == (f"/class: '{name}' -> '{name}_1'",)
    connection.rest("POST", "/schema", body=target)
    try:
        assert compare(target, schema_of(connection, f"{name}_1")) == ()
        assert put(connection, f"{name}_1", 17, vector="") == set()
    finally:
        connection.rest("DELETE", f"/schema/{name}_1")


def test_tenants_and_their_automatic_settings_come_along(connection: Connection, make: Callable[..., str]) -> None:
    name = make(multiTenancyConfig={"enabled": True, "autoTenantActivation": True, "autoTenantCreation": True})
    target = derived(schema_of(connection, name), name=f"{name}_1", vector="", width=9, metric="cosine")
    connection.rest("POST", "/schema", body=target)
    try:
        assert compare(target, schema_of(connection, f"{name}_1")) == ()
    finally:
        connection.rest("DELETE", f"/schema/{name}_1")


def test_the_vector_that_moves_is_found_or_those_that_are_there_are_told(connection: Connection, source: str) -> None:
    raw = schema_of(connection, source)
    assert vector_kind(raw, "flat").distance == "dot"
    for name in ("", "default", "other"):
        with pytest.raises(UnknownName, match=r"has (\w+, )+\w+: name the one that moves"):
            vector_kind(raw, name)


def test_a_multi_vector_and_one_that_is_too_wide_are_refused(connection: Connection, source: str) -> None:
    raw = schema_of(connection, source)
    with pytest.raises(Unfit, match="multi-vector"):
        derived(raw, name="X", vector="many", width=17, metric="cosine")
    with pytest.raises(Unfit, match="65535"):
        derived(raw, name="X", vector="moving", width=65_536, metric="cosine")


def test_an_alias_is_no_collection_and_what_is_gone_is_superseded(connection: Connection, make: Callable[..., str]) -> None:
    name = make()
    connection.rest("POST", "/aliases", body={"alias": "Other", "class": name})
    try:
        assert schema_found(connection, "Other") is None
        assert name in {raw["class"] for raw in all_schemas(connection)}
    finally:
        connection.rest("DELETE", "/aliases/Other")
    with pytest.raises(Superseded):
        schema_of(connection, "Nothing")


def test_what_a_module_makes_is_brought_by_the_writer_from_then_on() -> None:
    """The moving vector leaves its module; a vector beside it keeps its own."""
    made_by = {"text2vec-transformers": {"vectorizeClassName": False, "poolingStrategy": "masked_mean"}}
    properties = [
        {
            "name": "title",
            "dataType": ["text"],
            "moduleConfig": {"text2vec-transformers": {"skip": False, "vectorizePropertyName": False}},
        },
    ]
    asked: list[str] = []

    def vector_of(text: str) -> list[float]:
        asked.append(text)
        return [0.5, 0.5, 0.5]

    with with_transformers(vector_of) as server, closing(Connection(Address.parse(server.url), Credentials())) as connection:
        nameless = {"class": "Nameless", "vectorizer": "text2vec-transformers", "moduleConfig": made_by, "properties": properties}
        named = {
            "class": "Named",
            "properties": [{"name": "title", "dataType": ["text"]}],
            "vectorConfig": {name: {"vectorizer": {**made_by}, "vectorIndexType": "hnsw"} for name in ("moving", "other")},
        }
        for body in (nameless, named):
            connection.rest("POST", "/schema", body=body)
            connection.rest("POST", "/objects", body={"class": body["class"], "properties": {"title": "a"}})
        assert asked
        for name, vector in (("Nameless", ""), ("Named", "moving")):
            raw = schema_of(connection, name)
            assert vector_kind(raw, vector).module == "text2vec-transformers"
            target = derived(raw, name=f"{name}_1", vector=vector, width=4, metric="cosine")
            connection.rest("POST", "/schema", body=target)
            held = schema_of(connection, f"{name}_1")
            assert compare(target, held) == ()
            assert vector_kind(held, vector).module == "none"
            asked.clear()
            put(connection, f"{name}_1", 4, size=1, vector=vector)
            assert bool(asked) == (name == "Named"), "only the vector beside is still made"
        assert vector_kind(schema_of(connection, "Named_1"), "other").module == "text2vec-transformers"
