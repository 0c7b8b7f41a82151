"""Widths that hold before the first object: after a restart too, in each tenant, and beside a vector that a module makes."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from transvase.adapters.weaviate import connect
from transvase.adapters.weaviate.collections.activity import Activity
from transvase.adapters.weaviate.collections.tenants import Tenants
from transvase.adapters.weaviate.switching import pinning
from transvase.adapters.weaviate.wire.address import Address
from transvase.adapters.weaviate.wire.connection import Connection, connected
from transvase.adapters.weaviate.wire.credentials import Credentials
from transvase.adapters.weaviate.wire.failures import Kind, kind_of
from transvase.core.errors import StoreFailed
from transvase.migrations.plan import plan
from transvase.migrations.prove import prove
from weaviate_objects import WIDTH, Application, applied, collection, uid
from weaviate_server import Node, needed, node, place, running
from weaviate_walk import Walk, encoder, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long]


def taken(application: Application, name: str, width: int, *, tenant: str = "") -> bool:
    """Whether the server takes a vector of this width; what it took is removed again."""
    more = {"tenant": tenant} if tenant else {}
    body = {"class": name, "id": str(uid(9_999)), "properties": {"body": "a stranger's"}, "vector": [0.5] * width, **more}
    answer = application.web.post("/v1/objects", json=body)
    if answer.is_success:
        application.web.delete(f"/v1/objects/{name}/{uid(9_999)}", params=more)
    return bool(answer.is_success)


def anew(server: Node) -> None:
    server.kill()
    server.start()
    server.wait()


def test_widths_hold_again_after_a_restart_from_the_workers_beat_on(server: Node, tmp_path: Path) -> None:
    with empty(server, tmp_path) as walk:
        target = walk.opened().migration.target
        assert not taken(walk.application, target, WIDTH)
        anew(server)
        outbox = walk.store.outbox(walk.alias)
        outbox.beat()
        assert not taken(walk.application, target, WIDTH), "the worker's beat has pinned it again"
        assert walk.application.all(target) == []
        anew(server)
        other = connect(walk.url)
        try:
            with other.hold(walk.alias):
                pass
        finally:
            other.close()
        assert not taken(walk.application, target, WIDTH), "so has the next verb, in another process"
        assert walk.application.all(target) == []


@contextmanager
def empty(server: Node, folder: Path, **schema: Any) -> Iterator[Walk]:
    """Adopted."""
    with walked(server, folder, rows=20, **schema) as walk:
        walk.adopted()
        yield walk


def test_what_a_crash_left_of_the_pinning_is_removed_and_nothing_else(
    server: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with empty(server, tmp_path) as walk:
        target = walk.opened().migration.target
        connection = walk.store.connection
        with monkeypatch.context() as patch:
            patch.setattr(pinning, "drop", lambda *_: None)
            pinning.pin(connection, target, vector="", width=WIDTH + 1)
        (left,) = walk.application.all(target)
        mine = {"id": str(uid(1)), "properties": {"body": "an object"}, "vector": [0.5] * (WIDTH + 1)}
        walk.application.put(target, mine)
        pinning.pin(connection, target, vector="", width=WIDTH + 1)
        assert [one["id"] for one in walk.application.all(target)] == [str(uid(1))] != [left["id"]]


def test_plan_and_prove_name_tenants_that_sleep_or_hold_nothing(server: Node, tmp_path: Path) -> None:
    with walked(server, tmp_path, rows=0, multiTenancyConfig={"enabled": True}) as walk:
        walk.application.tenants(walk.table, full="ACTIVE", bare="ACTIVE", asleep="ACTIVE")
        for tenant in ("full", "asleep"):
            for number in range(10):
                walk.write(number, f"text {number} of {tenant}", tenant=tenant)
        Tenants(walk.store.connection, walk.table).bring({"asleep": Activity.INACTIVE})
        walk.adopted()
        said = plan(walk.store, walk.alias, to="new", encoders=encoder).warnings
        assert any("1 of 3 tenants are not active" in one and "asleep" in one for one in said)
        target = walk.opened().migration.target
        for tenant in ("full", "bare"):
            assert not taken(walk.application, target, WIDTH, tenant=tenant)
        walk.filled()
        Tenants(walk.store.connection, target).bring({"asleep": Activity.INACTIVE})
        (counts,) = [one for one in prove(walk.store, walk.alias, encoders=encoder).findings if one.check == "counts"]
        assert counts.passed
        assert "1 of 3 tenants sleep and were woken to be looked at: asleep" in counts.detail
        assert "1 tenants hold no object" in counts.detail
        assert counts.detail.endswith(": bare")
        assert Tenants(walk.store.connection, target).status("asleep") is Activity.INACTIVE
        anew(server)
        walk.store.outbox(walk.alias).beat()
        for tenant in ("full", "bare"):
            assert not taken(walk.application, target, WIDTH, tenant=tenant)


@pytest.fixture(scope="module")
def modular() -> Iterator[tuple[Node, Connection]]:
    """A server with a module whose inference nobody answers."""
    with place() as folder:
        one = node(needed(), folder=folder)
        one.env.update(API_BASED_MODULES_DISABLED="false", ENABLE_MODULES="text2vec-ollama")
        with running([one]):
            connection = connected(Address.parse(one.url), Credentials())
            yield one, connection
            connection.close()


SILENT = {"text2vec-ollama": {"apiEndpoint": "http://127.0.0.1:9", "model": "none"}}


def test_a_module_that_does_not_answer_keeps_no_collection_from_being_made(
    modular: tuple[Node, Connection], caplog: pytest.LogCaptureFixture
) -> None:
    """The other vector of an object that only pins would have to be made by it."""
    server, connection = modular
    with applied(server) as application:
        application.make(collection("Beside", vectors=("moving",)))
        schema = application.web.get("/v1/schema/Beside").json()
        application.web.delete("/v1/schema/Beside")
        schema["vectorConfig"]["other"] = {"vectorizer": SILENT, "vectorIndexType": "hnsw"}
        application.make(schema)
        with caplog.at_level(logging.WARNING):
            pinning.pin(connection, "Beside", vector="moving", width=8)
        assert "module" in caplog.text
        assert application.all("Beside") == []


def test_a_module_that_does_not_answer_is_named_where_an_object_needs_it(modular: tuple[Node, Connection]) -> None:
    server, connection = modular
    with applied(server) as application:
        application.make({**collection("Made"), "vectorizer": "text2vec-ollama", "moduleConfig": SILENT})
        with pytest.raises(StoreFailed, match="a module of the server's that makes vectors does not answer") as failed:
            connection.rest("POST", "/objects", body={"class": "Made", "properties": {"body": "x"}}, doing="writing x")
        assert kind_of(failed.value) is Kind.MODULE


def test_a_collection_of_a_module_that_does_not_answer_moves_all_the_same(
    modular: tuple[Node, Connection], tmp_path: Path
) -> None:
    """Its vectors are there, and the new ones are brought: the module is asked for nothing."""
    server, _ = modular
    with walked(server, tmp_path, rows=30, moduleConfig=SILENT, vectorizer="text2vec-ollama") as walk:
        walk.ready()
        walk.cut_over()
        assert walk.application.web.get(f"/v1/schema/{walk.named()}").json()["vectorizer"] == "none"
        assert not taken(walk.application, walk.named(), WIDTH)
