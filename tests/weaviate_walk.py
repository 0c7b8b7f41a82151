"""A collection of an application's and an operator's store over it: for tests that make a migration's moves on a real server."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

from costless import HashEncoder
from transvase.adapters.weaviate import WeaviateStore, connect
from transvase.core.ports import Encoder, Source
from transvase.core.space import Role
from transvase.migrations import prove
from transvase.migrations.adopt import Adopted, adopt
from transvase.migrations.cutover import cutover
from transvase.migrations.fill import fill
from transvase.migrations.open import open_target
from transvase.migrations.retire import retire
from transvase.migrations.rollback import rollback
from transvase.migrations.runner import Outcome
from weaviate_objects import NEW, OLD, Application, applied, collection, uid
from weaviate_server import Node

TRIES = 4
_numbers = count(1)
ENCODERS: dict[str, Encoder] = {"old": OLD, "new": NEW, "third": HashEncoder("third", dimension=24, seed=3)}


def encoder(name: str) -> Encoder:
    """One of the encoders by its name."""
    return ENCODERS[name]


def text_of(number: int) -> str:
    """The text of the object with this number, as it is laid."""
    return f"text number {number}"


@dataclass
class Walk:
    """The application, its collection, and the operator's moves under one alias."""

    application: Application
    url: str
    store: WeaviateStore
    table: str
    alias: str
    vector: str = ""
    """The vector that moves; empty for the nameless one."""
    allowed: int = 0
    """How many keys may be owed at a switch."""

    def write(self, number: int, text: str, *, to: str = "", by: str = "old", **more: Any) -> None:
        """The application writes an object with a vector by an encoder, through the alias or to a collection, unseen by us."""
        vector = ENCODERS[by].encode([text], Role.DOCUMENT).matrix[0].tolist()
        if to and self.width(to) == len(vector) + 1:
            vector.append(0.0)
        self.application.put(
            to or self.table, {"id": str(uid(number)), "properties": {"body": text, "team": "red"}, "vector": vector, **more}
        )

    def width(self, name: str) -> int:
        """How wide the vectors are that the index of that name holds."""
        declared = self.store.control.index(name)
        return declared.width if declared is not None else 0

    def adopted(self) -> Adopted:
        source = Source(table=self.table, key=(), text="body", vector=self.vector)
        return adopt(self.store, self.alias, source=source, encoder="old", encoders=encoder)

    def opened(self, to: str = "new") -> Outcome:
        return open_target(self.store, self.alias, to=to, encoders=encoder)

    def filled(self) -> Outcome:
        return fill(self.store, self.alias, encoders=encoder)

    def proven(self) -> None:
        """A proof that passes; where nothing but a busy machine's latency is against it, another one."""
        for _ in range(TRIES):
            verdict = prove.prove(self.store, self.alias, encoders=encoder)
            if {finding.check for finding in verdict.failures} != {"latency"}:
                break
        assert verdict.passed, prove.sentence(verdict)

    def cut_over(self) -> Outcome:
        return cutover(self.store, self.alias, encoders=encoder, allow_owed=self.allowed)

    def rolled_back(self) -> Outcome:
        return rollback(self.store, self.alias, encoders=encoder, allow_owed=self.allowed)

    def retired(self, **options: Any) -> Outcome:
        return retire(self.store, self.alias, **options)

    def ready(self) -> str:
        """Everything up to a proof; the target's name."""
        self.adopted()
        self.opened()
        self.filled()
        self.proven()
        shadow = self.store.alias(self.alias).shadow
        assert shadow is not None
        return shadow.name

    def named(self) -> str:
        """The collection that the server's alias names."""
        found: str = self.application.web.get(f"/v1/aliases/{self.server_alias}").json()["class"]
        return found

    @property
    def server_alias(self) -> str:
        """The alias as the server spells it."""
        return self.alias[:1].upper() + self.alias[1:]


@contextmanager
def walked(
    node: Node, folder: Path, *, rows: int = 300, url: str = "", key: str = "", journal: str = "", **schema: Any
) -> Iterator[Walk]:
    """A collection of so many objects; what the test made of it is gone afterwards."""
    number = next(_numbers)
    table, alias = f"Papers{number}", f"papers{number}Live"
    where = f"{url or node.url}&journal={journal or folder / f'walk-{number}.sqlite'}"
    with applied(node, key=key) as application:
        application.make(collection(table, **schema))
        store = connect(where)
        walk = Walk(application, where, store, table, alias)
        try:
            vectors = OLD.encode([text_of(i) for i in range(rows)], Role.DOCUMENT).matrix.tolist() if rows else []
            objects = [
                {"id": str(uid(i)), "properties": {"body": text_of(i), "team": "red"}, "vector": vectors[i]} for i in range(rows)
            ]
            for start in range(0, rows, 1_000):
                application.put(table, *objects[start : start + 1_000])
            yield walk
        finally:
            store.close()
            _swept(application, walk)


def _swept(application: Application, walk: Walk) -> None:
    for one in application.web.get("/v1/aliases").json().get("aliases") or ():
        if one["class"].startswith((walk.table, walk.server_alias)):
            application.web.delete(f"/v1/aliases/{one['alias']}")
    for one in application.web.get("/v1/schema").json()["classes"]:
        if one["class"].startswith((f"{walk.server_alias}_", walk.table)) or one["class"] == "TransvaseControl":
            application.web.delete(f"/v1/schema/{one['class']}")
