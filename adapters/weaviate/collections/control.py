"""What must be known on every host: declarations of aliases and indexes, and when a reader last used an index.

It lies on the server itself, in the collection TransvaseControl: one object a row, its id made from the row's name, its
content one JSON text. Rows are few and small, are read and written by id on a majority of the replicas, and hold nothing that a
crash could tear: which side is live is the server's alias and nothing here.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from transvase.adapters.weaviate.wire.failures import Kind, kind_of, refusal
from transvase.core.declaration import Declaration, Source
from transvase.core.errors import BadValue, StoreFailed, Superseded, TransvaseError, Unfit
from transvase.core.space import Space

from .names import CONTROL, object_id

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection

EDITION: Final = 1
"""Of the rows: what a later Transvase writes otherwise has another."""
PAGE: Final = 500
_QUORUM: Final = "consistency_level=QUORUM"
_ALIAS, _INDEX, _READER, _CLOCK = "alias", "index", "reader", "clock"


@dataclass(frozen=True, slots=True, kw_only=True)
class AliasRow:
    """One alias as it was last written. ``live`` is what the server's alias named then; the alias itself has the last word."""

    name: str
    source: Source
    live: str
    shadow: str | None
    generation: int
    ledger: str
    """Identity of the ledger that keeps what is owed: another one beside the same server is refused."""
    also: tuple[str, ...] = ()
    """Other aliases of the server's that move with it: names of collections that it took over."""


@dataclass(frozen=True, slots=True)
class Reader:
    """Somebody who searched an index: when that was, by the server's clock (seconds since 1970)."""

    who: str
    seen_s: float


