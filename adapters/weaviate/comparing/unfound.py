"""Objects that are there and that no search by their vector finds: what a server that was killed has lost of its vector index.

It puts objects on disk as it takes them, and the log of its graph in pieces: of the last batch that a shard took, a part or all
stays in memory until the shard is written again (1.39; half a minute changed nothing). A server that is killed meanwhile has the
objects afterwards and not their places in the graph, and never makes that good: not when it begins, nor when an object is
written again with the same vector, which it takes for no change. Another vector and then the right one is what mends it.

A search with a condition of ids compares each of the objects that the graph has, so it tells which it has not. What was being put
into the graph at that moment may be in it with nothing that leads to it: such a search finds it, and no other does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import numpy as np
from transvase.adapters.weaviate.collections.schema import schema_of, vector_kind
from transvase.adapters.weaviate.collections.shape import Shape
from transvase.adapters.weaviate.objects.cargo import Vector
from transvase.adapters.weaviate.objects.messages import Message, message_of
from transvase.adapters.weaviate.objects.reading import Lens, Seen, ids_of, picked
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.adapters.weaviate.objects.texts import expression
from transvase.adapters.weaviate.objects.writing import restamp, sink
from transvase.adapters.weaviate.wire.failures import passing
from transvase.adapters.weaviate.wire.line import Line
from transvase.core.errors import SpaceMismatch, TransvaseError
from transvase.core.record import Key
from weaviate.proto.v1 import base_search_pb2, search_get_pb2

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection

AT_ONCE: Final = 1_000
"""Ids in one condition, where the collection compares so many of them one by one."""
_AMONG: Final = 20
"""Of so many hits the object itself is one, if a search for its own vector comes to it."""
_TOUCHING: Final = 1e-3
"""Vectors whose distance differs by less are taken for equal: of many of them a search need not give each."""
_OTHER: Final = np.float32(1.001)
"""How much the largest component of a vector differs for the moment in which it is to be another."""


def queued(setting: Setting, site: str) -> int:
    """Vectors that the server took and has not indexed yet, on all nodes; at least one while it says that it is indexing."""
    answer = setting.connection.rest("GET", f"/nodes/{site}?output=verbose", doing="asking for its queues", index=site)
    shards = [shard for node in (answer or {}).get("nodes") or () for shard in node.get("shards") or ()]
    waiting = sum(int(shard.get("vectorQueueLength") or 0) for shard in shards if shard.get("loaded", True))
    return waiting or int(any(shard.get("vectorIndexingStatus") == "INDEXING" for shard in shards))


def graphed(setting: Setting, site: str) -> int:
    """Up to how many ids a search by vector compares one by one; 0 where there is no graph that could lack one."""
    raw = schema_of(setting.connection, site)
    kind = vector_kind(raw, setting.look().source.vector)
    config: Mapping[str, Any] = raw["vectorConfig"][kind.name]["vectorIndexConfig"] if kind.name else raw["vectorIndexConfig"]
    config = config.get("hnsw") or config
    return 0 if kind.index == "flat" or kind.skipped else min(AT_ONCE, int(config.get("flatSearchCutoff") or 0))


def unfound(setting: Setting, site: str, keys: Sequence[Key], *, width: int, at_once: int) -> Iterator[Key]:
    """Those of the keys, which have a vector of this width, that no search finds though they are there.

    One of several copies is enough that has it and does not find it. One that was away and lacks the whole object is none: it is
    given that with its place, and whoever indexed it anew meanwhile would do so beside everybody who writes it.
    """
    shape = setting.shape(site)
    moving = shape.named(setting.look().source.vector)
    groups = groupby(sorted(keys), key=lambda key: str(key[0]) if len(key) > 1 else "")
    parts = {tenant: list(some) for tenant, some in groups}
    for tenant in setting.each(list(parts), site):
        some = parts[tenant]
        with setting.awake(site, tenant):
            sink(setting.connection, shape, tenant)  # what is found now is found after a power cut too
            for start in range(0, len(some), at_once):
                part = some[start : start + at_once]
                request = _aimed(shape, moving, np.ones(width, dtype=np.float32), tenant=tenant, limit=len(part))
                request.filters.CopyFrom(ids_of(part))
                lost: set[Key] = set()
                for door in _doors(setting.connection, shape):
                    found = _found(door, request, shape)
                    if found is not None:
                        lost.update(_there(door, shape, [key for key in part if key[-1] not in found]))
                yield from (key for key in part if key in lost)


def unreached(setting: Setting, site: str, held: Mapping[Key, Seen], *, metric: str) -> Iterator[Key]:
    """Those of the objects, which have a vector, that a search for it does not come to; of several copies as above."""
    shape = setting.shape(site)
    moving = shape.named(setting.look().source.vector)
    for tenant in setting.each(sorted({one.tenant for one in held.values()}), site):
        with setting.awake(site, tenant):
            for key, vector in [(key, one.vector) for key, one in held.items() if one.tenant == tenant]:
                assert vector is not None, "only what has a vector is looked for"
                request = _aimed(shape, moving, vector, tenant=tenant, limit=_AMONG)
                own = -float(vector @ vector) if metric == "ip" else 0.0
                for door in _doors(setting.connection, shape):
                    found = _found(door, request, shape)
                    if found is not None and not _met(key, own, found) and _there(door, shape, [key]):
                        yield key
                        break


def unchanged(setting: Setting, site: str, held: Mapping[Key, Seen], *, width: int, at_once: int) -> list[Key]:
    """What is not found once more, and is still as it was held: not what somebody deletes or writes just now.

    A copy may lack for a moment what a majority has taken.
    """
    return as_held(setting, site, held, list(unfound(setting, site, list(held), width=width, at_once=at_once)) if held else [])


def as_held(setting: Setting, site: str, held: Mapping[Key, Seen], keys: Sequence[Key]) -> list[Key]:
    """Those of the keys that nobody has written or deleted since they were held so."""
    now = setting.fetch(site, setting.lens(vector=False, others=False, properties=False), keys) if keys else {}
    return [key for key in keys if key in now and now[key].updated == held[key].updated]


def stirred(setting: Setting, site: str, one: Seen, *, width: int) -> None:
    """Have the server index the object's vector anew, which it is seen to hold; not where its text is another by now."""
    assert one.vector is not None, "only what has a vector is looked for"
    other = one.vector.copy()
    other[int(np.argmax(np.abs(other)))] *= _OTHER
    shape, source = setting.shape(site), setting.look().source
    read = expression(source.text, shape)
    for vector in (other, one.vector):
        restamp(setting.connection, shape, one.holding(vector), moving=source.vector, width=width, read=read)


