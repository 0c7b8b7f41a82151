"""What adopt refuses on a real server, each time with nothing changed and with what to do about it; and what plan foresees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from transvase.adapters.weaviate.collections.control import AliasRow, Control
from transvase.adapters.weaviate.collections.inspect import inspected
from transvase.adapters.weaviate.collections.outlook import blind_spots, outlook
from transvase.adapters.weaviate.collections.schema import schema_of
from transvase.adapters.weaviate.wire.connection import Connection
from transvase.core.declaration import Alias, Declaration, Proposal, Source
from transvase.core.errors import BadValue, Unfit, UnknownName
from transvase.core.space import Space
from weaviate_ground import Guarded, put, self_provided

pytestmark = [pytest.mark.weaviate, pytest.mark.usefixtures("clean")]

SPACE = Space(
    weights="w",
    tokenizer="t",
    modules="m",
    pooling="mean",
    query_prompt="",
    document_prompt="",
    normalised=True,
    max_length=64,
    dimension=8,
)


def proposal(table: str, **changes: Any) -> Proposal:
    source = Source(
        table=table, key=changes.pop("key", ("uuid",)), text=changes.pop("text", "{title}"), vector=changes.pop("vector", "")
    )
    return Proposal(**{"alias": "docs", "source": source, "space": SPACE, "encoder": "enc", **changes})


@pytest.fixture
def docs(connection: Connection, make: Callable[..., str]) -> str:
    name = make(
        properties=[
            *({"name": kind, "dataType": [kind]} for kind in ("int", "number", "date", "blob")),
            {"name": "title", "dataType": ["text"]},
            {"name": "tags", "dataType": ["text[]"]},
            {"name": "days", "dataType": ["date[]"]},
        ],
        vectorConfig={"default": self_provided(), "second": self_provided(distance="l2-squared")},
    )
    put(connection, name, 8)
    return name


def test_a_sound_collection_is_declared_as_it_is(connection: Connection, docs: str) -> None:
    found = inspected(connection, proposal(docs))
    assert found == Declaration(
        name=docs, space=SPACE, encoder="enc", text="{title}", width=8, metric="cosine", form="float32", adopted=True
    )
    assert inspected(connection, proposal(docs[0].lower() + docs[1:])) == found, "the server puts the capital"
    assert inspected(connection, proposal(docs, vector="default", space=None, encoder="unknown")).width == 8
    assert inspected(connection, proposal(docs, text="{title?} {tags?}")).text == "{title?} {tags?}"


def test_vectors_that_are_one_wider_are_an_earlier_fence(connection: Connection, make: Callable[..., str]) -> None:
    name = make()
    put(connection, name, 9)
    assert inspected(connection, proposal(name)).width == 9


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"alias": "my-docs"}, "letters, digits and underscores"),
        ({"alias": ""}, "letters, digits and underscores"),
        ({"alias": "x" * 41}, "between 1 and 40"),
        ({"alias": "TransvaseControl"}, "choose another name"),
        ({"table": "TransvaseControl"}, "what Transvase itself remembers"),
        ({"table": "no-name"}, "no collection's name"),
        ({"key": ("tenant", "uuid")}, "objects are known by their ids"),
        ({"text": "{nothing}"}, "has no property 'nothing'; its properties are .*title"),
        ({"text": "nothing"}, "has no property"),
        ({"text": "{title"}, "not a valid template"),
        ({"text": "{title:>3}"}, "without a format"),
        ({"text": "{{}}"}, "names no property"),
        ({"text": "{blob}"}, "of type blob"),
        ({"text": "{days?}"}, r"of type date\[\]"),
        ({"text": "{nothing?}"}, "has no property 'nothing'"),
        ({"text": "{number}"}, "of type number"),
    ],
)
def test_a_call_that_cannot_be_meant_is_misuse(connection: Connection, docs: str, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(BadValue, match=words):
        inspected(connection, proposal(**{"table": docs, **changes}))


def test_what_is_not_there_is_named_beside_what_is(connection: Connection, docs: str) -> None:
    with pytest.raises(UnknownName, match=docs):
        inspected(connection, proposal("Nowhere"))
    with pytest.raises(UnknownName, match="default, second"):
        inspected(connection, proposal(docs, vector="third"))
    with pytest.raises(UnknownName, match=r"the key of .* is uuid"):
        inspected(connection, proposal(docs, key=("id",)))


def test_a_property_is_no_key_and_no_vector(connection: Connection, docs: str) -> None:
    with pytest.raises(Unfit, match="title does not identify the objects"):
        inspected(connection, proposal(docs, key=("title",)))
    with pytest.raises(Unfit, match=r"title .*is a property"):
        inspected(connection, proposal(docs, vector="title"))


def test_an_encoder_of_another_width_is_refused(connection: Connection, docs: str) -> None:
    with pytest.raises(Unfit, match="holds vectors of 8 dimensions, and enc makes 6"):
        inspected(connection, proposal(docs, space=replace(SPACE, dimension=6)))


def test_a_vector_that_no_object_has_shows_nothing(connection: Connection, docs: str, make: Callable[..., str]) -> None:
    for name, vector in ((docs, "second"), (make(), "")):
        with pytest.raises(Unfit, match="holds no vector"):
            inspected(connection, proposal(name, vector=vector))


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (self_provided(distance="manhattan"), "compared by manhattan"),
        (self_provided(distance="hamming"), "compared by hamming"),
        (self_provided(multivector={"enabled": True}), "a multi-vector"),
        (self_provided(skip=True), "skip is on"),
    ],
)
def test_a_vector_that_cannot_move_is_refused(
    connection: Connection, make: Callable[..., str], config: dict[str, Any], words: str
) -> None:
    with pytest.raises(Unfit, match=words):
        inspected(connection, proposal(make(vectorConfig={"default": config})))


def test_widths_that_differ_between_shards_are_refused(connection: Connection, make: Callable[..., str]) -> None:
    """An empty shard takes whatever width comes first."""
    name = make(shardingConfig={"desiredCount": 3})
    put(connection, name, 8, size=1)
    put(connection, name, 9, size=20, start=50)
    with pytest.raises(Unfit, match="8, 9 dimensions in different shards"):
        inspected(connection, proposal(name))


def test_an_alias_given_for_a_collection_says_which_one_it_names(connection: Connection, docs: str) -> None:
    connection.rest("POST", "/aliases", body={"alias": "Pointer", "class": docs})
    try:
        with pytest.raises(Unfit, match=f"name the collection: {docs}"):
            inspected(connection, proposal("Pointer"))
    finally:
        connection.rest("DELETE", "/aliases/Pointer")


def test_an_alias_that_is_taken_is_refused(connection: Connection, docs: str, make: Callable[..., str]) -> None:
    other = make()
    with pytest.raises(Unfit, match="the name of the collection itself"):
        inspected(connection, proposal(docs, alias=docs))
    with pytest.raises(Unfit, match="the name of a collection"):
        inspected(connection, proposal(docs, alias=other))
    connection.rest("POST", "/aliases", body={"alias": "Docs", "class": other})
    try:
        with pytest.raises(Unfit, match=f"the alias Docs is there and names {other}"):
            inspected(connection, proposal(docs))
        connection.rest("PUT", "/aliases/Docs", body={"class": docs})
        assert inspected(connection, proposal(docs)).name == docs
    finally:
        connection.rest("DELETE", "/aliases/Docs")


def test_a_collection_under_another_alias_of_ours_is_refused(connection: Connection, docs: str) -> None:
    declared = inspected(connection, proposal(docs))
    Control(connection).keep(declared, alias="letters")
    with pytest.raises(Unfit, match=r"served under the alias 'letters' already"):
        inspected(connection, proposal(docs))
    assert inspected(connection, proposal(docs, alias="letters")) == declared


def test_a_collection_with_tenants_needs_their_key_and_one_that_is_awake(
    connection: Connection, make: Callable[..., str]
) -> None:
    name = make(multiTenancyConfig={"enabled": True})
    connection.rest("POST", f"/schema/{name}/tenants", body=[{"name": "a"}, {"name": "b"}, {"name": "empty"}])
    put(connection, name, 8, tenant="a")
    with pytest.raises(BadValue, match=r"the key of .* is tenant,uuid"):
        inspected(connection, proposal(name))
    mine = proposal(name, key=("tenant", "uuid"))
    assert inspected(connection, mine).width == 8
    put(connection, name, 9, tenant="b")
    with pytest.raises(Unfit, match="8, 9 dimensions in different shards or tenants"):
        inspected(connection, mine)
    asleep = [{"name": tenant, "activityStatus": "INACTIVE"} for tenant in ("a", "b", "empty")]
    connection.rest("PUT", f"/schema/{name}/tenants", body=asleep)
    with pytest.raises(Unfit, match="none of the 3 tenants"):
        inspected(connection, mine)


def test_tenants_that_are_empty_are_passed_over(connection: Connection, make: Callable[..., str]) -> None:
    name = make(multiTenancyConfig={"enabled": True})
    tenants = [{"name": f"t{number:02}"} for number in range(23)]
    connection.rest("POST", f"/schema/{name}/tenants", body=[*tenants, {"name": "asleep", "activityStatus": "INACTIVE"}])
    mine = proposal(name, key=("tenant", "uuid"))
    with pytest.raises(Unfit, match=r"holds no vector .* \(1 of its tenants sleep and were not looked at\)"):
        inspected(connection, mine)
    put(connection, name, 8, tenant="t22")
    assert inspected(connection, mine).width == 8


def test_refusals_leave_nothing_on_the_server(connection: Connection, docs: str) -> None:
    before = connection.rest("GET", "/schema")
    inspected(connection, proposal(docs))
    assert connection.rest("GET", "/schema") == before
    assert connection.rest("GET", "/schema/TransvaseControl") is None


@pytest.fixture
def walled(guarded: Guarded) -> Iterator[Connection]:
    root = guarded.as_user("root-key")
    for name in ("Walled", "Walled_1"):
        root.rest("POST", "/schema", body={"class": name, "vectorConfig": {"default": self_provided()}, "properties": [TITLE]})
    put(root, "Walled", 8)
    yield root
    for name in ("Walled", "Walled_1"):
        root.rest("DELETE", f"/schema/{name}")
    root.rest("DELETE", "/aliases/Docs")
    root.close()


TITLE = {"name": "title", "dataType": ["text"]}
READING = [
    {"action": "read_collections", "collections": {"collection": "Walled"}},
    {"action": "read_data", "data": {"collection": "Walled"}},
]


def test_rights_that_are_lacking_are_all_named(guarded: Guarded, walled: Connection) -> None:
    guarded.grant(READING)
    app = guarded.as_user("app-key")
    with pytest.raises(Unfit) as refused:
        inspected(app, proposal("Walled"))
    said = str(refused.value)
    assert "read_data on Walled" not in said
    for right in (
        "update_data on Walled",
        "create_collections on TransvaseControl",
        "update_aliases on Walled through alias Docs",
    ):
        assert right in said
    app.close()
    assert inspected(walled, proposal("Walled")).width == 8


def test_the_rights_that_must_be_granted_before_the_switch_are_told(guarded: Guarded, walled: Connection) -> None:
    guarded.grant([*READING, {"action": "read_aliases", "aliases": {"alias": "Docs", "collection": "Walled"}}])
    walled.rest("POST", "/aliases", body={"alias": "Docs", "class": "Walled"})
    live = inspected(walled, proposal("Walled"))
    alias = Alias(name="docs", source=proposal("Walled").source, live=live, shadow=None, generation=1)
    target = replace(live, name="Walled_1", width=9, adopted=False)
    warnings = outlook(walled, alias, target).warnings
    (granting,) = [said for said in warnings if "grant to the role" in said]
    wanted = ("read_aliases on Walled_1 through alias Docs", "read_collections on Walled_1", "read_data on Walled_1")
    assert granting == f"before the switch grant to the role apprentice: {'; '.join(wanted)}"
    app = guarded.as_user("app-key")
    assert app.rest("GET", "/objects?class=Docs&limit=1")["objects"]
    walled.rest("PUT", "/aliases/Docs", body={"class": "Walled_1"})
    with pytest.raises(Unfit):
        app.rest("GET", "/objects?class=Docs&limit=1")
    guarded.grant(
        [
            *READING,
            {"action": "read_data", "data": {"collection": "Walled*"}},
            {"action": "read_collections", "collections": {"collection": "Walled*"}},
        ]
    )
    app.rest("GET", "/objects?class=Docs&limit=1")
    assert not [said for said in outlook(walled, alias, target).warnings if "grant to the role" in said]
    app.close()


def test_plan_foresees_what_a_copy_would_meet(connection: Connection, make: Callable[..., str]) -> None:
    name = make(invertedIndexConfig={"indexTimestamps": True})
    put(connection, name, 8)
    pointing = make(properties=[{"name": "to", "dataType": [name]}])
    connection.rest("POST", "/aliases", body={"alias": "Besides", "class": name})
    live = inspected(connection, proposal(name))
    alias = Alias(name="docs", source=proposal(name).source, live=live, shadow=None, generation=1)
    target = replace(live, name=f"{name}_1", width=9, adopted=False)
    try:
        seen = outlook(connection, alias, target)
    finally:
        connection.rest("DELETE", "/aliases/Besides")
    assert (seen.records, seen.refusals, seen.locks) == (10, (), ())
    assert seen.index_bytes == 10 * (9 * 4 + 64 * 12)
    assert 10 * 64 < seen.table_bytes < 10 * 200
    said = "\n".join(seen.warnings)
    for words in (f"{pointing}.to", "Besides", "those of the copying", "auto-schema", "for each shard"):
        assert words in said
    assert "found by their time" in blind_spots(schema_of(connection, name))
    sharing = outlook(connection, alias, replace(live, name="Q", shares=name))
    assert (sharing.table_bytes, sharing.index_bytes, sharing.warnings) == (0, 0, ())
    refused = outlook(connection, replace(alias, shadow=replace(target, name="Open")), replace(target, width=70_000))
    assert len(refused.refusals) == 2


def test_plan_says_when_writes_by_others_are_found_late_and_counts_sleepers(
    connection: Connection, make: Callable[..., str]
) -> None:
    name = make(multiTenancyConfig={"enabled": True, "autoTenantCreation": True})
    connection.rest("POST", f"/schema/{name}/tenants", body=[{"name": "a"}, {"name": "b", "activityStatus": "INACTIVE"}])
    put(connection, name, 8, tenant="a")
    mine = proposal(name, key=("tenant", "uuid"))
    live = inspected(connection, mine)
    alias = Alias(name="docs", source=mine.source, live=live, shadow=None, generation=1)
    seen = outlook(connection, alias, replace(live, name=f"{name}_1", adopted=False))
    said = "\n".join(seen.warnings)
    assert "reconciling alone" in blind_spots(schema_of(connection, name))
    for words in ("1 of 2 tenants", "put back: b", "autoTenantCreation", "both sides are 8 wide"):
        assert words in said
    assert seen.records == 10


def test_a_row_of_an_alias_is_no_hindrance_to_its_own_collection(connection: Connection, docs: str) -> None:
    row = AliasRow(name="docs", source=proposal(docs).source, live=docs, shadow=None, generation=1, ledger="x")
    Control(connection).save(row)
    Control(connection).keep(inspected(connection, proposal(docs)), alias="docs")
    assert inspected(connection, proposal(docs)).name == docs
