"""Objects as one node tells them, in key order or by key: over gRPC where that carries them whole, over REST where they refer.

Keys are ``(uuid,)`` or ``(tenant, uuid)``; the server's order is that of the UUID's bytes, on one shard and over many. A page is
not a snapshot: an object that is written while it is read may be seen as it was, as it is, or not at all. Where there are several
copies of an object a page and a filter show one of them, which may be older: see ``copies``.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias, cast
from urllib.parse import quote, urlencode
from uuid import UUID

import numpy as np
from transvase.adapters.weaviate.collections.shape import Shape
from transvase.adapters.weaviate.wire.failures import retrying
from transvase.adapters.weaviate.wire.line import Line
from transvase.core.record import Key
from weaviate.proto.v1 import base_pb2, search_get_pb2

from .cargo import Cargo, Vector, carried
from .messages import Message, unpacked, vector_of, wanted

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection

    Door: TypeAlias = Connection | Line
    """Whichever host of the address answers, or one of them."""

PATIENCE_S: Final = 5.0
"""How long a page is asked for again in silence, where time may mend what is in its way."""
PAGE: Final = 1_000
"""Objects asked for at once; the server gives 10,000 at most, unless it is told otherwise."""
_ASKING: Final = 4
"""Threads that ask for single objects over REST, which has no call for several; more were no faster."""


@dataclass(frozen=True, slots=True)
class Lens:
    """What is read of each object, besides its key."""

    moving: str
    """The name of the vector that moves; it is no part of the cargo."""
    vector: bool = True
    """Read that vector."""
    others: bool = True
    """Read the other vectors, which the cargo holds."""
    properties: bool = True
    """Read the properties."""

    @property
    def bare(self) -> bool:
        """True where nothing is read but keys and times."""
        return not (self.vector or self.others or self.properties)

    def keys_only(self) -> Lens:
        """The same, for keys and times."""
        return Lens(self.moving, vector=False, others=False, properties=False)


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """One object as it was seen."""

    key: Key
    cargo: Cargo
    vector: Vector | None = None
    """The one that moves; None where the object has none, or it was not read."""
    updated: int = 0
    """Milliseconds, the server's clock: when it was written last."""
    asked: float = 0.0
    """``time.monotonic`` when it was asked for: what was written before that is in it."""

    @property
    def digest(self) -> bytes:
        """Of all that it carries; its own vector is no part of it."""
        return self.cargo.digest()

    @property
    def uuid(self) -> UUID:
        """The object's id."""
        return cast("UUID", self.key[-1])

    @property
    def tenant(self) -> str:
        """Its tenant; empty where there are none."""
        return str(self.key[0]) if len(self.key) > 1 else ""

    def holding(self, vector: Vector | None) -> Seen:
        """The same with another vector."""
        return replace(self, vector=vector)


def page(door: Door, shape: Shape, lens: Lens, *, after: UUID | None, limit: int, tenant: str = "") -> list[Seen]:
    """The next objects of the collection, or of its tenant, in key order; fewer than ``limit`` at the end only.

    Superseded when the collection is gone, StoreFailed for a tenant that is not awake. A walk of many pages does not end because
    the server wants to be left alone during one of them; a host that is asked for itself is asked once.
    """

    def ask() -> list[Seen]:
        return _page(door, shape, lens, after=after, limit=limit, tenant=tenant)

    return ask() if isinstance(door, Line) else retrying(f"reading {shape.name}", ask, budget_s=PATIENCE_S)


def _page(door: Door, shape: Shape, lens: Lens, *, after: UUID | None, limit: int, tenant: str) -> list[Seen]:
    asked = time.monotonic()
    if shape.plain or lens.bare:
        request = _request(shape, lens, tenant)
        request.limit, request.after = limit, str(after or "")
        return [seen_in(one, shape, lens, tenant, asked=asked) for one in _searched(door, shape, request)]
    query = {"class": shape.name, "limit": str(limit), "after": str(after or ""), **_options(shape, lens, tenant)}
    found = cast("Mapping[str, object]", door.rest("GET", f"/objects?{urlencode(query)}", index=shape.name) or {})
    return [_from_json(one, shape, lens, tenant, asked=asked) for one in _objects(found.get("objects"))]


def picked(door: Door, shape: Shape, lens: Lens, keys: Sequence[Key], tenant: str) -> list[Seen]:
    """Those of a tenant's keys that are there, where gRPC can tell them whole."""
    asked, request = time.monotonic(), _request(shape, lens, tenant)
    request.limit = len(keys)
    request.filters.CopyFrom(ids_of(keys))
    return [seen_in(one, shape, lens, tenant, asked=asked) for one in _searched(door, shape, request)]


def ids_of(keys: Sequence[Key]) -> Message:
    """The condition that an object has one of these keys."""
    return base_pb2.Filters(
        operator=base_pb2.Filters.OPERATOR_CONTAINS_ANY,
        target=base_pb2.FilterTarget(property="_id"),
        value_text_array=base_pb2.TextArray(values=[str(key[-1]) for key in keys]),
    )


