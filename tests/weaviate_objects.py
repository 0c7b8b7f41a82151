"""Two collections on a real server, one the copy of the other, and the application that writes the first: for tests of objects.

The application speaks REST by itself, so that what it reads and writes does not pass through what is tested.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx
import numpy as np
from costless import HashEncoder
from transvase.adapters.ledger import connect
from transvase.adapters.ledger.port import Ledger
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.adapters.weaviate.ports.corpus import WeaviateCorpus
from transvase.adapters.weaviate.ports.index import WeaviateIndex
from transvase.adapters.weaviate.ports.outbox import WeaviateOutbox
from transvase.adapters.weaviate.wire.address import Address
from transvase.adapters.weaviate.wire.connection import Connection, connected
from transvase.core.declaration import Alias, Declaration, Source
from transvase.core.fence import Fenced
from transvase.core.figures import Payment, Place
from transvase.core.record import Key, Record
from transvase.core.space import Role, Vectors
from weaviate_server import Node

WIDTH = 16
OLD = HashEncoder("old", dimension=WIDTH, seed=1)
NEW = HashEncoder("new", dimension=WIDTH, seed=2)
ALIAS = "Docs"

_numbers = count(1)

Json = dict[str, Any]


def uid(number: int) -> UUID:
    """A UUID far from its neighbours, so that the order of keys is not the one in which they were written."""
    return UUID(int=(number * 0x9E3779B97F4A7C15F39CC0605CEDC834) % 2**128)


def vector(number: int, width: int = WIDTH) -> list[float]:
    """A vector of its own for each number."""
    drawn: list[float] = np.random.default_rng(number).standard_normal(width).astype(np.float32).tolist()
    return drawn


def text_property(name: str) -> Json:
    return {"name": name, "dataType": ["text"]}


def collection(name: str, *, properties: Sequence[Json] = (), vectors: Sequence[str] = ("",), **settings: Any) -> Json:
    """A schema with self-provided vectors of these names; the empty name stands for the nameless one."""
    named = {one: {"vectorizer": {"none": {}}, "vectorIndexType": "hnsw"} for one in vectors if one}
    unnamed = {"vectorizer": "none", "vectorIndexType": "hnsw"} if "" in vectors else {}
    return {
        "class": name,
        "properties": list(properties) or [text_property("body"), text_property("team")],
        **({"vectorConfig": named} if named else {}),
        **unnamed,
        **settings,
    }


@dataclass
class Application:
    """Whoever writes the collections: REST and nothing else."""

    web: httpx.Client

    def make(self, schema: Json) -> None:
        self._done(self.web.post("/v1/schema", json=schema))

    def grow(self, name: str, vectors: Json) -> None:
        """Give the collection more named vectors; it takes no object until its shards have them."""
        told = self._done(self.web.get(f"/v1/schema/{name}")).json()
        self._done(self.web.put(f"/v1/schema/{name}", json={**told, "vectorConfig": {**told.get("vectorConfig", {}), **vectors}}))
        end = time.monotonic() + 10
        while {one["status"] for one in self._done(self.web.get(f"/v1/schema/{name}/shards")).json()} != {"READY"}:
            assert time.monotonic() < end, f"{name} stayed read-only"
            time.sleep(0.05)

    def put(self, name: str, *objects: Json) -> None:
        """Write whole objects, each with ``id`` and ``properties``, over what is there."""
        told = self._done(
            self.web.post("/v1/batch/objects", json={"objects": [{"class": name, **one} for one in objects]})
        ).json()
        refused = [one["result"]["errors"] for one in told if one["result"].get("errors")]
        assert not refused, refused

    def refer(self, name: str, uuid: UUID, **targets: Sequence[str]) -> None:
        """Point to these beacons; alone, a reference may lead to what is not there."""
        start = f"weaviate://localhost/{name}/{uuid}"
        lines = [{"from": f"{start}/{prop}", "to": one} for prop, some in targets.items() for one in some]
        told = self._done(self.web.post("/v1/batch/references", json=lines)).json()
        assert all(one["result"]["status"] == "SUCCESS" for one in told), told

    def patch(self, name: str, uuid: UUID, properties: Json) -> None:
        body = {"class": name, "id": str(uuid), "properties": properties}
        self._done(self.web.patch(f"/v1/objects/{name}/{uuid}", json=body))

    def sink(self, name: str) -> None:
        """Have the server put on disk what it holds back of a batch's vectors: killed, it would not find those objects again."""
        where = {"path": ["id"], "operator": "Equal", "valueText": str(uuid4())}
        self._done(self.web.request("DELETE", "/v1/batch/objects", json={"match": {"class": name, "where": where}}))

    def delete(self, name: str, uuid: UUID) -> None:
        self._done(self.web.delete(f"/v1/objects/{name}/{uuid}"))

    def all(self, name: str, *, tenant: str = "") -> list[Json]:
        """Every object with its vectors, as the server's JSON has it."""
        query = {"class": name, "limit": 1000, "after": "", "include": "vector", **({"tenant": tenant} if tenant else {})}
        found: list[Json] = self._done(self.web.get("/v1/objects", params=query)).json()["objects"]
        return found

    def one(self, name: str, uuid: UUID) -> Json | None:
        answer = self.web.get(f"/v1/objects/{name}/{uuid}", params={"include": "vector"})
        found: Json | None = None if answer.status_code == 404 else answer.json()
        return found

    def tenants(self, name: str, **states: str) -> None:
        self._done(
            self.web.post(f"/v1/schema/{name}/tenants", json=[{"name": t, "activityStatus": s} for t, s in states.items()])
        )

    def _done(self, answer: httpx.Response) -> httpx.Response:
        assert answer.is_success, answer.text
        return answer


