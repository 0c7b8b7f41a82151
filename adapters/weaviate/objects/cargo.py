"""What an object carries besides the vector that moves: its properties, references and other vectors, in one form.

The form is that of the server's JSON, whichever way it came: nothing that is null, no ``href`` of a reference, and a reference
into the object's own collection written as such, so that the objects of two sides are equal when they say the same. Times are
not carried: the server sets them itself.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.adapters.weaviate.collections.shape import Property, Shape

Vector = NDArray[np.float32]
"""One vector, or the rows of a multi-vector."""

OWN: Final = "."
"""Stands in a beacon for the collection in which the object itself lies."""

_BEACON: Final = re.compile(r"(?P<head>weaviate://[^/]*/)(?P<collection>[^/]+)/(?P<uuid>[0-9a-fA-F-]{36})")


@dataclass(frozen=True, slots=True, eq=False)
class Cargo:
    """Properties as JSON, and the vectors that do not move, by name."""

    properties: Mapping[str, object]
    vectors: Mapping[str, Vector] = field(default_factory=dict)

    def digest(self) -> bytes:
        """32 bytes: equal for two objects that carry the same."""
        sha = hashlib.sha256(
            json.dumps(_settled(self.properties), sort_keys=True, ensure_ascii=False).encode("utf-8", "surrogatepass")
        )
        for name in sorted(self.vectors):
            vector = self.vectors[name]
            sha.update(f"\0{name}\0{vector.shape}\0".encode())
            sha.update(np.ascontiguousarray(vector, dtype="<f4").tobytes())
        return sha.digest()


def same(one: Cargo, other: Cargo) -> bool:
    """True when both carry the same properties, references and vectors."""
    return (
        one.properties == other.properties
        and one.vectors.keys() == other.vectors.keys()
        and all(np.array_equal(vector, other.vectors[name]) for name, vector in one.vectors.items())
    )


def carried(properties: Mapping[str, object], shape: Shape) -> dict[str, object]:
    """Properties as the server's JSON gives them, in the form that is compared."""
    found: dict[str, object] = {}
    for name, value in properties.items():
        known = shape.properties.get(name)
        if value is None:
            continue
        if (known is not None and known.targets) or _refers(value):
            if value:
                found[name] = [_pointing(one, shape.name, OWN) for one in _items(value)]
        else:
            found[name] = _without_nulls(value)
    return found


def parted(properties: Mapping[str, object], to: str) -> tuple[dict[str, object], dict[str, list[str]]]:
    """The properties without the references, and the references as beacons, to be written into the collection ``to``.

    What pointed to its own collection points to that one then.
    """
    beacons = {
        name: [str(_pointing(one, OWN, to)["beacon"]) for one in _items(value)]
        for name, value in properties.items()
        if _refers(value)
    }
    return {name: value for name, value in properties.items() if name not in beacons}, beacons


def own_property(one: Property, *, source: str, target: str) -> dict[str, object]:
    """The definition of a property of ``source`` as ``target`` takes it."""
    kinds = [target if kind == source else kind for kind in one.targets] or [one.kind]
    return {**one.raw, "dataType": kinds}


def _refers(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, Mapping) and "beacon" in one for one in value)


def _items(value: object) -> Sequence[Mapping[str, object]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _pointing(reference: Mapping[str, object], old: str, new: str) -> dict[str, object]:
    beacon = str(reference.get("beacon", ""))
    parts = _BEACON.fullmatch(beacon)
    if parts and parts["collection"] == old:
        return {"beacon": f"{parts['head']}{new}/{parts['uuid']}"}
    return {"beacon": beacon}


def _without_nulls(value: object) -> object:
    if isinstance(value, Mapping):
        return {name: _without_nulls(one) for name, one in value.items() if one is not None}
    if isinstance(value, list):
        return [_without_nulls(one) for one in value]
    return value


def _settled(value: object) -> object:
    """Numbers as one kind: JSON tells 1 from 1.0, and the server does not."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, Mapping):
        return {name: _settled(one) for name, one in value.items()}
    if isinstance(value, list):
        return [_settled(one) for one in value]
    return value