def _doors(connection: Connection, shape: Shape) -> Sequence[Connection | Line]:
    return connection.each if shape.copies > 1 and len(connection.each) > 1 else (connection,)


def _met(key: Key, own: float, found: Mapping[UUID, float]) -> bool:
    """Whether the object is among what was found, or there is more as near as it than was asked for."""
    return key[-1] in found or (len(found) == _AMONG and max(found.values()) <= own + _TOUCHING * max(abs(own), 1.0))


def _found(door: Connection | Line, request: Message, shape: Shape) -> dict[UUID, float] | None:
    """How far away each is; None where one of several hosts does not answer, and for a shard of another width (see a census)."""
    try:
        return {UUID(one.metadata.id): one.metadata.distance for one in door.search(request, index=shape.name).results}
    except SpaceMismatch:
        return None
    except TransvaseError as error:
        if isinstance(door, Line) and passing(error):
            return None
        raise


def _there(door: Connection | Line, shape: Shape, keys: Sequence[Key]) -> Sequence[Key]:
    """Those of a tenant's keys that the copy has which answers there; none where its host does not answer any more."""
    if shape.copies == 1 or not keys:
        return keys
    tenant = str(keys[0][0]) if len(keys[0]) > 1 else ""
    try:
        return [one.key for one in picked(door, shape, Lens("").keys_only(), keys, tenant)]
    except TransvaseError as error:
        if isinstance(door, Line) and passing(error):
            return ()
        raise


def _aimed(shape: Shape, moving: str, vector: Vector, *, tenant: str, limit: int) -> Message:
    near = base_search_pb2.NearVector(
        vectors=[message_of("", vector)],
        targets=base_search_pb2.Targets(target_vectors=[moving] if moving else []),
    )
    return search_get_pb2.SearchRequest(
        collection=shape.name,
        tenant=tenant,
        limit=limit,
        near_vector=near,
        metadata=search_get_pb2.MetadataRequest(uuid=True, distance=True),
        properties=search_get_pb2.PropertiesRequest(),
        uses_123_api=True,
        uses_125_api=True,
        uses_127_api=True,
    )
