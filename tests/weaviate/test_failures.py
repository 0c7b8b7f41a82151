"""Every sentence that the table of failures knows is said by a real server here, and becomes the error that it should."""

from __future__ import annotations

import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

import grpc
import pytest
from transvase.adapters.weaviate.wire.address import Address
from transvase.adapters.weaviate.wire.connection import Connection
from transvase.adapters.weaviate.wire.credentials import Credentials
from transvase.adapters.weaviate.wire.failures import (
    DOUBTFUL,
    PASSING,
    SIGNS,
    Kind,
    in_doubt,
    kind_of,
    kind_said,
    passing,
    refusal,
    retrying,
    translated,
)
from transvase.core.errors import SpaceMismatch, StoreFailed, Superseded, TransvaseError, Unfit, UnknownName
from weaviate.proto.v1 import base_pb2, base_search_pb2, batch_pb2, search_get_pb2
from weaviate_ground import Guarded, put, self_provided
from weaviate_server import Node, three_nodes

pytestmark = [pytest.mark.weaviate, pytest.mark.long]


def near(name: str, width: int, tenant: str = "") -> search_get_pb2.SearchRequest:
    vector = base_search_pb2.NearVector(vector_bytes=b"\0\0\x80?" * width)
    return search_get_pb2.SearchRequest(
        collection=name, tenant=tenant, limit=1, near_vector=vector, uses_123_api=True, uses_127_api=True
    )


def page(name: str, tenant: str = "", **more: Any) -> search_get_pb2.SearchRequest:
    return search_get_pb2.SearchRequest(collection=name, tenant=tenant, limit=1, uses_123_api=True, uses_127_api=True, **more)


def written(name: str, *, width: int = 3, size: int = 1, tenant: str = "") -> batch_pb2.BatchObjectsRequest:
    objects = [
        batch_pb2.BatchObject(
            collection=name, tenant=tenant, uuid=f"00000000-0000-4000-8000-{i:012x}", vector_bytes=b"\0\0\x80?" * width
        )
        for i in range(size)
    ]
    return batch_pb2.BatchObjectsRequest(objects=objects)


def body(name: str, **more: Any) -> dict[str, Any]:
    return {"class": name, "id": "00000000-0000-4000-8000-0000000000ff", "properties": {}, **more}


def raised(call: Callable[[], object]) -> TransvaseError:
    with pytest.raises(TransvaseError) as caught:
        call()
    assert str(caught.value).isprintable()
    return caught.value


def test_a_collection_that_is_gone_is_superseded_to_who_asked_for_it_by_name(connection: Connection) -> None:
    chosen = {"operator": "Equal", "path": ["id"], "valueText": body("")["id"]}
    for call in (
        lambda: connection.search(page("Gone"), index="Gone"),
        lambda: connection.count("Gone"),
        lambda: connection.rest("GET", "/objects?class=Gone", index="Gone"),
        lambda: connection.rest("POST", "/schema/Gone/tenants", body=[{"name": "a"}], index="Gone"),
        lambda: connection.rest("GET", "/schema/Gone/tenants", index="Gone"),
        lambda: connection.rest("DELETE", f"/objects/{body('Gone')['class']}/{body('')['id']}", index="Gone"),
        lambda: connection.rest("POST", "/schema/Gone/properties", body={"name": "x", "dataType": ["text"]}, index="Gone"),
        lambda: connection.rest("DELETE", "/batch/objects", body={"match": {"class": "Gone", "where": chosen}}, index="Gone"),
    ):
        error = raised(call)
        assert isinstance(error, Superseded), error
        assert error.index == "Gone"
    error = raised(lambda: connection.search(page("Gone")))
    assert isinstance(error, UnknownName)
    assert connection.rest("GET", "/schema/Gone") is None
    assert error.name == "Gone"


def test_an_alias_whose_collection_is_gone_is_told_from_a_missing_alias(connection: Connection, make: Callable[..., str]) -> None:
    name = make()
    connection.rest("POST", "/aliases", body={"alias": "Dangling", "class": name})
    connection.rest("DELETE", f"/schema/{name}")
    try:
        assert isinstance(raised(lambda: connection.batch(written("Dangling"), index="Dangling")), Superseded)
        said = connection.batch(written("Dangling"))
        assert [kind_said(one) for one in said.values()] == [Kind.GONE]
        assert isinstance(refusal(said[0], index="Dangling"), Superseded)
        assert isinstance(raised(lambda: connection.search(page("Dangling"), index="X")), Superseded)
    finally:
        connection.rest("DELETE", "/aliases/Dangling")
    assert kind_of(raised(lambda: connection.rest("PUT", "/aliases/Nowhere", body={"class": name}))) is Kind.MISSING