@dataclass
class Plot:
    """An alias over two collections, its ledger, and the ports that are tested."""

    application: Application
    connection: Connection
    ledger: Ledger
    live: Declaration
    shadow: Declaration
    source: Source
    swapped: bool = field(default=False)

    def look(self) -> Alias:
        """The alias as a store would show it."""
        sides = (self.shadow, self.live) if self.swapped else (self.live, self.shadow)
        return Alias(name=ALIAS, source=self.source, live=sides[0], shadow=sides[1], generation=7)

    @property
    def setting(self) -> Setting:
        return Setting(
            connection=self.connection, ledger=self.ledger, alias=ALIAS, look=self.look, clock=lambda: now_ms(self.connection)
        )

    @property
    def corpus(self) -> WeaviateCorpus:
        return WeaviateCorpus(self.setting)

    @property
    def outbox(self) -> WeaviateOutbox:
        return WeaviateOutbox(self.setting)

    def index(self, declaration: Declaration) -> WeaviateIndex:
        return WeaviateIndex(self.setting, declaration)

    def write(self, number: int, body: str | None, **more: Any) -> Key:
        """The application writes an object and its old vector into the live side, unseen by anybody."""
        properties = {"team": "red", **({} if body is None else {"body": body})}
        known = {} if body is None else {"vector": encoded(OLD, [body], WIDTH).matrix[0].tolist()}
        self.application.put(self.live.site, {"id": str(uid(number)), "properties": properties, **known, **more})
        return (str(more["tenant"]), uid(number)) if "tenant" in more else (uid(number),)

    def mend(self, number: int, body: str, **more: Any) -> None:
        """A stranger writes into the shadow, with a vector that is right for the text."""
        found = {"vector": encoded(NEW, [body], WIDTH + 1).matrix[0].tolist(), **more}
        self.application.put(self.shadow.site, {"id": str(uid(number)), "properties": {"body": body, "team": "red"}, **found})

    def fill(self, index: WeaviateIndex) -> int:
        """Pour everything into the index, as a fill does."""
        records = self.corpus.after(None, limit=1_000)
        some = [record for record in records if record.text is not None]
        vectors = encoded(NEW, [record.text or "" for record in some], WIDTH + 1)
        end = Place(records[-1].key if records else None, finished=True, done=len(records))
        return index.fill(some, vectors, place=end, bare=[record for record in records if record.text is None])

    def alike(self) -> bool:
        """Both sides have the same objects, their moving vectors apart."""
        sides = [[{**one, "vector": None} for one in self.application.all(side.site)] for side in (self.live, self.shadow)]
        return told(sides[0], name=self.live.site) == told(sides[1], name=self.shadow.site)

    def payment(self, declaration: Declaration, records: Sequence[Record]) -> Payment:
        """The vectors of the records that have a text, for one index."""
        encoder = NEW if declaration is self.shadow else OLD
        some = tuple(record for record in records if record.text is not None)
        return Payment(declaration.name, some, encoded(encoder, [record.text or "" for record in some], declaration.width))

    def pay(self, *declarations: Declaration) -> int:
        """Pay what is owed, as a worker does; into both sides unless told otherwise."""
        debts = self.outbox.read(limit=1_000)
        records = self.corpus.read([debt.key for debt in debts])
        return self.outbox.pay(debts, [self.payment(one, records) for one in declarations or (self.live, self.shadow)])


