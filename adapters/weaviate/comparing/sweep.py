"""Writes by others, found by the server's own time of an object's last change: edits and inserts, and never deletions.

The time is that of the node which took the write, and may be a little older than the moment from which it can be read: each sweep
begins a little before the place where the last one ended.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from itertools import chain
from typing import TYPE_CHECKING, Final
from uuid import UUID

from transvase.adapters.weaviate.collections.activity import ASLEEP, Activity
from transvase.adapters.weaviate.collections.shape import Shape
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.adapters.weaviate.wire.majority import asked, enough
from transvase.core.errors import Unfit
from transvase.core.record import Key
from weaviate.proto.v1 import base_pb2, search_get_pb2

from .walking import OVERLAP_MS, Sides, owed

if TYPE_CHECKING:
    from transvase.adapters.weaviate.objects.reading import Door
    from transvase.adapters.weaviate.wire.connection import Connection

AT_ONCE: Final = 10_000
"""What the server gives for one search."""
_TIME: Final = "_lastUpdateTimeUnix"


@dataclass(frozen=True, slots=True)
class Changes:
    """What was written since a moment, and the newest time among it."""

    keys: tuple[Key, ...]
    to: int
    """Milliseconds, the server's clock; where nothing was written, the moment that was asked about."""


@dataclass(slots=True)
class Sleepers:
    """Tenants that slept when they were swept: nobody writes to one without waking it. For the tries of one command.

    One that was woken, written and put to sleep again between two tries is met by the look after the switch, if that begins where
    the first of these sweeps did.
    """

    swept: dict[tuple[str, str], int] = field(default_factory=dict)
    """By site and tenant: when that began, in milliseconds of the server's clock, less the overlap."""

    def of(self, site: str) -> dict[str, int]:
        """Those of one site."""
        return {tenant: begun for (where, tenant), begun in self.swept.items() if where == site}

    def keep(self, site: str, states: Mapping[str, Activity]) -> set[str]:
        """Forget those of the site that do not sleep any more; the others."""
        for tenant in self.of(site):
            if states.get(tenant) not in ASLEEP:
                del self.swept[site, tenant]
        return set(self.of(site))


def changed_since(setting: Setting, site: str, since_ms: int, *, sleepers: Sleepers | None = None) -> Changes:
    """Objects of the site whose last change is not older than ``since_ms``, less the overlap.

    ``sleepers`` are passed over as long as they sleep, and kept. Unfit where the collection does not index timestamps, or where
    more objects bear one time than the server tells.
    """
    shape, keys, newest = setting.shape(site), dict[Key, None](), since_ms
    known = sleepers if sleepers is not None and shape.tenants else Sleepers()
    states = setting.tenancy(site).wanted() if shape.tenants else {}
    passed, begun = known.keep(site, states), setting.clock() - OVERLAP_MS
    for tenant in setting.each([one for one in setting.tenants(shape) if one not in passed], site):
        with setting.awake(site, tenant):
            for uuid, at in _everywhere(setting.connection, shape, tenant, max(since_ms - OVERLAP_MS, 0)):
                keys[(tenant, uuid) if tenant else (uuid,)] = None
                newest = max(newest, at)
        if states.get(tenant) in ASLEEP:
            known.swept[site, tenant] = begun
    return Changes(tuple(keys), newest)


def swept(sides: Sides, *, sleepers: Sleepers | None = None) -> int:
    """Owe what others wrote on the live side since the last sweep and the other side has not; how many keys were added.

    How far it came is marked, once it is owed. Without a mark it looks at everything: mark the moment at which the fill began.
    """
    setting, ledger = sides.setting, sides.setting.ledger
    mark = ledger.marked(setting.alias, sides.site)
    changes = changed_since(setting, sides.live, mark.swept_to or 0, sleepers=sleepers)
    added = len(owed(sides, changes.keys))
    ledger.mark(setting.alias, sides.site, replace(mark, swept_to=changes.to))
    return added


def _everywhere(connection: Connection, shape: Shape, tenant: str, since_ms: int) -> Iterator[tuple[UUID, int]]:
    """Of every copy what is newer: one may have missed what another has."""
    if enough(connection, shape.copies):
        found = asked(connection, shape.copies, lambda line, _: list(_newer(line, shape, tenant, since_ms)))
        return chain.from_iterable(found)
    return _newer(connection, shape, tenant, since_ms)


def _newer(door: Door, shape: Shape, tenant: str, since_ms: int) -> Iterator[tuple[UUID, int]]:
    while True:
        request = search_get_pb2.SearchRequest(
            collection=shape.name,
            tenant=tenant,
            limit=AT_ONCE,
            metadata=search_get_pb2.MetadataRequest(uuid=True, last_update_time_unix=True),
            properties=search_get_pb2.PropertiesRequest(),
            sort_by=[search_get_pb2.SortBy(ascending=True, path=[_TIME])],
            filters=base_pb2.Filters(
                operator=base_pb2.Filters.OPERATOR_GREATER_THAN_EQUAL,
                target=base_pb2.FilterTarget(property=_TIME),
                value_text=datetime.fromtimestamp(since_ms / 1000, tz=UTC).isoformat(timespec="milliseconds"),
            ),
            uses_123_api=True,
            uses_125_api=True,
            uses_127_api=True,
        )
        results = door.search(request, index=shape.name).results
        for one in results:
            yield UUID(one.metadata.id), one.metadata.last_update_time_unix
        if len(results) < AT_ONCE:
            return
        last = results[-1].metadata.last_update_time_unix
        if last <= since_ms:
            raise Unfit(
                f"{shape.name} has more than {AT_ONCE} objects that were written within one millisecond",
                remedy="reconcile instead: it walks both sides in key order",
            )
        since_ms = last
