"""The small world of the contract tests on a real Weaviate: tables are collections, written as Mirror asks for it.

It notes its intent in the ledger, writes the side that is live, and leaves the other side to the payer: a Mirror whose second
write always fails. So every write is captured, and what the ports promise of captured writes can be asked of this store too.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import numpy as np
from transvase.adapters import ledger
from transvase.adapters.weaviate import WeaviateStore
from transvase.adapters.weaviate.wire.address import Address
from transvase.adapters.weaviate.wire.connection import connected
from transvase.core.errors import UnknownName
from transvase.core.ports import Alias, Declaration, Proposal, Source, Store
from transvase.core.record import Key
from weaviate_server import Node
from worlds import WIDTH

BASE = UUID("a0000000-0000-4000-8000-000000000000").int
PLAIN: Mapping[str, str] = {"uuid": "uuid"}
VECTOR = "embedding"
DISTANCES = {"cosine": "cosine", "ip": "dot", "l2": "l2-squared"}


def class_of(table: str) -> str:
    """What a table of the tests is called on the server, where an alias cannot have a collection's name."""
    return f"Table_{table}"


class NamingStore(WeaviateStore):
    """A store that knows tables by the tests' names, and sees the width of an empty one as its maker meant it."""

    world: WeaviateWorld

    def inspect(self, proposal: Proposal) -> Declaration:
        with self.world.seeded(proposal.source.table):
            return super().inspect(renamed(proposal))

    def preview(self, proposal: Proposal, declaration: Declaration) -> Any:
        return super().preview(renamed(proposal), declaration)

    def adopt(self, proposal: Proposal, declaration: Declaration) -> None:
        super().adopt(renamed(proposal), declaration)


def renamed(proposal: Proposal) -> Proposal:
    """The proposal with the server's name for its table."""
    source = proposal.source
    key = ("uuid",) if source.key == ("id",) else source.key
    whole = Source(table=class_of(source.table), key=key, text=source.text, vector=source.vector)
    return Proposal(proposal.alias, whole, proposal.space, proposal.encoder)


