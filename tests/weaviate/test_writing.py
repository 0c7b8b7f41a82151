"""Objects are copied exactly, but for the times that the server sets itself; what a batch did not take is named."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from transvase.adapters.weaviate.collections.shape import shape_of
from transvase.adapters.weaviate.objects.cargo import Cargo, same
from transvase.adapters.weaviate.objects.copies import fetch
from transvase.adapters.weaviate.objects.reading import Lens, Seen, page
from transvase.adapters.weaviate.objects.writing import aligned, drop, put, put_whole, restamp
from transvase.adapters.weaviate.wire.address import Address
from transvase.adapters.weaviate.wire.connection import Connection, connected
from transvase.core.errors import BadValue, SpaceMismatch, Superseded, TransvaseError
from transvase.core.template import reading
from weaviate_objects import Application, Json, applied, collection, text_property, told, uid, vector
from weaviate_rich import FULL, PHONE, PLAIN, VECTORS, objects, several
from weaviate_server import Node, one_node

pytestmark = pytest.mark.weaviate

LENS = Lens("moves")
BODY = reading("{body}", ["body"])


@pytest.fixture(scope="module")
def server() -> Iterator[Node]:
    with one_node() as node:
        yield node


@pytest.fixture(scope="module")
def connection(server: Node) -> Iterator[Connection]:
    made = connected(Address.parse(server.url))
    yield made
    made.close()


@pytest.fixture
def application(server: Node) -> Iterator[Application]:
    with applied(server) as made:
        yield made
        for one in made.web.get("/v1/schema").json()["classes"]:
            made.web.delete(f"/v1/schema/{one['class']}")


def rich(application: Application, *names: str, more: tuple[Json, ...] = ()) -> None:
    for name in names:
        schema = collection(name, properties=[*PLAIN, *({**one, "dataType": _own(one, name)} for one in more)], vectors=())
        application.make({**schema, "vectorConfig": VECTORS})


def _own(one: Json, name: str) -> list[str]:
    return [name if kind == "ITSELF" else kind for kind in one["dataType"]]


def copied(connection: Connection, source: str, target: str) -> dict[object, str]:
    seen = page(connection, shape_of(connection, source), LENS, after=None, limit=100)
    return dict(put(connection, shape_of(connection, target), seen, moving="moves", width=16))


def test_every_kind_of_property_and_vector_is_copied_exactly(connection: Connection, application: Application) -> None:
    rich(application, "One", "Two")
    application.put("One", *objects())
    assert shape_of(connection, "One").plain
    assert copied(connection, "One", "Two") == {}
    assert told(application.all("Two"), name="Two") == told(application.all("One"), name="One")
    assert len(application.all("Two")) == 6


def test_references_and_phone_numbers_are_copied_exactly(connection: Connection, application: Application) -> None:
    """To another collection, to its own, to one of both, and to an object that is not there."""
    application.make(collection("Author"))
    application.put("Author", {"id": str(uid(50)), "properties": {"body": "n"}})
    refers = [{"name": "by", "dataType": ["Author"]}, {"name": "parent", "dataType": ["ITSELF"]}]
    rich(application, "One", "Two", more=(PHONE, *refers, {"name": "any", "dataType": ["Author", "ITSELF"]}))
    author, itself, gone = (f"weaviate://localhost/{at}" for at in (f"Author/{uid(50)}", f"One/{uid(2)}", f"One/{uid(99)}"))
    number = {"tel": {"input": "020 1234567", "defaultCountry": "nl"}}
    application.put("One", *objects(), {"id": str(uid(7)), "properties": {**FULL, **number}, **several(7)})
    application.refer("One", uid(7), by=[author], parent=[itself, gone], any=[author, itself, gone, author])
    application.refer("One", uid(2), parent=[itself], by=[author.replace(str(uid(50)), str(uid(n))) for n in range(40)])
    assert not shape_of(connection, "One").plain
    assert copied(connection, "One", "Two") == {}
    found = told(application.all("Two"), name="Two")
    assert found == told(application.all("One"), name="One")
    (seventh,) = [one for one in application.all("Two") if one["id"] == str(uid(7))]
    assert seventh["properties"]["parent"][0]["beacon"] == f"weaviate://localhost/Two/{uid(2)}"
    assert seventh["properties"]["tel"]["internationalFormatted"] == "+31 20 123 4567"


def test_both_ways_of_reading_see_the_same(connection: Connection, application: Application) -> None:
    """The same objects in a collection that gRPC carries whole, and in one with a reference, which is read over REST."""
    application.make(collection("Author"))
    rich(application, "One")
    rich(application, "Two", more=({"name": "by", "dataType": ["Author"]},))
    for name in ("One", "Two"):
        application.put(name, *objects())
    sides = [page(connection, shape_of(connection, name), LENS, after=None, limit=100) for name in ("One", "Two")]
    assert [shape_of(connection, name).plain for name in ("One", "Two")] == [True, False]
    assert len(sides[0]) == 6
    for one, other in zip(*sides, strict=True):
        assert one.key == other.key
        assert same(one.cargo, other.cargo)
        assert one.digest == other.digest
        assert (one.vector is None) == (other.vector is None)
        assert one.vector is None or np.array_equal(one.vector, other.vector)


def test_a_copy_of_a_copy_is_the_same_once_more(connection: Connection, application: Application) -> None:
    rich(application, "One", "Two")
    application.put("One", *objects())
    for _ in range(2):
        copied(connection, "One", "Two")
        assert copied(connection, "Two", "One") == {}
    assert told(application.all("Two"), name="Two") == told(application.all("One"), name="One")


def test_what_is_written_replaces_all_that_was_there(connection: Connection, application: Application) -> None:
    rich(application, "One", "Two")
    application.put("One", {"id": str(uid(1)), "properties": {"body": "short"}})
    application.put("Two", *objects())
    copied(connection, "One", "Two")
    found = application.one("Two", uid(1))
    assert found is not None
    assert found["properties"] == {"body": "short"}
    assert not found.get("vectors")


def test_a_vector_of_another_width_is_refused_before_anything_is_sent(connection: Connection, application: Application) -> None:
    application.make(collection("One"))
    shape = shape_of(connection, "One")
    good, bad = (
        Seen((uid(n),), Cargo({"body": "x"}), np.array(vector(n, width), dtype=np.float32)) for n, width in ((1, 16), (2, 17))
    )
    with pytest.raises(BadValue, match="16 dimensions"):
        put(connection, shape, [good, bad], moving="", width=16)
    with pytest.raises(BadValue):
        restamp(connection, shape, bad, moving="", width=16, read=BODY)
    assert application.all("One") == []


def test_a_batch_that_was_taken_in_part_names_what_was_not(connection: Connection, application: Application) -> None:
    """The index holds 16 wide vectors, and the caller is mistaken about it: the server refuses object by object."""
    application.make(collection("One"))
    application.put("One", {"id": str(uid(1)), "properties": {"body": "x"}, "vector": vector(1)})
    shape = shape_of(connection, "One")
    wide = Seen((uid(2),), Cargo({"body": "wide"}), np.array(vector(2, 17), dtype=np.float32))
    bare = Seen((uid(3),), Cargo({"body": "bare"}))
    failed = put(connection, shape, [wide, bare], moving="", width=17)
    assert list(failed) == [(uid(2),)]
    assert "17" in failed[(uid(2),)]
    assert [one["id"] for one in application.all("One")] == sorted([str(uid(1)), str(uid(3))])
    with pytest.raises(SpaceMismatch):
        put_whole(connection, shape, [bare, wide], moving="", width=17, budget_s=5)


def test_a_refusal_where_there_are_references_names_its_object_too(connection: Connection, application: Application) -> None:
    application.make(collection("Author"))
    application.make(collection("One", properties=[text_property("body"), {"name": "by", "dataType": ["Author"]}]))
    application.put("One", {"id": str(uid(1)), "properties": {"body": "x"}, "vector": vector(1)})
    shape = shape_of(connection, "One")
    wide = Seen((uid(2),), Cargo({"body": "wide"}), np.array(vector(2, 17), dtype=np.float32))
    failed = put(connection, shape, [wide, Seen((uid(3),), Cargo({"body": "bare"}))], moving="", width=17)
    assert list(failed) == [(uid(2),)]
    assert len(application.all("One")) == 2


def test_a_lasting_refusal_ends_in_an_error_that_names_the_object(connection: Connection, application: Application) -> None:
    application.make(collection("One"))
    odd = Seen((uid(2),), Cargo({"body": 5}))
    with pytest.raises(TransvaseError, match=str(uid(2))):
        put_whole(connection, shape_of(connection, "One"), [odd], moving="", width=16, budget_s=5)


def test_a_new_vector_leaves_all_else_as_it_is(connection: Connection, application: Application) -> None:
    rich(application, "One")
    application.put("One", *objects())
    before = application.one("One", uid(1))
    shape = shape_of(connection, "One")
    one = fetch(connection, shape, LENS, [(uid(1),)])[(uid(1),)]
    application.patch("One", uid(1), {"team": "blue"})
    restamp(connection, shape, one.holding(np.array(vector(9), dtype=np.float32)), moving="moves", width=16, read=BODY)
    after = application.one("One", uid(1))
    assert before is not None
    assert after is not None
    assert after["vectors"] == {**before["vectors"], "moves": after["vectors"]["moves"]}
    assert np.array_equal(np.float32(after["vectors"]["moves"]), np.float32(vector(9)))
    assert after["properties"] == {**before["properties"], "team": "blue"}


def test_a_new_vector_for_what_is_gone_makes_nothing(connection: Connection, application: Application) -> None:
    application.make(collection("One"))
    lost = Seen((uid(1),), Cargo({"body": "x"}), np.array(vector(1), dtype=np.float32))
    restamp(connection, shape_of(connection, "One"), lost, moving="", width=16, read=BODY)
    assert application.all("One") == []


def test_a_new_vector_is_not_given_to_another_text_than_it_was_made_of(connection: Connection, application: Application) -> None:
    """It would stay there until a payment comes by again, and searches would meet the one text by the vector of the other."""
    application.make(collection("One"))
    application.put("One", {"id": str(uid(1)), "properties": {"body": "x"}, "vector": vector(1)})
    shape = shape_of(connection, "One")
    one = fetch(connection, shape, Lens(""), [(uid(1),)])[(uid(1),)]
    application.put("One", {"id": str(uid(1)), "properties": {"body": "y"}, "vector": vector(2)})
    restamp(connection, shape, one, moving="", width=16, read=BODY)
    after = application.one("One", uid(1))
    assert after is not None
    assert np.array_equal(np.float32(after["vector"]), np.float32(vector(2)))


def test_dropping_takes_what_was_named_and_nothing_else(connection: Connection, application: Application) -> None:
    application.make(collection("One"))
    application.put("One", *({"id": str(uid(n)), "properties": {"body": str(n)}} for n in range(30)))
    drop(connection, shape_of(connection, "One"), [(uid(n),) for n in (3, 4, 5, 77)])
    assert len(application.all("One")) == 27
    assert application.one("One", uid(4)) is None


def test_large_objects_go_in_several_requests(connection: Connection, application: Application) -> None:
    application.make(
        collection("One", properties=[{"name": "body", "dataType": ["text"], "indexSearchable": False, "indexFilterable": False}])
    )
    heavy = [Seen((uid(n),), Cargo({"body": "x" * 3_000_000})) for n in range(8)]
    assert put(connection, shape_of(connection, "One"), heavy, moving="", width=16) == {}
    query = "{ Aggregate { One { meta { count } } } }"
    counted = application.web.post("/v1/graphql", json={"query": query}).json()
    assert counted["data"]["Aggregate"]["One"][0]["meta"]["count"] == 8


def test_properties_that_the_target_lacks_are_added_as_they_stand(connection: Connection, application: Application) -> None:
    application.make(collection("Author"))
    more = ({"name": "by", "dataType": ["Author", "ITSELF"]}, {"name": "pages", "dataType": ["int"], "indexRangeFilters": True})
    rich(application, "One", more=more)
    rich(application, "Two")
    shape = aligned(connection, shape_of(connection, "One"), shape_of(connection, "Two"))
    assert shape.properties["by"].targets == ("Author", "Two")
    assert shape.properties["pages"].raw == shape_of(connection, "One").properties["pages"].raw


def test_a_collection_that_is_gone_has_no_shape(connection: Connection, application: Application) -> None:
    """An alias of that name is none either: it would answer with the schema of its target."""
    application.make(collection("One"))
    application.web.post("/v1/aliases", json={"alias": "Two", "class": "One"})
    for name in ("Two", "Never"):
        with pytest.raises(Superseded):
            shape_of(connection, name)
    application.web.delete("/v1/aliases/Two")