def _searched(door: Door, shape: Shape, request: Message) -> Sequence[Message]:
    """What a search finds. A host that is asked for itself looks at its own copy.

    Any other tells its own copy too, and mends what is older in it before it answers: the next search finds that as it is now.
    """
    if shape.copies > 1:
        one, several = base_pb2.CONSISTENCY_LEVEL_ONE, base_pb2.CONSISTENCY_LEVEL_QUORUM
        request.consistency_level = one if isinstance(door, Line) else several
    if isinstance(door, Line):
        return cast("Sequence[Message]", door.search(request, index=shape.name, spare=True).results)
    return cast("Sequence[Message]", door.search(request, index=shape.name).results)


def single(door: Door, shape: Shape, lens: Lens, key: Key, *, of_all: bool = False) -> Seen | None:
    """The object of this key with every property that it has, those that the shape does not know among them; None without it.

    Where there are several copies, it is what a majority of them has, and of those that are asked the older ones are mended. A
    host that is asked for itself asks its own among them; with ``of_all`` every one is asked, or it is an error.
    """
    asked, tenant = time.monotonic(), str(key[0]) if len(key) > 1 else ""
    level = {"consistency_level": "ALL"} if of_all and shape.copies > 1 else {}
    path = f"/objects/{quote(shape.name)}/{key[-1]}?{urlencode({**_options(shape, lens, tenant), **level})}"
    answer = door.rest("GET", path, spare=True) if isinstance(door, Line) else door.rest("GET", path)
    return None if answer is None else _from_json(cast("Mapping[str, object]", answer), shape, lens, tenant, asked=asked)


def alone(connection: Connection, shape: Shape, lens: Lens, keys: Sequence[Key]) -> list[Seen]:
    """Those of the keys that are there, each asked for by itself."""
    with ThreadPoolExecutor(_ASKING) as threads:
        answers = threads.map(lambda key: single(connection, shape, lens, key), keys)
        return [one for one in answers if one is not None]


def _request(shape: Shape, lens: Lens, tenant: str) -> Message:
    asked = [name for name in shape.vectors if (lens.vector if name == shape.named(lens.moving) else lens.others)]
    metadata = search_get_pb2.MetadataRequest(
        uuid=True, last_update_time_unix=True, vector="" in asked, vectors=[name for name in asked if name]
    )
    return search_get_pb2.SearchRequest(
        collection=shape.name,
        tenant=tenant,
        metadata=metadata,
        properties=wanted(shape.properties.values() if lens.properties else ()),
        uses_123_api=True,
        uses_125_api=True,
        uses_127_api=True,
    )


def _options(shape: Shape, lens: Lens, tenant: str) -> dict[str, str]:
    include = {"include": "vector"} if lens.vector or lens.others else {}
    level = {"consistency_level": "QUORUM"} if shape.copies > 1 else {}
    return {**include, **level, **({"tenant": tenant} if tenant else {})}


def seen_in(message: Message, shape: Shape, lens: Lens, tenant: str, *, asked: float = 0.0) -> Seen:
    """The object in one result of a search."""
    metadata = message.metadata
    vectors = {one.name: vector_of(one) for one in metadata.vectors}
    if metadata.vector_bytes and "" in shape.vectors:
        vectors[""] = np.frombuffer(metadata.vector_bytes, dtype="<f4")
    return _seen(
        UUID(bytes=metadata.id_as_bytes) if metadata.id_as_bytes else UUID(metadata.id),
        carried(unpacked(message.properties.non_ref_props.fields), shape),
        vectors,
        shape=shape,
        lens=lens,
        tenant=tenant,
        updated=metadata.last_update_time_unix,
        asked=asked,
    )


def _from_json(one: Mapping[str, object], shape: Shape, lens: Lens, tenant: str, *, asked: float) -> Seen:
    named = cast("Mapping[str, object]", one.get("vectors") or {})
    vectors = {name: np.array(values, dtype=np.float32) for name, values in named.items()}
    if one.get("vector"):
        vectors[""] = np.array(one["vector"], dtype=np.float32)
    properties = cast("Mapping[str, object]", one.get("properties") or {}) if lens.properties else {}
    return _seen(
        UUID(str(one["id"])),
        carried(properties, shape),
        vectors,
        shape=shape,
        lens=lens,
        tenant=tenant,
        updated=int(cast("int", one.get("lastUpdateTimeUnix") or 0)),
        asked=asked,
    )


def _seen(
    uuid: UUID,
    properties: Mapping[str, object],
    vectors: dict[str, Vector],
    *,
    shape: Shape,
    lens: Lens,
    tenant: str,
    updated: int,
    asked: float,
) -> Seen:
    moving = vectors.pop(shape.named(lens.moving), None)
    others = {name: vector for name, vector in vectors.items() if vector.size} if lens.others else {}
    vector = moving if lens.vector and moving is not None and moving.size else None
    return Seen((tenant, uuid) if tenant else (uuid,), Cargo(properties, others), vector, updated, asked)


def _objects(found: object) -> Sequence[Mapping[str, object]]:
    return cast("Sequence[Mapping[str, object]]", found or ())