def test_a_vector_of_the_wrong_width_is_a_mismatch_of_spaces(connection: Connection, make: Callable[..., str]) -> None:
    name = make()
    assert put(connection, name, 5) == set()
    by_rest = raised(lambda: connection.rest("POST", "/objects", body=body(name, vectors={"default": [1, 2, 3, 4]}), index=name))
    assert isinstance(by_rest, SpaceMismatch)
    assert (by_rest.expected, by_rest.found, by_rest.where) == ("5 wide", "4 wide", name)
    (said,) = connection.batch(written(name, width=4)).values()
    assert isinstance(refusal(said, index=name), SpaceMismatch)
    searched = raised(lambda: connection.search(near(name, 4), index=name))
    assert isinstance(searched, SpaceMismatch)
    assert "5 and 4" in str(searched) or "4 and 5" in str(searched)


def test_tenants_that_sleep_are_missing_or_are_not_named(connection: Connection, make: Callable[..., str]) -> None:
    name = make(multiTenancyConfig={"enabled": True})
    connection.rest("POST", f"/schema/{name}/tenants", body=[{"name": "a"}, {"name": "b", "activityStatus": "INACTIVE"}])
    for call in (
        lambda: connection.search(page(name, "b"), index=name),
        lambda: connection.rest("POST", "/objects", body=body(name, tenant="b"), index=name),
        lambda: connection.count(name, "b"),
    ):
        error = raised(call)
        assert isinstance(error, Unfit)
        assert "activate the tenant" in str(error)
    assert [kind_said(said) for said in connection.batch(written(name, tenant="b")).values()] == [Kind.ASLEEP]
    for call in (
        lambda: connection.search(page(name, "c"), index=name),
        lambda: connection.rest("POST", "/objects", body=body(name, tenant="c"), index=name),
    ):
        error = raised(call)
        assert isinstance(error, UnknownName)
        assert (error.kind, error.name) == ("tenant", "c")
    nobody = raised(lambda: connection.search(page(name), index=name))
    assert isinstance(nobody, Unfit)
    assert "name one of the collection's tenants" in str(nobody)


def test_times_that_are_not_indexed_are_named(connection: Connection, make: Callable[..., str]) -> None:
    name = make()
    put(connection, name, 3)
    since = base_pb2.Filters(
        operator=base_pb2.Filters.OPERATOR_GREATER_THAN,
        value_text="2020-01-01T00:00:00Z",
        target=base_pb2.FilterTarget(property="_lastUpdateTimeUnix"),
    )
    error = raised(lambda: connection.search(page(name, filters=since), index=name))
    assert isinstance(error, Unfit)
    assert "indexTimestamps" in str(error)


@pytest.mark.parametrize(("operator", "index"), [("IS_NULL", "nullstate"), ("EQUAL", "indexFilterable")])
def test_a_condition_without_an_index_says_which(
    connection: Connection, make: Callable[..., str], operator: str, index: str
) -> None:
    name = make(properties=[{"name": "shade", "dataType": ["text"], "indexFilterable": False, "indexSearchable": False}])
    put(connection, name, 3)
    value = {"value_boolean": True} if operator == "IS_NULL" else {"value_text": "dark"}
    target = base_pb2.FilterTarget(property="shade")
    filters = base_pb2.Filters(operator=getattr(base_pb2.Filters, f"OPERATOR_{operator}"), target=target, **value)
    request = search_get_pb2.SearchRequest(collection=name, limit=1, filters=filters, uses_127_api=True)
    error = raised(lambda: connection.search(request, index=name))
    assert isinstance(error, Unfit), error
    assert index.casefold() in str(error).casefold()