class WeaviateWorld:
    """Fits ``World``."""

    name = "weaviate"
    joined = "{title}\n{body}"
    plain = PLAIN
    keys = frozenset({"uuid"})
    form = "float32"
    carries = True
    renames = False

    def __init__(self, node: Node, folder: Path) -> None:
        self._url, self._ledger = node.url, folder / "contract.sqlite"
        self._web = httpx.Client(base_url=f"http://127.0.0.1:{node.rest}/v1", timeout=30)
        self._widths: dict[str, int] = {}
        self._opened: list[WeaviateStore] = []
        self._cleared()
        self.notes = ledger.connect(self._ledger)
        self.store: Store = self.other()
        self._opened[0].control.ready()  # as another alias would have left it: asked for what it has not, a server takes 150 ms

    def key(self, number: int) -> Key:
        """A UUID that sorts by the number."""
        return (UUID(int=BASE + number),)

    def other(self) -> Store:
        """A second store with connections and a ledger of its own."""
        made = NamingStore(connected(Address.parse(self._url)), lambda: ledger.connect(self._ledger))
        made.world = self
        self._opened.append(made)
        return made

    def make(self, table: str, *, key: Mapping[str, str] | None = None, width: int = WIDTH, metric: str = "cosine") -> None:
        assert list((key or PLAIN).values()) == ["uuid"], "objects are known by their ids"
        vector = {"vectorizer": {"none": {}}, "vectorIndexType": "hnsw", "vectorIndexConfig": {"distance": DISTANCES[metric]}}
        properties = [{"name": name, "dataType": ["text"]} for name in ("title", "body", "team")]
        self._widths[class_of(table)] = width
        self._done(
            self._web.post(
                "/schema",
                json={
                    "class": class_of(table),
                    "properties": properties,
                    "invertedIndexConfig": {"indexNullState": True},
                    "vectorConfig": {VECTOR: vector},
                },
            )
        )

    def put(self, table: str, rows: Iterable[Mapping[str, object]]) -> None:
        some = [(self._uuid(row), row) for row in rows]
        with self._captured(table, [uuid for uuid, _ in some]) as site:
            width = self._width(site)
            for uuid, row in some:
                self._put(site, uuid, row, width=width)

    def delete(self, table: str, keys: Iterable[Key]) -> None:
        uuids = [UUID(str(key[0])) for key in keys]
        with self._captured(table, uuids) as site:
            for uuid in uuids:
                self._web.delete(f"/objects/{site}/{uuid}")

    def truncate(self, table: str) -> None:
        found = self._done(self._web.get("/objects", params={"class": self._site(table), "limit": 1000, "after": ""})).json()
        self.delete(table, [(UUID(one["id"]),) for one in found["objects"]])

    def lose_debts(self, alias: str) -> None:
        for debt in self.notes.debts(alias, limit=1_000, grace_s=0.0):
            self.notes.settle(alias, debt.entries)

    @contextmanager
    def seeded(self, table: str) -> Iterator[None]:
        """An object of the table's width in it for a while: it may have none."""
        site, uuid = class_of(table), UUID(int=BASE - 1)
        if site not in self._widths:
            yield
            return
        self._put(site, uuid, {VECTOR: np.ones(self._widths[site], np.float32)}, width=self._widths[site])
        try:
            yield
        finally:
            self._web.delete(f"/objects/{site}/{uuid}")

    def close(self) -> None:
        for store in self._opened:
            store.close()
        self.notes.close()
        self._cleared()
        self._web.close()

    def _put(self, site: str, uuid: UUID, row: Mapping[str, object], *, width: int) -> None:
        path = f"/objects/{site}/{uuid}"
        found = self._web.get(path, params={"include": "vector"})
        there = found.json() if found.is_success else {}
        properties = {**(there.get("properties") or {}), **{name: row[name] for name in ("title", "body", "team") if name in row}}
        vector = (there.get("vectors") or {}).get(VECTOR)
        if VECTOR in row and (row[VECTOR] is None or len(list(row[VECTOR])) == width):  # type: ignore[call-overload]
            vector = None if row[VECTOR] is None else np.asarray(row[VECTOR], np.float32).tolist()
        body = {
            "class": site,
            "id": str(uuid),
            "properties": {name: value for name, value in properties.items() if value is not None},
            **({"vectors": {VECTOR: vector}} if vector else {}),
        }
        self._done(self._web.put(path, json=body) if there else self._web.post("/objects", json=body))

    @contextmanager
    def _captured(self, table: str, uuids: list[UUID]) -> Iterator[str]:
        alias = self._alias(table)
        if alias is None:
            yield class_of(table)
            return
        entries = self.notes.intend(alias.name, [(uuid,) for uuid in uuids], first=alias.live.site)
        try:
            yield self._site(table)
        finally:
            if self.notes.capture(alias.name).on:
                self.notes.leave(alias.name, entries)
            else:
                self.notes.settle(alias.name, entries)

    def _alias(self, table: str) -> Alias | None:
        for name in self.store.aliases():
            with suppress(UnknownName):
                alias = self._opened[0].alias(name)
                if alias.source.table == class_of(table):
                    return alias
        return None

    def _site(self, table: str) -> str:
        alias = self._alias(table)
        return class_of(table) if alias is None else alias.live.site

    def _width(self, site: str) -> int:
        declared = self._opened[0].control.index(site)
        return declared.width if declared is not None else self._widths[site]

    def _uuid(self, row: Mapping[str, object]) -> UUID:
        given = row["id"] if "id" in row else row["uuid"]
        return given if isinstance(given, UUID) else UUID(int=BASE + int(str(given)))

    def _cleared(self) -> None:
        for one in self._web.get("/aliases").json().get("aliases") or ():
            self._web.delete(f"/aliases/{one['alias']}")
        for one in self._web.get("/schema").json()["classes"]:
            self._web.delete(f"/schema/{one['class']}")

    def _done(self, answer: httpx.Response) -> httpx.Response:
        assert answer.is_success, answer.text
        return answer