class Control:
    """The rows of one server. Safe for many threads; two operators of one alias are kept apart by the ledger, not here."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._ready = False
        self._lock = threading.Lock()

    def load(self, alias: str) -> AliasRow | None:
        """The alias' row; None where there is none. Unfit for a row of a newer Transvase."""
        body = self._read(object_id(_ALIAS, alias))
        if body is None:
            return None
        source = body["source"]
        return AliasRow(
            name=body["name"],
            source=Source(table=source["table"], key=tuple(source["key"]), text=source["text"], vector=source["vector"]),
            live=body["live"],
            shadow=body["shadow"],
            generation=int(body["generation"]),
            ledger=body["ledger"],
            also=tuple(body.get("also") or ()),
        )

    def save(self, row: AliasRow) -> None:
        """Write the alias' row over the one that is there."""
        source = {"table": row.source.table, "key": row.source.key, "text": row.source.text, "vector": row.source.vector}
        facts = {
            "live": row.live,
            "shadow": row.shadow,
            "generation": row.generation,
            "ledger": row.ledger,
            "also": list(row.also),
        }
        self._write(_ALIAS, object_id(_ALIAS, row.name), row.name, {"name": row.name, "source": source, **facts})

    def forget(self, alias: str) -> None:
        """Remove the alias' row; nothing happens where there is none."""
        self._remove(object_id(_ALIAS, alias))

    def aliases(self) -> list[str]:
        """Names of all aliases that have a row, sorted."""
        return sorted(str(body["name"]) for kind, body, _ in self._rows() if kind == _ALIAS)

    def index(self, name: str) -> Declaration | None:
        """What was declared of the index; None where nothing was."""
        body = self._read(object_id(_INDEX, name))
        return None if body is None else _declaration(body)

    def indexes(self, alias: str) -> list[Declaration]:
        """Every index that was declared under the alias and not dropped, sorted by name."""
        found = (_declaration(body) for kind, body, _ in self._rows() if kind == _INDEX and body["alias"] == alias)
        return sorted(found, key=lambda declaration: declaration.name)

    def occupant(self, site: str) -> str | None:
        """The alias that serves the objects of a collection under whatever name."""
        served = (body for kind, body, _ in self._rows() if kind == _INDEX and site in (body["name"], body.get("shares")))
        return next((str(body["alias"]) for body in served), None)

    def alias_of(self, index: str) -> str | None:
        """The alias that the index was declared under."""
        body = self._read(object_id(_INDEX, index))
        return None if body is None else str(body["alias"])

    def keep(self, declaration: Declaration, *, alias: str, built: bool = False) -> None:
        """Write the row of an index over the one that is there; ``built``: it has taken up all that it was given."""
        facts = {f.name: getattr(declaration, f.name) for f in fields(Declaration) if f.name != "space"}
        space = declaration.space.as_json() if declaration.space else None
        row = {**facts, "space": space, "alias": alias, "built": built}
        self._write(_INDEX, object_id(_INDEX, declaration.name), declaration.name, row)

    def built(self, index: str) -> bool:
        """True where the row of the index says so."""
        body = self._read(object_id(_INDEX, index))
        return body is not None and bool(body.get("built"))

    def now_ms(self) -> int:
        """The server's clock as it writes it into objects, in milliseconds: of the node that takes the write."""
        row = object_id(_CLOCK, "now")
        self._write(_CLOCK, row, "now", {})
        found = self._connection.rest("GET", f"/objects/{CONTROL}/{row}?{_QUORUM}", doing="asking the time")
        return int((found or {})["lastUpdateTimeUnix"])

    def since_s(self, index: str) -> float | None:
        """When the row of the index was written last, by the server's clock; None where there is none."""
        found = self._connection.rest(
            "GET", f"/objects/{CONTROL}/{object_id(_INDEX, index)}?{_QUORUM}", doing=f"reading {CONTROL}"
        )
        return None if found is None else float(found["lastUpdateTimeUnix"]) / 1000

    def drop(self, index: str) -> None:
        """Remove the row of an index and those of its readers."""
        for kind, body, row in self._rows():
            if kind == _READER and body["index"] == index:
                self._remove(row)
        self._remove(object_id(_INDEX, index))

    def beat(self, index: str, *, who: str, ago_s: float = 0.0) -> None:
        """Say that ``who`` searched the index so many seconds ago."""
        self._write(_READER, object_id(_READER, index, who), who, {"index": index, "who": who, "ago_s": round(ago_s, 3)})

    def readers(self, index: str) -> list[Reader]:
        """Everybody who ever said that they search the index, the latest first. Compare with ``Connection.now``."""
        found = [
            Reader(str(body["who"]), float(body["changed_ms"]) / 1000 - float(body.get("ago_s", 0.0)))
            for kind, body, _ in self._rows()
            if kind == _READER and body["index"] == index
        ]
        return sorted(found, key=lambda reader: -reader.seen_s)

    def ready(self) -> None:
        """Make the collection where it is not there yet; without it the first write would make one by auto-schema."""
        with self._lock:
            if self._ready:
                return
            if self._connection.rest("GET", f"/schema/{CONTROL}", doing=f"looking for {CONTROL}") is None:
                self._create()
            self._ready = True

    def _create(self) -> None:
        body = {
            "class": CONTROL,
            "description": "What Transvase must know on every host. Each row is written by it alone.",
            "vectorizer": "none",
            "vectorIndexType": "hnsw",
            "vectorIndexConfig": {"skip": True},
            "replicationConfig": {"factor": max(1, len(self._connection.nodes()))},
            "properties": [
                {"name": name, "dataType": ["text"], "tokenization": "field", "indexSearchable": False, "indexFilterable": False}
                for name in ("kind", "name", "body")
            ],
        }
        try:
            self._connection.rest("POST", "/schema", body=body, doing=f"making {CONTROL}")
        except TransvaseError as error:
            if kind_of(error) is not Kind.EXISTS:  # somebody else was quicker
                raise

    def _read(self, row: UUID) -> dict[str, Any] | None:
        found = self._connection.rest("GET", f"/objects/{CONTROL}/{row}?{_QUORUM}", doing=f"reading {CONTROL}")
        return None if found is None else _body(found)

    def _rows(self) -> Iterator[tuple[str, dict[str, Any], UUID]]:
        """Kind, content and id of every row; the content has ``changed_ms`` added, the server's time of its last change."""
        after = ""
        while True:
            path = f"/objects?class={CONTROL}&limit={PAGE}&after={after}&{_QUORUM}"
            try:
                answer = self._connection.rest("GET", path, doing=f"reading {CONTROL}", index=CONTROL)
            except Superseded:  # it is made when the first row is written
                return
            found = answer.get("objects") or []
            for one in found:
                yield str(one["properties"]["kind"]), {**_body(one), "changed_ms": one["lastUpdateTimeUnix"]}, UUID(one["id"])
            if len(found) < PAGE:
                return
            after = found[-1]["id"]

    def _write(self, kind: str, row: UUID, name: str, facts: Mapping[str, object]) -> None:
        self.ready()
        body = json.dumps({"edition": EDITION, **facts}, sort_keys=True)
        sent = {"class": CONTROL, "id": str(row), "properties": {"kind": kind, "name": name, "body": body}}
        doing = f"writing {kind} {name} into {CONTROL}"
        answer = self._connection.rest("POST", f"/batch/objects?{_QUORUM}", body={"objects": [sent]}, doing=doing)
        errors = [e["message"] for one in answer for e in ((one["result"].get("errors") or {}).get("error") or ())]
        if errors:
            raise refusal(errors[0], doing=doing)

    def _remove(self, row: UUID) -> None:
        with suppress(Superseded):  # without the collection there is no row
            self._connection.rest("DELETE", f"/objects/{CONTROL}/{row}?{_QUORUM}", doing=f"writing {CONTROL}", index=CONTROL)


def _body(found: Mapping[str, Any]) -> dict[str, Any]:
    try:
        body: dict[str, Any] = json.loads(found["properties"]["body"])
        edition = int(body["edition"])
    except (KeyError, TypeError, ValueError) as error:
        raise StoreFailed(
            f"the object {found.get('id')} of {CONTROL} is damaged ({error}); it was not written by Transvase"
        ) from error
    if edition > EDITION:
        raise Unfit(
            f"{CONTROL} holds rows of edition {edition}, and this Transvase knows editions up to {EDITION}",
            remedy="use the newer Transvase everywhere",
        )
    return body


def _declaration(body: Mapping[str, Any]) -> Declaration:
    facts = {f.name: body[f.name] for f in fields(Declaration) if f.name in body and f.name != "space"}
    try:
        return Declaration(**facts, space=Space.from_json(body["space"]) if body["space"] else None)
    except BadValue as error:
        raise StoreFailed(f"the declaration of {body.get('name')} in {CONTROL} is damaged: {error}") from error
