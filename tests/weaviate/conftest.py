"""What the tests of the Weaviate adapter share: one server a run, and collections of each test's own that are gone afterwards."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from transvase.adapters.weaviate.wire.address import Address
from transvase.adapters.weaviate.wire.connection import Connection, connected
from transvase.adapters.weaviate.wire.credentials import Credentials
from weaviate_ground import Guarded, guarded_node, self_provided
from weaviate_objects import Plot, plotted
from weaviate_server import Node, one_node

_numbers = count(1)


@pytest.fixture(scope="session")
def node() -> Iterator[Node]:
    """A server that lets everybody in."""
    with one_node() as running:
        yield running


@pytest.fixture(scope="session")
def connection(node: Node) -> Iterator[Connection]:
    """A connection to it."""
    made = connected(Address.parse(node.url), Credentials())
    yield made
    made.close()


@pytest.fixture(scope="module")
def server() -> Iterator[Node]:
    """A server of a module's own, which its tests may kill, freeze and restart."""
    with one_node() as running:
        yield running


@pytest.fixture
def plot(server: Node, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Plot]:
    """A live collection and its shadow; a module's ``SCHEMA`` says what they have beside the usual."""
    with plotted(server, tmp_path, **getattr(request.module, "SCHEMA", {})) as made:
        yield made


@pytest.fixture
def make(connection: Connection) -> Iterator[Callable[..., str]]:
    """Makes a collection with a text ``title`` and a default vector, or with what is given; gives its name."""
    made: list[str] = []

    def create(*, name: str = "", **settings: Any) -> str:
        body = {
            "class": name or f"Docs{next(_numbers)}",
            "properties": [{"name": "title", "dataType": ["text"]}],
            **({} if "vectorizer" in settings else {"vectorConfig": {"default": self_provided()}}),
            **settings,
        }
        connection.rest("POST", "/schema", body=body)
        made.append(body["class"])
        return body["class"]

    yield create
    for name in made:
        connection.rest("DELETE", f"/schema/{name}")


@pytest.fixture
def clean(connection: Connection) -> Iterator[None]:
    """Nothing of ours is on the server before the test, nor after it."""
    connection.rest("DELETE", "/schema/TransvaseControl")
    yield
    connection.rest("DELETE", "/schema/TransvaseControl")


@pytest.fixture(scope="session")
def guarded() -> Iterator[Guarded]:
    """A server with keys for ``root`` (who may do all) and ``app`` (whose one role is the test's to write)."""
    with guarded_node() as running:
        yield running
