"""What the objects of one collection look like: read from its schema, and needed by whoever reads, writes or compares them.

An object comes over gRPC only with the properties that were asked for by name, so a property that this shape does not know
is not read. The application may add one at any time (auto-schema does it silently): a shape is read anew for each page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, cast

from transvase.core.errors import UnknownName

from .schema import DEFAULT, schema_here, schema_of

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection

_OBJECTS: Final = ("object", "object[]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """One property. ``kind`` is its first data type; ``nested`` are the properties of an object's."""

    name: str
    kind: str
    targets: tuple[str, ...] = ()
    """Collections that a reference may point to; empty for everything else."""
    nested: tuple[Property, ...] = ()
    whole: bool = False
    """A text that is one token, so that the server's equality is equality."""
    raw: Mapping[str, object] = field(default_factory=dict, repr=False, compare=False)
    """As the schema says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One collection as its schema describes it just now."""

    name: str
    properties: Mapping[str, Property]
    vectors: tuple[str, ...]
    """Names of its vectors; the empty name stands for the one of a collection that names none."""
    tenants: bool
    times: bool
    """Its objects can be found by the time of their last change."""
    copies: int
    """Replicas of each object."""
    nulls: bool = False
    """Its objects can be found by what they lack."""

    @property
    def plain(self) -> bool:
        """True where gRPC tells its objects whole: it leaves out references to what is gone, and mixes collections up."""
        return not any(one.targets for one in self.properties.values())

    def named(self, vector: str) -> str:
        """The name under which it knows a vector: the default one may have none. UnknownName where there is no such vector."""
        if vector in self.vectors:
            return vector
        other = {"": DEFAULT, DEFAULT: ""}.get(vector)
        if other is None or other not in self.vectors:
            known = ", ".join(name or "the default one" for name in self.vectors) or "none"
            raise UnknownName("vector", vector or "(default)", hint=f"{self.name} has {known}")
        return other


def shape_of(connection: Connection, name: str) -> Shape:
    """The collection as it is described just now; Superseded when it is gone."""
    return shaped(schema_of(connection, name))


def shape_here(connection: Connection, name: str) -> Shape:
    """The same as the host that is asked has it; the leader is asked where that one does not know it."""
    raw = schema_here(connection, name)
    return shape_of(connection, name) if raw is None or raw["class"] != name else shaped(raw)


def shaped(raw: Mapping[str, object]) -> Shape:
    """The shape that a schema in the server's own JSON describes."""
    named = cast("Mapping[str, object]", raw.get("vectorConfig") or {})
    unnamed = ("",) if raw.get("vectorizer") or raw.get("vectorIndexType") else ()
    return Shape(
        name=str(raw["class"]),
        properties={one.name: one for one in _properties(raw.get("properties"))},
        vectors=(*unnamed, *sorted(named)),
        tenants=bool(_part(raw, "multiTenancyConfig").get("enabled")),
        times=bool(_part(raw, "invertedIndexConfig").get("indexTimestamps")),
        nulls=bool(_part(raw, "invertedIndexConfig").get("indexNullState")),
        copies=int(cast("int", _part(raw, "replicationConfig").get("factor") or 1)),
    )


def _properties(raw: object) -> tuple[Property, ...]:
    return tuple(_property(one) for one in cast("Sequence[Mapping[str, object]]", raw or ()))


def _property(raw: Mapping[str, object]) -> Property:
    kinds = cast("Sequence[str]", raw["dataType"])
    return Property(
        name=str(raw["name"]),
        kind=kinds[0],
        targets=tuple(kinds) if kinds[0][:1].isupper() else (),  # a data type of the server's begins with a small letter
        nested=_properties(raw.get("nestedProperties")) if kinds[0] in _OBJECTS else (),
        whole=raw.get("tokenization") == "field",
        raw=raw,
    )


def _part(raw: Mapping[str, object], name: str) -> Mapping[str, object]:
    return cast("Mapping[str, object]", raw.get(name) or {})
