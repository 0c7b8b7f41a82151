"""What stands in for an object that is not there yet: within a tenant the server takes no reference to nothing.

It keeps them where objects leave: whoever deletes an object leaves the references to it as they are. So a copy of them is made to
lead to an object that has an id and nothing else. The object itself is written over it, and where there is none it is deleted.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final
from urllib.parse import quote
from uuid import UUID

from transvase.adapters.weaviate.collections.shape import Shape
from transvase.adapters.weaviate.wire.failures import refusal
from transvase.core.record import Key

from .cargo import parted
from .reading import Seen

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection

_AT_ONCE: Final = 1_000
_LEVEL: Final = "?consistency_level=QUORUM"


def stood_in(connection: Connection, shape: Shape, objects: Sequence[Seen]) -> set[Key]:
    """Make what the references of these objects lead to, in their own collection and tenant, where it is not there; its keys.

    What somebody writes under such a key in this very moment may be written over: never where objects are the application's.
    """
    made: set[Key] = set()
    for tenant, group in groupby(sorted(objects, key=lambda one: one.tenant), key=lambda one: one.tenant):
        wanted = sorted({uuid for one in group for uuid in _led_to(one, shape)})
        for start in range(0, len(wanted), _AT_ONCE):
            some = wanted[start : start + _AT_ONCE]
            lacking = set(some) - _there(connection, shape, some, tenant)
            _write(connection, shape, sorted(lacking), tenant)
            made.update((tenant, uuid) for uuid in lacking)
    return made


def _led_to(one: Seen, shape: Shape) -> Iterator[UUID]:
    _, beacons = parted(one.cargo.properties, shape.name)
    for beacon in (beacon for targets in beacons.values() for beacon in targets):
        *_, collection, uuid = beacon.split("/")
        if collection == shape.name:
            yield UUID(uuid)


def _there(connection: Connection, shape: Shape, uuids: Sequence[UUID], tenant: str) -> set[UUID]:
    """Those of which there is an object: what would be deleted, if it were."""
    where = {"path": ["id"], "operator": "ContainsAny", "valueTextArray": [str(uuid) for uuid in uuids]}
    body = {"match": {"class": shape.name, "where": where}, "output": "verbose", "dryRun": True}
    told = connection.rest("DELETE", f"/batch/objects?tenant={quote(tenant)}", body=body, index=shape.name)
    return {UUID(one["id"]) for one in told["results"].get("objects") or ()}


def _write(connection: Connection, shape: Shape, uuids: Sequence[UUID], tenant: str) -> None:
    if not uuids:
        return
    objects = [{"class": shape.name, "id": str(uuid), "tenant": tenant} for uuid in uuids]
    told = connection.rest(
        "POST", f"/batch/objects{_LEVEL if shape.copies > 1 else ''}", body={"objects": objects}, index=shape.name
    )
    for one in told:
        errors = ((one.get("result") or {}).get("errors") or {}).get("error") or ()
        if errors:
            why = "; ".join(str(error["message"]) for error in errors)
            raise refusal(why, doing=f"making room for the references to {one.get('id')} in {shape.name}", index=shape.name)
