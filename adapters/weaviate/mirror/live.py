"""The application's write itself, to the collection that is live, by its physical name: as the driver would send it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import quote
from uuid import UUID

from transvase.adapters.weaviate.collections.shape import Shape
from transvase.adapters.weaviate.objects.cargo import Cargo, Vector, carried
from transvase.adapters.weaviate.objects.copies import level
from transvase.adapters.weaviate.objects.reading import Seen
from transvase.adapters.weaviate.objects.writing import DELETED_AT_ONCE, json_vectors, put, query_of, sink
from transvase.adapters.weaviate.wire.failures import Kind, kind_of, refusal
from transvase.core.errors import BadValue, TransvaseError
from transvase.core.record import Key
from weaviate.proto.v1 import base_pb2, batch_delete_pb2, search_get_pb2

from .given import Given

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection

FOUND_AT_ONCE: Final = 10_000
"""What the server gives for one search, unless it is told otherwise."""


@dataclass(frozen=True, slots=True)
class Brought:
    """An object as it goes to the live side: with the vector that is meant for it, if one is."""

    given: Given
    vector: Vector | None
    beacons: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)


def insert(connection: Connection, shape: Shape, brought: Brought, *, moving: str) -> None:
    """A new object; StoreFailed where the key has one already, or a reference leads nowhere."""
    connection.rest("POST", f"/objects{query_of(shape, '')}", body=_body(shape, brought, moving), index=shape.name)


def replace(connection: Connection, shape: Shape, brought: Brought, *, moving: str) -> None:
    """The whole object anew; StoreFailed where there is none."""
    path = f"/objects/{quote(shape.name)}/{brought.given.uuid}{query_of(shape, '')}"
    connection.rest("PUT", path, body=_body(shape, brought, moving), index=shape.name)


def update(connection: Connection, shape: Shape, brought: Brought, *, moving: str) -> None:
    """Some properties, references and vectors of an object; StoreFailed where there is none.

    A copy that is older is mended before, where one can be asked: it would have these parts of now, and the others of then.
    """
    level(connection, shape, [brought.given.key])
    path = f"/objects/{quote(shape.name)}/{brought.given.uuid}{query_of(shape, '')}"
    connection.rest("PATCH", path, body=_body(shape, brought, moving), index=shape.name)


def echo(connection: Connection, shape: Shape, brought: Brought, *, moving: str) -> None:
    """The whole object over what is there, sent as ``insert`` sends it, so that the server makes the same of it."""
    body = {"objects": [_body(shape, brought, moving)]}
    (told,) = connection.rest("POST", f"/batch/objects{query_of(shape, '')}", body=body, index=shape.name)
    errors = ((told.get("result") or {}).get("errors") or {}).get("error") or ()
    if errors:
        why = "; ".join(str(one["message"]) for one in errors)
        raise refusal(why, doing=f"writing the object {brought.given.uuid} into {shape.name}", index=shape.name)


def insert_many(connection: Connection, shape: Shape, objects: Sequence[Brought], *, moving: str, width: int) -> dict[Key, str]:
    """Objects over what is there; those that the server refused, with its reasons."""
    failed = put(connection, shape, [_seen(one, shape) for one in objects], moving=moving, width=width)
    kept(connection, shape, [one.given.key for one in objects])
    return failed


def kept(connection: Connection, shape: Shape, keys: Sequence[Key]) -> None:
    """See that what was written together is found by its vector after a power cut too, as what is written alone is.

    No error here is anybody's: the objects are there.
    """
    if len(keys) > 1:
        with suppress(TransvaseError):
            sink(connection, shape, *{_tenant(key) for key in keys})


def delete(connection: Connection, shape: Shape, keys: Sequence[Key], *, filters: Any = None) -> dict[Key, str]:
    """Delete the objects of these keys that are there, and meet the driver's ``filters``.

    Those that were found, each with what the server said against its going; empty where it went.
    """
    told: dict[Key, str] = {}
    for tenant, group in groupby(sorted(set(keys)), key=_tenant):
        some = list(group)
        for start in range(0, len(some), DELETED_AT_ONCE):
            part = {str(key[-1]): key for key in some[start : start + DELETED_AT_ONCE]}
            reply = _deleted(connection, shape, _both(_ids(list(part)), filters), tenant)
            for one in reply.objects:
                told[part[str(UUID(bytes=one.uuid))]] = "" if one.successful else one.error or "it was not deleted"
    return told


def would_delete(connection: Connection, shape: Shape, filters: Any, tenant: str) -> batch_delete_pb2.BatchDeleteReply:
    """What the server says of a deletion that it does not make."""
    return _deleted(connection, shape, filters, tenant, dry_run=True)


def _deleted(
    connection: Connection, shape: Shape, filters: Any, tenant: str, *, dry_run: bool = False
) -> batch_delete_pb2.BatchDeleteReply:
    request = batch_delete_pb2.BatchDeleteRequest(
        collection=shape.name, filters=filters, verbose=True, dry_run=dry_run, tenant=tenant or None
    )
    if shape.copies > 1:
        request.consistency_level = base_pb2.CONSISTENCY_LEVEL_QUORUM
    return connection.delete(request, index=shape.name)


def matching(connection: Connection, shape: Shape, filters: Any, tenant: str) -> list[Key]:
    """Keys of objects that meet the filters, up to what the server gives at once."""
    request = search_get_pb2.SearchRequest(
        collection=shape.name,
        tenant=tenant,
        limit=FOUND_AT_ONCE,
        metadata=search_get_pb2.MetadataRequest(uuid=True),
        properties=search_get_pb2.PropertiesRequest(),
        filters=filters,
        uses_123_api=True,
        uses_125_api=True,
        uses_127_api=True,
    )
    if shape.copies > 1:
        request.consistency_level = base_pb2.CONSISTENCY_LEVEL_QUORUM
    found = [UUID(one.metadata.id) for one in connection.search(request, index=shape.name).results]
    return [(tenant, uuid) if tenant else (uuid,) for uuid in found]


def filters_of(where: object) -> Any:
    """The driver's filter, or a list of ids, as the server takes it; BadValue for anything else."""
    from weaviate.collections.classes.filters import _Filters
    from weaviate.collections.filters import _FilterToGRPC

    if isinstance(where, _Filters):
        return _FilterToGRPC.convert(where)
    if isinstance(where, list | tuple | set | frozenset) and where and all(isinstance(one, UUID | str) for one in where):
        return _ids([str(one) for one in where])
    raise BadValue("where", where, why="give a Filter of weaviate.classes.query, or ids")


