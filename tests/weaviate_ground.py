"""What the tests of the Weaviate adapter stand on: objects, and a server that asks who is there."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from transvase.adapters.weaviate.wire.address import Address
from transvase.adapters.weaviate.wire.connection import Connection
from transvase.adapters.weaviate.wire.credentials import Credentials
from weaviate_server import Node, needed, node, place, running


def self_provided(index: str = "hnsw", **config: Any) -> dict[str, Any]:
    """A vector that the writer brings."""
    return {"vectorizer": {"none": {}}, "vectorIndexType": index, "vectorIndexConfig": config}


def put(
    connection: Connection, name: str, width: int, *, size: int = 10, vector: str = "default", tenant: str = "", start: int = 0
) -> set[str]:
    """Write objects with vectors of a width (an empty name: the vector without one); what the server said against them."""
    rows = np.random.default_rng(7).standard_normal((size, width))
    objects = [
        {
            "class": name,
            "id": f"00000000-0000-4000-8000-{start + number:012x}",
            "properties": {"title": f"text {number}"},
            **({"vectors": {vector: row.tolist()}} if vector else {"vector": row.tolist()}),
            **({"tenant": tenant} if tenant else {}),
        }
        for number, row in enumerate(rows)
    ]
    answer = connection.rest("POST", "/batch/objects", body={"objects": objects})
    return {error["message"] for one in answer for error in (one["result"].get("errors") or {}).get("error") or ()}


@dataclass
class Guarded:
    """A server with keys, roles, and settings that can be changed while it runs."""

    node: Node
    overrides: Path

    def as_user(self, key: str, *, timeout_s: float = 60.0) -> Connection:
        """A connection with the key, not tried out; the caller closes it."""
        address = Address.parse(f"{self.node.url}&timeout={timeout_s}")
        return Connection(address, Credentials(bearer=key))

    def grant(self, permissions: Sequence[dict[str, Any]]) -> None:
        """Make these all that the user ``app`` may do."""
        root = self.as_user("root-key")
        try:
            root.rest("DELETE", "/authz/roles/apprentice")
            root.rest("POST", "/authz/roles", body={"name": "apprentice", "permissions": list(permissions)})
            root.rest("POST", "/authz/users/app/assign", body={"roles": ["apprentice"], "userType": "db"})
        finally:
            root.close()

    @contextmanager
    def mode(self, name: str) -> Iterator[None]:
        """The node in another operational mode, as an operator switches it."""
        try:
            self._switch(name)
            yield
        finally:
            self._switch("ReadWrite")

    def _switch(self, name: str) -> None:
        self.overrides.write_text(f"operational_mode: {name}\n")
        root = self.as_user("root-key")
        end = time.monotonic() + 20
        while root.nodes()[0].mode != name:
            assert time.monotonic() < end, f"the mode did not become {name}"
            time.sleep(0.1)
        root.close()


@contextmanager
def guarded_node() -> Iterator[Guarded]:
    """Such a server; skips without a binary."""
    program = needed()
    with place() as folder:
        overrides = folder / "overrides.yaml"
        overrides.write_text("operational_mode: ReadWrite\n")
        one = node(program, folder=folder)
        one.env.update(
            AUTHENTICATION_ANONYMOUS_ACCESS_ENABLED="false",
            AUTHENTICATION_APIKEY_ALLOWED_KEYS="root-key,app-key",
            AUTHENTICATION_APIKEY_ENABLED="true",
            AUTHENTICATION_APIKEY_USERS="root,app",
            AUTHORIZATION_RBAC_ENABLED="true",
            AUTHORIZATION_RBAC_ROOT_USERS="root",
            RUNTIME_OVERRIDES_ENABLED="true",
            RUNTIME_OVERRIDES_LOAD_INTERVAL="200ms",
            RUNTIME_OVERRIDES_PATH=str(overrides),
        )
        with running([one]):
            yield Guarded(one, overrides)