def test_what_is_there_already_and_what_a_reference_misses(connection: Connection, make: Callable[..., str]) -> None:
    first = make()
    error = raised(lambda: connection.rest("POST", "/schema", body={"class": first}))
    assert kind_of(error) is Kind.EXISTS
    connection.rest("POST", "/objects", body=body(first))
    assert kind_of(raised(lambda: connection.rest("POST", "/objects", body=body(first)))) is Kind.EXISTS
    connection.rest("POST", "/aliases", body={"alias": "Twice", "class": first})
    assert kind_of(raised(lambda: connection.rest("POST", "/aliases", body={"alias": "Twice", "class": first}))) is Kind.EXISTS
    connection.rest("DELETE", "/aliases/Twice")
    second = make(properties=[{"name": "to", "dataType": [first]}])
    beacon = f"weaviate://localhost/{first}/00000000-0000-4000-8000-00000000dead"
    broken = body(second, properties={"to": [{"beacon": beacon}]})
    assert kind_of(raised(lambda: connection.rest("POST", "/objects", body=broken))) is Kind.DANGLING
    away = {**body(first), "id": body("")["id"].replace("ff", "ee")}
    assert kind_of(raised(lambda: connection.rest("PATCH", f"/objects/{first}/{away['id']}", body=away))) is Kind.MISSING


def test_a_reference_that_leads_nowhere_is_told_from_an_object_that_has_no_collection_or_tenant(
    connection: Connection, make: Callable[..., str]
) -> None:
    shared = {"multiTenancyConfig": {"enabled": True}}
    plain, parted = make(), make(**shared)
    source = make(properties=[{"name": "to", "dataType": [plain]}, {"name": "too", "dataType": [parted]}], **shared)
    for name in (source, parted):
        connection.rest("POST", f"/schema/{name}/tenants", body=[{"name": "ada"}])
    connection.rest("POST", f"/schema/{source}/tenants", body=[{"name": "bob"}])
    for tenant in ("ada", "bob"):
        connection.rest("POST", "/objects", body=body(source, tenant=tenant))

    def told(name: str, prop: str, to: str, tenant: str) -> Kind:
        uuid = body("")["id"]
        line = {"from": f"weaviate://localhost/{name}/{uuid}/{prop}", "to": f"weaviate://localhost/{to}/{uuid}", "tenant": tenant}
        (one,) = connection.rest("POST", "/batch/references", body=[line])
        (error,) = one["result"]["errors"]["error"]
        return kind_said(error["message"])

    assert told(source, "to", plain, "ada") is Kind.DANGLING
    assert [told(source, "too", parted, tenant) for tenant in ("ada", "bob")] == [Kind.DANGLING] * 2
    assert told(source, "to", plain, "nobody") is Kind.NO_TENANT
    connection.rest("DELETE", f"/schema/{plain}")
    assert told(source, "to", plain, "ada") is Kind.DANGLING
    assert told(plain, "to", parted, "ada") is not Kind.DANGLING


def test_who_is_not_known_or_not_allowed_is_told_what_to_do(guarded: Guarded) -> None:
    for key in ("", "wrong"):
        for call in (lambda c: c.rest("GET", "/meta"), lambda c: c.search(page("Docs")), Connection.try_out):
            stranger = guarded.as_user(key)
            error = raised(partial(call, stranger))
            stranger.close()
            assert isinstance(error, Unfit)
            assert "TRANSVASE_WEAVIATE_KEY" in str(error)
            assert "wrong" not in str(error)
    guarded.grant([{"action": "read_collections", "collections": {"collection": "Nothing"}}])
    app, root = guarded.as_user("app-key"), guarded.as_user("root-key")
    root.rest("POST", "/schema", body={"class": "Walled", "vectorConfig": {"default": self_provided()}})
    try:
        for call in (lambda: app.rest("GET", "/schema/Walled"), lambda: app.search(page("Walled"), index="Walled")):
            error = raised(call)
            assert isinstance(error, Unfit)
            assert "grant it" in str(error)
        assert [kind_said(said) for said in app.batch(written("Walled")).values()] == [Kind.FORBIDDEN]
    finally:
        root.rest("DELETE", "/schema/Walled")
        app.close()
        root.close()


