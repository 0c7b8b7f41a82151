"""The width of a collection of ours, made to hold before its first object: in every shard, and in every tenant.

The first vector that a shard takes decides the width of all that follow, and an empty shard takes any. So objects of the right
width are put into each and removed again. A restart of the server forgets that, for shards that are empty still: so it is done
again when a node has begun anew. The objects have ids that are known beforehand; what a crash leaves of them goes the next time.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Collection
from typing import TYPE_CHECKING, Final

import numpy as np
from transvase.adapters.weaviate.collections.activity import Activity
from transvase.adapters.weaviate.collections.names import object_id
from transvase.adapters.weaviate.collections.schema import Raw, schema_of, tenanted
from transvase.adapters.weaviate.collections.shape import Shape, shaped
from transvase.adapters.weaviate.collections.tenants import Tenants
from transvase.adapters.weaviate.objects.cargo import Cargo
from transvase.adapters.weaviate.objects.reading import Seen
from transvase.adapters.weaviate.objects.writing import drop, put
from transvase.adapters.weaviate.wire.failures import Kind, kind_of, refusal
from transvase.core.declaration import Alias
from transvase.core.errors import SpaceMismatch, TransvaseError
from transvase.core.record import Key

from .agreement import beginnings

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection

A_SHARD: Final = 16
"""Objects for each shard: that none of a hundred shards is left out fails once in 90,000 times."""

_log = logging.getLogger(__name__)


class Pins:
    """What one process knows of the widths that it has seen to hold, by alias. Safe for many threads."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._held: dict[str, object] = {}
        self._lock = threading.Lock()

    def again(self, alias: Alias) -> None:
        """Pin both sides, as far as they are ours and empty, unless no node has begun anew since that was done last.

        A failure is no error here: it is tried again the next time.
        """
        sides = [side for side in alias.kept if not side.adopted]
        if not sides or not self._lock.acquire(blocking=False):
            return
        try:
            now = (alias.generation, beginnings(self._connection))
            if self._held.get(alias.name) == now:
                return
            for side in sides:
                pin(self._connection, side.site, vector=alias.source.vector, width=side.width)
            self._held[alias.name] = now
        except TransvaseError as error:
            _log.warning("the widths of %r are not pinned again: %s", alias.name, error)
        finally:
            self._lock.release()


def pin(connection: Connection, site: str, *, vector: str, width: int, only: Collection[str] | None = None) -> None:
    """Let every shard of the collection that may be empty, and every tenant of it that is awake, take this width alone.

    ``only`` names the tenants that are to be pinned, where it is not all of them.

    Objects are there for a moment; a tenant that sleeps stays as it is, and is pinned by its first object. Where another vector
    is made by a module that does not answer, the width is left open, and the log says so.
    """
    raw = schema_of(connection, site)
    shape = shaped(raw)
    if not tenanted(raw):
        shards = _shards(raw)
        _pin(connection, shape, vector=vector, width=width, count=A_SHARD * shards if shards > 1 else 1)
        return
    for tenant, state in Tenants(connection, site).statuses().items():
        if state is Activity.ACTIVE and (only is None or tenant in only):
            _pin(connection, shape, vector=vector, width=width, count=1, tenant=tenant)


def _pin(connection: Connection, shape: Shape, *, vector: str, width: int, count: int, tenant: str = "") -> None:
    """Where there are fewer objects than it takes for no shard to be empty."""
    held = np.ones(width, dtype=np.float32)
    uuids = [object_id("pin", shape.name, str(number)) for number in range(count)]
    keys: list[Key] = [(tenant, uuid) if tenant else (uuid,) for uuid in uuids]
    there = connection.count(shape.name, tenant)
    if there:
        drop(connection, shape, keys)  # a process may have died between the two below
        there = connection.count(shape.name, tenant)
    if there >= count:
        return
    try:
        objects = [Seen(key, Cargo({}, {}), held) for key in keys]
        failed = put(connection, shape, objects, moving=vector, width=width)
    finally:
        drop(connection, shape, keys)
    for why in failed.values():
        error = refusal(why, doing=f"pinning the width of {shape.name}", index=shape.name)
        if kind_of(error) is not Kind.MODULE and not isinstance(error, SpaceMismatch):
            raise error
        what = f"{shape.name}, tenant {tenant}," if tenant else shape.name
        _log.warning("an empty %s does not hold to the width of %s before its first object: %s", what, width, error)
        return


def _shards(raw: Raw) -> int:
    return int((raw.get("shardingConfig") or {}).get("desiredCount") or 1)
