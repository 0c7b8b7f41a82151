"""The width of a new collection, made to hold before its first object: in every shard, and in every tenant.

The first vector that a shard takes decides the width of all that follow, and an empty shard takes any. So objects of the right
width are put into each and removed again. A restart of the server forgets that, for shards that are empty still.
"""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final
from uuid import UUID

import numpy as np
from transvase.core.record import Key

from .cargo import Cargo
from .reading import Seen
from .schema import Raw, schema_of, tenanted
from .shape import Shape, shaped
from .tenants import Activity, Tenants
from .writing import drop, put_whole

if TYPE_CHECKING:
    from .connection import Connection

A_SHARD: Final = 16
"""Objects for each shard: that none of a hundred shards is left out fails once in 90,000 times."""
PATIENCE_S: Final = 30.0


def pin(connection: Connection, site: str, *, vector: str, width: int) -> None:
    """Let every shard of the empty collection, and every tenant of it that is awake, take vectors of this width alone.

    Objects are there for a moment; a tenant that sleeps stays as it is, and is pinned by its first object.
    """
    raw = schema_of(connection, site)
    shape = shaped(raw)
    if not tenanted(raw):
        _pin(connection, shape, vector=vector, width=width, count=A_SHARD * _shards(raw) if _shards(raw) > 1 else 1)
        return
    for tenant, state in Tenants(connection, site).statuses().items():
        if state is Activity.ACTIVE and not connection.count(site, tenant):
            _pin(connection, shape, vector=vector, width=width, count=1, tenant=tenant)


def _pin(connection: Connection, shape: Shape, *, vector: str, width: int, count: int, tenant: str = "") -> None:
    chance = random.Random()  # noqa: S311 - they spread over the shards; nothing is kept secret by them
    held = np.ones(width, dtype=np.float32)
    keys: list[Key] = []
    for _ in range(count):
        uuid = UUID(int=chance.getrandbits(128), version=4)
        keys.append((tenant, uuid) if tenant else (uuid,))
    objects = [Seen(key, Cargo({}, {}), held) for key in keys]
    put_whole(connection, shape, objects, moving=vector, width=width, budget_s=PATIENCE_S)
    drop(connection, shape, keys)


def _shards(raw: Raw) -> int:
    return int((raw.get("shardingConfig") or {}).get("desiredCount") or 1)