@pytest.mark.parametrize(
    ("mode", "reads", "writes"), [("ReadOnly", True, False), ("WriteOnly", False, True), ("ScaleOut", True, False)]
)
def test_a_node_in_another_mode_is_waited_for(guarded: Guarded, mode: str, reads: bool, writes: bool) -> None:
    root = guarded.as_user("root-key")
    root.rest("POST", "/schema", body={"class": "Modal", "vectorConfig": {"default": self_provided()}})
    try:
        with guarded.mode(mode):
            started = time.monotonic()
            calls = (
                {False: [lambda: root.rest("GET", "/objects?class=Modal"), lambda: root.search(page("Modal"))]}
                if not reads
                else {}
            )
            if not writes:
                calls = {False: [lambda: root.rest("POST", "/objects", body=body("Modal")), lambda: root.batch(written("Modal"))]}
            for call in calls[False]:
                error = raised(call)
                assert kind_of(error) is Kind.MODE, error
                assert passing(error)
                assert not in_doubt(error)
            assert time.monotonic() - started < 5, "it is told at once, and not after silent retries"
            assert root.nodes()[0].mode == mode
    finally:
        root.rest("DELETE", "/schema/Modal")
        root.close()


def test_a_shard_that_is_read_only_is_waited_for(connection: Connection, make: Callable[..., str]) -> None:
    name = make()
    (shard,) = connection.rest("GET", f"/schema/{name}/shards")
    connection.rest("PUT", f"/schema/{name}/shards/{shard['name']}", body={"status": "READONLY"})
    error = raised(lambda: connection.rest("POST", "/objects", body=body(name), index=name))
    assert (kind_of(error), passing(error), in_doubt(error)) == (Kind.STILL, True, False)
    assert [kind_said(said) for said in connection.batch(written(name)).values()] == [Kind.STILL]


def test_a_message_that_is_too_large_is_to_be_parted(connection: Connection, make: Callable[..., str]) -> None:
    name = make()
    error = raised(lambda: connection.batch(written(name, width=65_000, size=420)))
    assert kind_of(error) is Kind.SIZE, error
    assert not passing(error)


@pytest.fixture
def lonely(node: Node) -> Iterator[Connection]:
    """A connection with little patience."""
    made = Connection(Address.parse(f"{node.url}&timeout=1"), Credentials())
    yield made
    made.close()


def test_a_server_that_does_not_answer_leaves_a_doubt(lonely: Connection, node: Node, make: Callable[..., str]) -> None:
    name = make()
    lonely.search(page(name))
    node.freeze()
    time.sleep(0.3)  # its threads stop one by one
    try:
        for call in (
            lambda: lonely.search(page(name)),
            lambda: lonely.batch(written(name)),
            lambda: lonely.rest("GET", "/schema"),
        ):
            error = raised(call)
            assert kind_of(error) is Kind.TIMED_OUT, error
            assert in_doubt(error)
    finally:
        node.thaw()
    node.wait()


def test_a_port_where_nobody_listens_is_not_reached() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    nobody = Connection(Address.parse(f"weaviate://127.0.0.1:{port}?grpc={port}&timeout=2"), Credentials())
    for call in (lambda: nobody.rest("GET", "/meta"), lambda: nobody.search(page("Docs")), nobody.now):
        error = raised(call)
        assert kind_of(error) is Kind.UNREACHED, error
        assert not in_doubt(error)
    nobody.close()