def refer(connection: Connection, shape: Shape, key: Key, name: str, beacons: Sequence[Mapping[str, str]], *, how: str) -> None:
    """Add (POST), take away (DELETE) or exchange all (PUT) references of one property of an object."""
    level(connection, shape, [key])
    tenant = _tenant(key)
    path = f"/objects/{quote(shape.name)}/{key[-1]}/references/{quote(name)}{query_of(shape, tenant)}"
    for body in [list(beacons)] if how == "PUT" else beacons:
        connection.rest(how, path, body=body, index=shape.name)


def refer_many(connection: Connection, shape: Shape, lines: Sequence[tuple[Key, str, str]]) -> dict[int, str]:
    """Add references (key, property, beacon); what the server said against some, by their number."""
    level(connection, shape, [key for key, _, _ in lines])
    body = [
        {"from": f"weaviate://localhost/{shape.name}/{key[-1]}/{name}", "to": to, **({"tenant": key[0]} if len(key) > 1 else {})}
        for key, name, to in lines
    ]
    told = connection.rest("POST", f"/batch/references{query_of(shape, '')}", body=body, index=shape.name)
    failed = {}
    for number, one in enumerate(told):
        errors = ((one.get("result") or {}).get("errors") or {}).get("error") or ()
        if errors:
            failed[number] = "; ".join(str(error["message"]) for error in errors)
    return failed


def exists(connection: Connection, shape: Shape, key: Key) -> bool:
    """True where there is an object of this key."""
    return _get(connection, shape, key) is not None


def properties(connection: Connection, shape: Shape, key: Key) -> dict[str, object]:
    """What the object has now, without references; an error of the kind MISSING where there is none."""
    found = _get(connection, shape, key)
    if found is None:
        raise refusal("no object with this id", status=404, doing=f"reading {key[-1]}", index=shape.name)
    return carried(cast("Mapping[str, object]", found.get("properties") or {}), shape)


def _get(connection: Connection, shape: Shape, key: Key) -> Any:
    return connection.rest("GET", f"/objects/{quote(shape.name)}/{key[-1]}{query_of(shape, _tenant(key))}")


def nothing_done(error: TransvaseError) -> bool:
    """True for a refusal after which the object is surely as it was."""
    return kind_of(error) in (Kind.EXISTS, Kind.MISSING)


def _body(shape: Shape, brought: Brought, moving: str) -> dict[str, object]:
    given = brought.given
    vectors = dict(given.others) if brought.vector is None else {**given.others, shape.named(moving): brought.vector}
    tenant = _tenant(given.key)
    return {
        "class": shape.name,
        "id": given.uuid,
        "properties": {**given.properties, **brought.beacons},
        **json_vectors(vectors),
        **({"tenant": tenant} if tenant else {}),
    }


def _seen(brought: Brought, shape: Shape) -> Seen:
    given = brought.given
    return Seen(given.key, Cargo(carried({**given.properties, **brought.beacons}, shape), dict(given.others)), brought.vector)


def _ids(uuids: Sequence[str]) -> Any:
    return base_pb2.Filters(
        operator=base_pb2.Filters.OPERATOR_CONTAINS_ANY,
        target=base_pb2.FilterTarget(property="_id"),
        value_text_array=base_pb2.TextArray(values=uuids),
    )


def _both(one: Any, other: Any) -> Any:
    return one if other is None else base_pb2.Filters(operator=base_pb2.Filters.OPERATOR_AND, filters=[one, other])


def _tenant(key: Key) -> str:
    return str(key[0]) if len(key) > 1 else ""