def now_ms(connection: Connection) -> int:
    """The server's clock, cut to whole seconds."""
    return int(connection.now() * 1_000)


def encoded(encoder: HashEncoder, texts: Sequence[str], width: int) -> Vectors:
    """Vectors as wide as they are stored."""
    return Fenced(encoder, width).encode(list(texts), Role.DOCUMENT)


def told(objects: Sequence[Json], *, name: str) -> list[Json]:
    """Objects without what no copy can keep: their collection's name and the times that the server sets."""
    return [
        _renamed({key: value for key, value in one.items() if "TimeUnix" not in key and key != "class"}, name) for one in objects
    ]


def _renamed(value: Any, name: str) -> Any:
    if isinstance(value, Mapping):
        return {key: _renamed(one, name) for key, one in value.items()}
    if isinstance(value, list):
        return [_renamed(one, name) for one in value]
    return value.replace(f"/{name}/", "/ITSELF/") if isinstance(value, str) else value


@contextmanager
def applied(node: Node, *, key: str = "") -> Iterator[Application]:
    """The application's own connection; with a key where the server asks for one."""
    headers = {"authorization": f"Bearer {key}"} if key else {}
    with httpx.Client(base_url=f"http://127.0.0.1:{node.rest}", timeout=30, headers=headers) as web:
        yield Application(web)


@contextmanager
def plotted(
    node: Node, folder: Path, *, url: str = "", vector_name: str = "", text: str = "body", **schema: Any
) -> Iterator[Plot]:
    """Two empty collections of one schema, the second with a fence, under an alias whose writes are captured."""
    number = next(_numbers)
    names = (f"Docs{number}", f"Docs{number}_2")
    common = {"text": text, "metric": "cosine", "form": "float32"}
    live = Declaration(name=names[0], space=OLD.space, encoder="old", width=WIDTH, adopted=True, **common)
    shadow = Declaration(name=names[1], space=NEW.space, encoder="new", width=WIDTH + 1, **common)
    connection = connected(Address.parse(url or node.url))
    ledger = connect(folder / f"{number}.sqlite")
    try:
        with applied(node) as application:
            for name in names:
                application.make(collection(name, **{"vectors": (vector_name,), **schema}))
            ledger.begin_capture(ALIAS, live=names[0], shadow=names[1])
            source = Source(table=names[0], key=("uuid",), text=text, vector=vector_name)
            yield Plot(application, connection, ledger, live, shadow, source)
            for name in names:
                application.web.delete(f"/v1/schema/{name}")
    finally:
        ledger.close()
        connection.close()
