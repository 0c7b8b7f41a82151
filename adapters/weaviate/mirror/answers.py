"""What an application is told of several objects or references, in the driver's own classes: it reads them as it always did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar
from uuid import UUID

import numpy as np
from transvase.core.record import Key
from transvase.core.space import Vectors
from weaviate.collections.classes.batch import BatchObject, BatchReference
from weaviate.outputs.batch import BatchObjectReturn, BatchReferenceReturn, BatchResult, ErrorObject, ErrorReference

from .given import Given, Own, Properties, References, Target, uuid_of

T = TypeVar("T")
MOST_KEPT: Final = 100_000
"""Refused objects, and as many references, that one batch remembers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Handed:
    """One object of several: what is written of it, and what the application gets back where it is not taken."""

    number: int
    given: Given
    properties: Properties | None
    references: References | None
    vector: Own


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One reference to be added."""

    number: int
    key: Key
    name: str
    to: Target


def object_told(handed: Handed, why: str, *, collection: str) -> ErrorObject:
    """An object that was not taken, with all that it takes to hand it over again."""
    key = handed.given.key
    whole = BatchObject.model_construct(
        collection=collection,
        properties=None if handed.properties is None else dict(handed.properties),
        references=handed.references,
        uuid=handed.given.uuid,
        vector=_plain(handed.vector),
        tenant=_tenant(key),
        index=handed.number,
    )
    return ErrorObject(message=why, object_=whole, original_uuid=handed.given.uuid)


def reference_told(line: Line, why: str, *, collection: str) -> ErrorReference:
    """A reference that was not taken."""
    target, uuid = line.to
    whole = BatchReference.model_construct(
        from_object_collection=collection,
        from_object_uuid=str(line.key[-1]),
        from_property_name=line.name,
        to_object_uuid=str(uuid),
        to_object_collection=target or None,
        tenant=_tenant(line.key),
        index=line.number,
    )
    return ErrorReference(message=why, reference=whole)


def objects_told(some: Sequence[Handed], refused: Mapping[Key, str], *, collection: str, seconds: float) -> BatchObjectReturn:
    """What became of each, by its number in the call."""
    told: dict[int, UUID | ErrorObject] = {
        one.number: object_told(one, refused[one.given.key], collection=collection)
        if one.given.key in refused
        else uuid_of(one.given.uuid)
        for one in some
    }
    return BatchObjectReturn(
        _all_responses=list(told.values()),
        elapsed_seconds=seconds,
        errors={number: one for number, one in told.items() if isinstance(one, ErrorObject)},
        uuids={number: one for number, one in told.items() if isinstance(one, UUID)},
    )


def references_told(
    lines: Sequence[Line], refused: Mapping[int, str], *, collection: str, seconds: float
) -> BatchReferenceReturn:
    """Those that were not taken, by their number."""
    errors = {
        line.number: reference_told(line, refused[line.number], collection=collection) for line in lines if line.number in refused
    }
    return BatchReferenceReturn(elapsed_seconds=seconds, errors=errors)


class Tally:
    """What has become of one batch so far, as the driver keeps it."""

    def __init__(self, collection: str) -> None:
        self._collection = collection
        self.results = BatchResult()
        self.failed_objects: list[ErrorObject] = []
        self.failed_references: list[ErrorReference] = []
        self.errors = 0

    def objects(self, some: Sequence[Handed], refused: Mapping[Key, str], *, seconds: float) -> None:
        """Take down what became of these objects."""
        told = objects_told(some, refused, collection=self._collection, seconds=seconds)
        whole = self.results.objs
        whole.elapsed_seconds += seconds
        whole.add_uuids(told.uuids)
        if told.errors:
            whole.add_errors(told.errors)
        self._fail(self.failed_objects, list(told.errors.values()))

    def references(self, lines: Sequence[Line], refused: Mapping[int, str], *, seconds: float) -> None:
        """The same of references."""
        told = references_told(lines, refused, collection=self._collection, seconds=seconds)
        whole = self.results.refs
        whole.elapsed_seconds += seconds
        if told.errors:
            whole.add_errors(told.errors)
        self._fail(self.failed_references, list(told.errors.values()))

    def _fail(self, kept: list[T], some: Sequence[T]) -> None:
        self.errors += len(some)
        kept.extend(some[: max(0, MOST_KEPT - len(kept))])


def _plain(vector: Own) -> Any:
    """The vector as lists of numbers, as the driver would have kept it."""
    if isinstance(vector, Mapping):
        return {name: _plain(one) for name, one in vector.items()}
    if isinstance(vector, Vectors):
        return vector.matrix[0].tolist()
    return vector.tolist() if isinstance(vector, np.ndarray) else vector


def _tenant(key: Key) -> str | None:
    return str(key[0]) if len(key) > 1 else None
