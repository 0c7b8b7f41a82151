"""Objects written whole, in batches that may be half written; nothing here is settled by having been sent.

A batch overwrites: what it does not name (another vector, say) is gone afterwards. So an object travels with all its cargo.
Only ``restamp`` changes one thing and leaves the rest to whoever writes it meanwhile. References follow in a request of their
own: with an object the server takes none to what is not there (yet, or any more), and alone it takes every one, but within a
tenant. There something has to stand in for what a reference leads to, until that comes or is seen to be gone; what is gone from
another collection has no reference in the copy (``dangling``). A batch for a collection that is gone makes it anew, of a schema
that the server guesses: look at its shape just before.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Final, cast
from urllib.parse import quote, urlencode
from uuid import uuid4

import numpy as np
from transvase.adapters.weaviate.collections.shape import Shape, shape_of
from transvase.adapters.weaviate.wire.failures import Kind, kind_of, kind_said, refusal, retrying
from transvase.core.errors import BadValue, TransvaseError
from transvase.core.record import Key
from weaviate.proto.v1 import base_pb2, batch_pb2

from .cargo import Vector, own_property, parted
from .copies import level, levelled
from .messages import Message, message_of, packed
from .reading import Lens, Seen
from .standing import stood_in
from .texts import Reading

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection

BYTES_AT_ONCE: Final = 10_000_000
"""Of one request: a tenth of what the server takes, so that a refused or a slow one costs little."""
OBJECTS_AT_ONCE: Final = 500
DELETED_AT_ONCE: Final = 1_000
REFERENCES_AT_ONCE: Final = 5_000

_ABSENT: Final = "not found for tenant"
"""What is said of a reference within a tenant that leads to what is not there."""


def put(
    connection: Connection, shape: Shape, objects: Sequence[Seen], *, moving: str, width: int, batch: int = OBJECTS_AT_ONCE
) -> dict[Key, str]:
    """Write the objects into the collection, over what is there under their keys; those that it refused, with its reasons.

    An object without a vector is written without one. BadValue, before anything is sent, for a vector that is not ``width``
    wide. StoreFailed when the server went away: then any part of it may be written, and writing it again changes nothing.
    """
    for one in objects:
        if one.vector is not None and one.vector.shape != (width,):
            raise BadValue("vector", one.vector.shape, why=f"{shape.name} holds vectors of {width} dimensions")
    failed: dict[Key, str] = {}
    for start in range(0, len(objects), batch):
        some = objects[start : start + batch]
        failed.update(_send(connection, shape, some, shape.named(moving)))
        failed.update(_refer(connection, shape, [one for one in some if one.key not in failed]))
    return failed


def put_whole(
    connection: Connection,
    shape: Shape,
    objects: Sequence[Seen],
    *,
    moving: str,
    width: int,
    budget_s: float,
    stand_ins: bool = False,
) -> set[Key]:
    """``put`` until every object is taken; what passes is waited for, and what does not is an error that names the object.

    It is waited for in silence, ``budget_s`` at most: who has more patience says why, and calls again.

    With ``stand_ins`` references within a tenant to what is not there lead to objects without anything, which are made for it.
    Returned are the keys of these: one that nobody writes over is too much. A reference that leads to nothing even so, and that
    the server does not take, is left out; whoever compares finds it (``dangling``).

    It returns when the vectors would be found again after a power cut too.
    """
    left, made = list(objects), set[Key]()

    def send() -> None:
        nonlocal left
        failed = put(connection, shape, left, moving=moving, width=width)
        left = [one for one in left if one.key in failed]
        leading = [one for one in left if _ABSENT in failed[one.key]] if stand_ins else []
        if leading:
            made.update(stood_in(connection, shape, leading))
            there = failed.keys() - {one.key for one in leading}
            failed = {key: failed[key] for key in there} | put(connection, shape, leading, moving=moving, width=width)
        left = [one for one in left if one.key in failed and not nowhere(failed[one.key])]
        for one in left[:1]:
            key = ", ".join(map(str, one.key))
            raise refusal(
                failed[one.key], doing=f"writing the object {key} (one of {len(left)}) into {shape.name}", index=shape.name
            )
        sink(connection, shape, *{one.tenant for one in objects})

    retrying(f"writing into {shape.name}", send, budget_s=budget_s)
    return made


def nowhere(why: str) -> bool:
    """True where an object was written, and what its refused references lead to is all that is not there."""
    return kind_said(why) is Kind.DANGLING


def drop(connection: Connection, shape: Shape, keys: Sequence[Key]) -> None:
    """Delete the objects of these keys; those that are not there are no error, and those that cannot be deleted are."""
    for tenant, group in groupby(sorted(set(keys)), key=_tenant):
        some = list(group)
        for start in range(0, len(some), DELETED_AT_ONCE):
            part = some[start : start + DELETED_AT_ONCE]
            where = {"path": ["id"], "operator": "ContainsAny", "valueTextArray": [str(key[-1]) for key in part]}
            body = {"match": {"class": shape.name, "where": where}, "output": "minimal"}
            told = connection.rest("DELETE", f"/batch/objects{query_of(shape, tenant)}", body=body, index=shape.name)
            failed = [one for one in (told["results"].get("objects") or ()) if one.get("status") == "FAILED"]
            for one in failed[:1]:
                doing = f"deleting the object {one.get('id')} (one of {len(failed)}) from {shape.name}"
                raise refusal(_why(one.get("errors")), doing=doing, index=shape.name)


def sink(connection: Connection, shape: Shape, *tenants: str) -> None:
    """Have the server put on disk what it holds back of the log of its vector index.

    The last batch that a shard took stays in memory until the shard's next write, for minutes if need be (measured on 1.39): when
    the server is killed, its objects are there afterwards and no search finds them. A deletion of what is not there ends that.
    """
    nobody = uuid4()
    drop(connection, shape, [(tenant, nobody) if tenant else (nobody,) for tenant in tenants])


def restamp(connection: Connection, shape: Shape, one: Seen, *, moving: str, width: int, read: Reading) -> None:
    """Give the object the vector that it is seen holding, and leave everything else of it as it is meanwhile.

    Nothing happens where the object is gone, or where its text, as ``read`` reads it, is another by now, of which the vector is
    not. Copies that are older are mended before: they would keep their text and have this vector.
    """
    if one.vector is None or one.vector.shape != (width,):
        raise BadValue("vector", None if one.vector is None else one.vector.shape, why=f"{shape.name} takes {width} dimensions")
    now = levelled(connection, shape, Lens(moving, vector=False, others=False), one.key)
    if now is None or read(now.cargo.properties) != read(one.cargo.properties):
        return
    body: dict[str, object] = {"class": shape.name, "id": str(one.uuid), **json_vectors({shape.named(moving): one.vector})}
    if one.tenant:
        body["tenant"] = one.tenant
    try:
        connection.rest("PATCH", f"/objects/{quote(shape.name)}/{one.uuid}{query_of(shape, '')}", body=body, index=shape.name)
    except TransvaseError as error:
        if kind_of(error) is not Kind.MISSING:
            raise


def aligned(connection: Connection, source: Shape, target: Shape) -> Shape:
    """The target's shape after it was given the properties that the source has and it has not.

    The application, or auto-schema, may add one while a migration is open; the definition is taken over as it stands.
    """
    new = [one for name, one in source.properties.items() if name not in target.properties]
    for one in new:
        body = own_property(one, source=source.name, target=target.name)
        connection.rest("POST", f"/schema/{quote(target.name)}/properties", body=body, index=target.name)
    return shape_of(connection, target.name) if new else target


def _send(connection: Connection, shape: Shape, objects: Sequence[Seen], moving: str) -> dict[Key, str]:
    failed: dict[Key, str] = {}
    for some in _cut([(one.key, _message(one, shape, moving)) for one in objects]):
        request = batch_pb2.BatchObjectsRequest(objects=[message for _, message in some])
        if shape.copies > 1:
            request.consistency_level = base_pb2.CONSISTENCY_LEVEL_QUORUM
        failed.update((some[row][0], why) for row, why in connection.batch(request, index=shape.name).items())
    return failed


def _cut(messages: Sequence[tuple[Key, Message]]) -> Iterator[list[tuple[Key, Message]]]:
    some: list[tuple[Key, Message]] = []
    size = 0
    for key, message in messages:
        more = message.ByteSize()
        if some and size + more > BYTES_AT_ONCE:
            yield some
            some, size = [], 0
        some.append((key, message))
        size += more
    if some:
        yield some


def _message(one: Seen, shape: Shape, moving: str) -> Message:
    plain, _ = parted(one.cargo.properties, shape.name)
    properties = packed(plain, shape.properties, batch_pb2.BatchObject.Properties)
    vectors = _all_vectors(one, moving)
    made = batch_pb2.BatchObject(collection=shape.name, uuid=str(one.uuid), tenant=one.tenant, properties=properties)
    unnamed = vectors.pop("", None)
    if unnamed is not None:
        made.vector_bytes = np.ascontiguousarray(unnamed, dtype="<f4").tobytes()
    made.vectors.extend(message_of(name, vector) for name, vector in vectors.items())
    return made


def _refer(connection: Connection, shape: Shape, objects: Sequence[Seen]) -> dict[Key, str]:
    lines: list[tuple[Key, dict[str, str]]] = []
    for one in objects:
        _, beacons = parted(one.cargo.properties, shape.name)
        tenant = {"tenant": one.tenant} if one.tenant else {}
        for name, targets in beacons.items():
            start = f"weaviate://localhost/{shape.name}/{one.uuid}/{name}"
            lines += [(one.key, {"from": start, "to": target, **tenant}) for target in targets]
    failed: dict[Key, str] = {}
    for begin in range(0, len(lines), REFERENCES_AT_ONCE):
        some = lines[begin : begin + REFERENCES_AT_ONCE]
        level(connection, shape, [key for key, _ in some])
        body = [line for _, line in some]
        told = connection.rest("POST", f"/batch/references{query_of(shape, '')}", body=body, index=shape.name)
        for (key, _), one in zip(some, told, strict=True):
            if (why := _refusal(one)) and (key not in failed or nowhere(failed[key])):  # what is worse is told
                failed[key] = why
    return failed


def _all_vectors(one: Seen, moving: str) -> dict[str, Vector]:
    return {**one.cargo.vectors, **({} if one.vector is None else {moving: one.vector})}


def json_vectors(vectors: Mapping[str, Vector]) -> dict[str, object]:
    """Vectors by name as the server's JSON takes them in an object; the nameless one stands apart."""
    named = {name: vector.tolist() for name, vector in vectors.items() if name}
    unnamed = {"vector": vectors[""].tolist()} if "" in vectors else {}
    return {**unnamed, **({"vectors": named} if named else {})}


def _refusal(told: Mapping[str, object]) -> str:
    result = cast("Mapping[str, object]", told.get("result") or {})
    return _why(result.get("errors"))


def _why(said: object) -> str:
    errors = cast("Mapping[str, object]", said or {}).get("error")
    return "; ".join(str(one["message"]) for one in cast("Sequence[Mapping[str, object]]", errors or ()))


def query_of(shape: Shape, tenant: str) -> str:
    """What follows a path to objects: the tenant, and how many replicas must answer."""
    options = {**({"tenant": tenant} if tenant else {}), **({"consistency_level": "QUORUM"} if shape.copies > 1 else {})}
    return f"?{urlencode(options)}" if options else ""


def _tenant(key: Key) -> str:
    return str(key[0]) if len(key) > 1 else ""