def test_a_connection_that_breaks_off_leaves_a_doubt() -> None:
    """The listener reads the request and hangs up: whether the server did it is not known."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port, asked = listener.getsockname()[1], [0]

        def hang_up() -> None:
            for _ in range(4):
                caller, _ = listener.accept()
                caller.recv(100)
                asked[0] += 1
                caller.close()

        thread = threading.Thread(target=hang_up, daemon=True)
        thread.start()
        rude = Connection(Address.parse(f"weaviate://127.0.0.1:{port}?grpc={port}&timeout=2"), Credentials())
        error = raised(lambda: rude.rest("POST", "/objects", body={}))
        assert kind_of(error) is Kind.BROKEN
        assert in_doubt(error)
        assert asked == [1]
        assert kind_of(raised(lambda: rude.rest("GET", "/meta"))) is Kind.BROKEN
        assert asked == [3], "what only reads is asked for once more"
        rude.close()


@pytest.mark.timeout(300)
def test_too_few_replicas_leave_a_doubt() -> None:
    with three_nodes() as nodes:
        connection = Connection(Address.parse(f"{nodes[0].url}&timeout=100"), Credentials())
        name = "Tripled"
        replicated = {"class": name, "vectorConfig": {"default": self_provided()}, "replicationConfig": {"factor": 3}}
        connection.rest("POST", "/schema", body=replicated)
        time.sleep(1)
        nodes[2].freeze()
        error = raised(lambda: connection.rest("POST", "/objects?consistency_level=ALL", body=body(name), index=name))
        # A slow node 0 drops its line to the frozen one first, or says nothing at all for longer than we wait.
        assert kind_of(error) in (Kind.CONSISTENCY, Kind.BROKEN, Kind.LEADERLESS, Kind.TIMED_OUT), error
        assert passing(error)
        assert in_doubt(error)
        connection.close()
        nodes[2].thaw()


_ASKED: Final = "failed to execute query: rpc error: code = Canceled desc = grpc: the client connection is closing"


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (f"validate: failed to get class: Papers1: {_ASKED}", Kind.LEADERLESS),
        (f"could not get class Papers1: {_ASKED}", Kind.LEADERLESS),
        (f"msg:{_ASKED} code:400 err:invalid object: {_ASKED}", Kind.LEADERLESS),
        (
            "put object: replicate insertion: cannot reach enough replicas: required 2 replicas, got 1: connection refused",
            Kind.CONSISTENCY,
        ),
    ],
)
def test_what_a_node_says_of_others_is_not_taken_for_its_own(said: str, kind: Kind) -> None:
    """Three nodes said this (1.39) when their leader, or two of them, were killed: nothing was gone, and they were reached."""
    error = refusal(said, status=500, index="Papers1")
    assert (kind_said(said, status=500), kind_of(error), in_doubt(error)) == (kind, kind, True)


def test_every_kind_that_the_table_knows_has_a_sentence_said_above() -> None:
    """What has no line in SIGNS is known by its status or its code alone."""
    import ast
    from pathlib import Path

    here = Path(__file__)
    files = [here, here.with_name("test_pinning.py"), here.with_name("test_busy.py")]  # where there is a module, and no leader
    trees = [ast.parse(file.read_text()) for file in files]
    names = {node.attr for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    by_type = {
        Kind.GONE,
        Kind.WIDTH,
        Kind.ASLEEP,
        Kind.NO_TENANT,
        Kind.TENANT_NEEDED,
        Kind.UNTIMED,
        Kind.UNINDEXED,
        Kind.STRANGER,
        Kind.FORBIDDEN,
    }
    assert {kind for kind, _ in SIGNS} <= {kind for kind in Kind if kind.name in names} | by_type
    assert DOUBTFUL <= PASSING


def test_a_passing_failure_is_tried_again_and_its_reason_told() -> None:
    reasons: list[str] = []
    failures = iter([refusal("store is read-only", status=500), refusal("x", status=429)])

    def call() -> str:
        for error in failures:
            raise error
        return "done"

    assert retrying("the fill", call, budget_s=10, report=reasons.append) == "done"
    assert [re.match(r"the fill waits: .*(read-only|asks to wait)", reason) is not None for reason in reasons] == [True, True]


def test_what_will_not_pass_is_not_tried_again_and_a_budget_ends() -> None:
    calls: list[int] = []

    def once() -> None:
        calls.append(1)
        raise refusal("already exists", status=422)

    raised(lambda: retrying("it", once, budget_s=10))
    assert len(calls) == 1

    def never() -> None:
        raise refusal("", status=503)

    started = time.monotonic()
    assert kind_of(raised(lambda: retrying("it", never, budget_s=0.5))) is Kind.BUSY
    assert time.monotonic() - started < 1.5


def test_an_error_of_ours_stays_as_it_is_and_a_foreign_one_never_escapes() -> None:
    ours = Superseded("Docs")
    assert translated(ours) is ours
    assert isinstance(translated(ValueError("no JSON")), StoreFailed)
    assert kind_of(translated(grpc.RpcError("bare"))) is None
    assert kind_of(ours) is None


def test_an_unknown_sentence_is_told_as_it_was_said() -> None:
    error = refusal("what\nnobody foresaw", status=500, doing="writing rows")
    assert isinstance(error, StoreFailed)
    assert "writing rows: what nobody foresaw" in str(error)
    assert error.code == "500"
