"""What an application hands over, in the server's JSON: values, references, vectors, as it would hand them to the driver."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any
from uuid import UUID

import numpy as np
from transvase.adapters.weaviate.collections.schema import DEFAULT
from transvase.adapters.weaviate.collections.shape import Shape
from transvase.adapters.weaviate.objects.cargo import Vector
from transvase.core.errors import BadValue
from transvase.core.record import Key
from transvase.core.space import Vectors

Id = UUID | str
Properties = Mapping[str, Any]
References = Mapping[str, Any]
"""By property: an id, several, or the driver's ``ReferenceToMulti``."""
Target = tuple[str, UUID]
"""Where one reference leads: a collection, empty where none is named, and an object."""
Own = Any
"""A vector as the application has it: numbers, an array, one row of Vectors, or a mapping of vectors by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One object as the application gave it."""

    key: Key
    properties: Mapping[str, object]
    """JSON, without the references."""
    references: References = field(default_factory=dict)
    """As they were handed over: where they lead is known when it is known which side is live."""
    own: Vector | Vectors | None = None
    """The vector that moves, if the application brought one."""
    others: Mapping[str, Vector] = field(default_factory=dict)
    whole: Mapping[str, object] | None = None
    """What its text is read from, where that is more than was given."""

    @property
    def uuid(self) -> str:
        """As the server's paths take it."""
        return str(self.key[-1])


def uuid_of(value: object) -> UUID:
    """The id that was meant; BadValue."""
    if isinstance(value, UUID):
        return value
    try:
        return UUID(str(value))
    except ValueError:
        raise BadValue("uuid", value, why="an object's id is a UUID") from None


def json_of(value: object) -> object:
    """A property's value as JSON; numbers of numpy, dates, UUIDs, and the driver's places and telephone numbers among it."""
    found = value
    match value:
        case None | bool() | int() | float() | str():
            pass
        case UUID():
            found = str(value)
        case datetime():
            found = (value if value.tzinfo else value.replace(tzinfo=UTC)).isoformat()
        case date():
            found = datetime(value.year, value.month, value.day, tzinfo=UTC).isoformat()
        case Mapping():
            found = {str(name): json_of(one) for name, one in value.items()}
        case np.ndarray() | np.generic():
            found = value.tolist()
        case list() | tuple() | set() | frozenset():
            found = [json_of(one) for one in value]
        case _:
            found = _drivers(value)
    return found


def _drivers(value: object) -> object:
    """The driver's GeoCoordinate and PhoneNumber."""
    if hasattr(value, "latitude") and hasattr(value, "longitude"):
        return {"latitude": value.latitude, "longitude": value.longitude}
    if hasattr(value, "number") and hasattr(value, "default_country"):
        country = {"defaultCountry": value.default_country} if value.default_country else {}
        return {"input": value.number, **country}
    raise BadValue("property", value, why=f"a {type(value).__name__} has no form in JSON")


def properties_of(given: Properties | None) -> dict[str, object]:
    """All properties of an object as JSON."""
    if given is not None and not isinstance(given, Mapping):
        raise BadValue("properties", given, why="give a mapping from names to values")
    return {str(name): json_of(value) for name, value in (given or {}).items()}


def beacons_of(given: References | None, shape: Shape, *, ours: Sequence[str]) -> dict[str, list[dict[str, str]]]:
    """References as beacons; what names one of ``ours`` (the alias, or a side) leads into the collection of ``shape``."""
    return {name: [beacon(to, name, shape, ours=ours) for to in targets_of(value)] for name, value in (given or {}).items()}


def beacon(to: Target, name: str, shape: Shape, *, ours: Sequence[str]) -> dict[str, str]:
    """One reference of the property ``name``."""
    collection, uuid = to
    if not collection and name in shape.properties and len(shape.properties[name].targets) == 1:
        collection = shape.properties[name].targets[0]
    collection = shape.name if collection in ours else collection
    return {"beacon": f"weaviate://localhost/{f'{collection}/' if collection else ''}{uuid}"}


def targets_of(value: object) -> list[Target]:
    """The single references that a value stands for: an id, several, or the driver's ``ReferenceToMulti``. BadValue."""
    collection, found = "", value
    if hasattr(value, "target_collection"):
        collection, found = str(value.target_collection), getattr(value, "uuids", getattr(value, "uuids_str", ()))
    if isinstance(found, UUID | str):
        return [(collection, uuid_of(found))]
    if isinstance(found, Sequence | set | frozenset):
        return [(collection, uuid_of(one)) for one in found]
    raise BadValue("reference", value, why="give the id of an object, or a list of ids")


def vectors_of(given: Own, moving: str) -> tuple[Vector | Vectors | None, dict[str, Vector]]:
    """The vector that moves and the others by name; BadValue for what is no vector."""
    if not isinstance(given, Mapping):
        return (given if given is None or isinstance(given, Vectors) else _array(given)), {}
    named = dict(given)
    own = next((named.pop(name) for name in (moving, {"": DEFAULT, DEFAULT: ""}.get(moving, moving)) if name in named), None)
    return (own if own is None or isinstance(own, Vectors) else _array(own)), {name: _array(one) for name, one in named.items()}


def _array(given: object) -> Vector:
    try:
        made = np.asarray(given, dtype=np.float32)
    except (TypeError, ValueError):
        made = np.empty(0, np.float32)
    if made.ndim not in (1, 2) or not made.size:
        raise BadValue("vector", given, why="give a list of numbers (or rows of them, for a multi-vector)")
    return made
