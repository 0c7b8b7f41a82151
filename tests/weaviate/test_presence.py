"""A server that is being started says of what it has not loaded that it is not there: nobody is to take it at its word."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from transvase.adapters.weaviate.collections.control import Control
from transvase.adapters.weaviate.collections.schema import schema_found, schema_here
from transvase.adapters.weaviate.wire.address import Address
from transvase.adapters.weaviate.wire.connection import Connection
from transvase.adapters.weaviate.wire.credentials import Credentials
from transvase.adapters.weaviate.wire.failures import Kind, kind_of, passing
from transvase.adapters.weaviate.wire.presence import Presence, collection_of
from transvase.core.errors import StoreFailed, Superseded
from transvase.core.ports import Declaration
from weaviate.proto.v1 import batch_pb2
from weaviate_ground import put, self_provided
from weaviate_objects import uid
from weaviate_server import Node

pytestmark = [pytest.mark.weaviate, pytest.mark.long]

STARTS = 5
COLLECTIONS = 8


@pytest.fixture(scope="module")
def stocked(server: Node) -> Iterator[Connection]:
    connection = Connection(Address.parse(server.url), Credentials())
    for number in range(COLLECTIONS):
        body = {"class": f"Stock{number}", "vectorConfig": {"default": self_provided()}}
        connection.rest("POST", "/schema", body=body)
        assert put(connection, f"Stock{number}", 3) == set()
    yield connection
    connection.close()


def soon(ask: Callable[[], object]) -> object:
    """What is answered as soon as anything is: until then the server is away, which is said as a passing failure."""
    while True:
        try:
            return ask()
        except StoreFailed as error:
            if not passing(error):
                raise


@pytest.mark.timeout(300)
def test_what_is_there_is_never_said_not_to_be_while_the_server_starts(server: Node, stocked: Connection) -> None:
    control = Control(stocked)
    kept = Declaration(
        name="Stock5", space=None, encoder="unknown", text="title", width=3, metric="cosine", form="float32", adopted=True
    )
    control.keep(kept, alias="stock")
    last = stocked.rest("GET", "/objects?class=Stock7&limit=1", index="Stock7")["objects"][0]["id"]
    later = {"class": "Stock7", "id": last, "properties": {"title": "changed"}}
    again = batch_pb2.BatchObjectsRequest(objects=[batch_pb2.BatchObject(collection="Stock3", uuid=str(uid(900)))])
    asked: tuple[Callable[[], object], ...] = (
        lambda: stocked.batch(again, index="Stock3"),
        lambda: stocked.rest("PATCH", f"/objects/Stock7/{last}", body=later, index="Stock7"),
        lambda: stocked.rest("GET", f"/objects/Stock7/{last}")["id"],
        lambda: control.index("Stock5") is not None,
        lambda: [one.name for one in control.indexes("stock")],
        lambda: stocked.count("Stock6"),
        lambda: len(stocked.rest("GET", "/objects?class=Stock5&limit=3", index="Stock5")["objects"]),
        lambda: len(stocked.rest("GET", "/schema/Stock4/shards")),
        lambda: (schema_here(stocked, "Stock2") or {}).get("class"),
        lambda: (schema_found(stocked, "Stock1") or {}).get("class"),
    )
    wanted = [{}, None, last, True, ["Stock5"], 10, 3, 1, "Stock2", "Stock1"]
    for start in (-1, -2, *range(STARTS)):
        server.kill()
        server.start()
        first = soon(asked[start])  # each of them finds the server at its youngest once
        assert first == wanted[start]
        while not server.ready():
            assert [soon(one) for one in asked] == wanted
        assert [soon(one) for one in asked] == wanted


def test_a_collection_that_comes_between_two_looks_at_a_batch_is_no_fault_of_the_batch(stocked: Connection) -> None:
    """A server that is being started may not know it at the first look, and know it when it would make it of what it guesses."""
    for turn in range(5):
        name = f"Between{turn}"
        batches = [
            batch_pb2.BatchObjectsRequest(objects=[batch_pb2.BatchObject(collection=name, uuid=str(uid(number)))])
            for number in range(8)
        ]
        with ThreadPoolExecutor(len(batches)) as aside:  # only one of them makes it: it is there for all the others
            told = list(aside.map(lambda one: stocked.batch(one, index=name), batches))  # noqa: B023 - over before the next
        assert (told, stocked.count(name)) == ([{}] * len(batches), len(batches))


def test_what_is_not_there_is_believed(server: Node, stocked: Connection) -> None:
    assert stocked.rest("GET", f"/objects/Stock0/{uid(77)}") is None
    assert stocked.rest("GET", f"/objects/Never/{uid(77)}") is None
    with pytest.raises(Superseded):
        stocked.count("Never")
    with pytest.raises(Superseded):
        stocked.rest("GET", "/objects?class=Never&limit=1", index="Never")


def test_a_host_that_does_not_come_to_serve_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transvase.adapters.weaviate.wire.presence.PATIENCE_S", 0.2)
    presence = Presence(lambda path: 404 if path.startswith("/objects") else 200, host="north:8080")
    with pytest.raises(StoreFailed, match="north:8080 is being started and does not serve Stock yet") as caught:
        presence.believed("Stock", asked=time.monotonic())
    assert kind_of(caught.value) is Kind.UNREACHED


def test_a_schema_that_lacks_something_is_looked_at_again_when_the_host_is_ready_or_is_not_for_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("transvase.adapters.weaviate.wire.presence.SETTLING_S", 0.3)
    said = iter([503, 503, 200])
    Presence(lambda path: next(said), host="north:8080").settled()
    assert list(said) == [], "it was waited for until it was ready"
    never = Presence(lambda path: 503, host="north:8080")
    for at_least, at_most in ((0.3, 5.0), (0.0, 0.2)):
        begun = time.monotonic()
        never.settled()
        assert at_least <= time.monotonic() - begun <= at_most


def test_a_host_whose_schema_is_empty_yet_is_not_believed_of_an_object() -> None:
    """Seen of a single server just after it was killed: its own rows were not there, and a moment later they were."""
    asked = list[str]()

    def status(path: str) -> int:
        asked.append(path)
        ready = asked.count("/.well-known/ready") > 2
        return 200 if ready else 503 if path == "/.well-known/ready" else 404

    assert not Presence(status, host="north:8080").believed("Stock", asked=time.monotonic())
    gone = Presence(lambda path: 200 if path == "/.well-known/ready" else 404, host="north:8080")
    assert gone.believed("Stock", asked=time.monotonic())


def test_what_was_asked_before_the_collection_was_served_is_asked_again() -> None:
    answers = {"/objects?class=Stock&limit=1": 404, "/schema/Stock": 200}
    presence = Presence(lambda path: answers[path], host="north:8080")
    answers["/objects?class=Stock&limit=1"] = 200
    asked = time.monotonic()
    assert not presence.believed("Stock", asked=asked), "it may have been loaded after the question"
    assert presence.believed("Stock", asked=time.monotonic())
    assert not presence.believed("Stock", asked=asked)
    assert not presence.believed("Stock", asked=time.monotonic() + 60), "it may have been started again since"


@pytest.mark.parametrize(
    ("path", "collection"),
    [
        ("/objects/Docs/00000000-0000-0000-0000-000000000007?tenant=a", "Docs"),
        ("/objects?limit=5&class=Docs_2&after=", "Docs_2"),
        ("/schema/Docs/shards", "Docs"),
        ("/schema/Docs", None),
        ("/schema/Docs/tenants/a", None),
        ("/aliases/Docs", None),
        ("/batch/objects?tenant=a", "Named"),
    ],
)
def test_only_what_the_host_itself_holds_is_doubted(path: str, collection: str | None) -> None:
    assert collection_of(path, "Named") == collection
