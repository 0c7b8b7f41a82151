"""A reader of its own: REST and nothing else, which compares two collections object by object, property, reference and vector."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import numpy as np
from costless import HashEncoder
from transvase.core.space import Role

Json = dict[str, Any]
Objects = Mapping[tuple[str, UUID], Json]
"""By tenant and id."""


@dataclass(frozen=True)
class Reader:
    """Reads one server."""

    web: httpx.Client

    def objects(self, name: str, *, tenant: str = "") -> dict[UUID, Json]:
        """Every object of a collection, or of its tenant, by id; no id may come twice."""
        found: dict[UUID, Json] = {}
        after = ""
        while True:
            query = {"class": name, "limit": 500, "after": after, "include": "vector", **({"tenant": tenant} if tenant else {})}
            answer = self.web.get("/v1/objects", params=query)
            assert answer.is_success, answer.text
            some = answer.json()["objects"]
            for one in some:
                assert UUID(one["id"]) not in found, f"{one['id']} came twice"
                found[UUID(one["id"])] = one
            if len(some) < 500:
                return found
            after = some[-1]["id"]

    def tenants(self, name: str) -> dict[str, str]:
        """The tenants of a collection and their states; one without a name for a collection that has none."""
        answer = self.web.get(f"/v1/schema/{name}/tenants")
        return {one["name"]: one["activityStatus"] for one in answer.json()} if answer.is_success else {"": ""}

    def everything(self, name: str) -> dict[tuple[str, UUID], Json]:
        """The objects of all tenants."""
        return {(tenant, uuid): one for tenant in self.tenants(name) for uuid, one in self.objects(name, tenant=tenant).items()}


def differences(reader: Reader, one: str, other: str, *, moving: str = "") -> list[str]:
    """What sets two collections apart, the vectors that move apart: one sentence for each object."""
    return apart(reader.everything(one), reader.everything(other), names=(one, other), moving=moving)


def apart(here: Objects, there: Objects, *, names: tuple[str, str], moving: str = "") -> list[str]:
    """The same of objects that were read from collections of these names."""
    one, other = names
    found = [f"{key} is in {one} alone" for key in sorted(here.keys() - there.keys())]
    found += [f"{key} is in {other} alone" for key in sorted(there.keys() - here.keys())]
    for key in sorted(here.keys() & there.keys()):
        a, b = _compared(here[key], one, moving), _compared(there[key], other, moving)
        found += [
            f"{key}: {what}: {a.get(what)!r} and {b.get(what)!r}" for what in a.keys() | b.keys() if a.get(what) != b.get(what)
        ]
    return found


def strange_vectors(
    reader: Reader, name: str, encoder: HashEncoder, width: int, *, text: str = "body", moving: str = ""
) -> list[str]:
    """Objects whose vector is not what the encoder makes of their text; one sentence for each."""
    return strange(reader.everything(name), name, encoder, width, text=text, moving=moving)


def strange(objects: Objects, name: str, encoder: HashEncoder, width: int, *, text: str = "body", moving: str = "") -> list[str]:
    """The same of objects that were read from the collection ``name``."""
    found = []
    for key, one in objects.items():
        held, body = _vector(one, moving), one["properties"].get(text)
        if body is None:
            found += [f"{key} of {name} has a vector and no text"] if held else []
            continue
        row = encoder.encode([body], Role.DOCUMENT).matrix[0]
        wanted = np.pad(row, (0, width - row.size))
        if held is None or len(held) != width or not np.allclose(held, wanted, atol=1e-5):
            found.append(f"{key} of {name} has not the vector of {body!r}")
    return found


def _vector(one: Json, moving: str) -> Sequence[float] | None:
    return (one.get("vectors") or {}).get(moving) if moving else (one.get("vector") or None)


def _compared(one: Json, name: str, moving: str) -> Json:
    """Flat: each property and each other vector by its name; references into the collection itself as such."""
    flat: Json = {f"property {key}": _named(value, name) for key, value in one["properties"].items() if value not in (None, [])}
    flat |= {f"vector {key}": value for key, value in (one.get("vectors") or {}).items() if key != moving}
    if moving:
        flat["vector"] = one.get("vector") or None
    return flat


def _named(value: Any, name: str) -> Any:
    if isinstance(value, dict):
        return {key: _named(inner, name) for key, inner in value.items() if key != "href"}
    if isinstance(value, list):
        return [_named(inner, name) for inner in value]
    return value.replace(f"/{name}/", "/ITSELF/") if isinstance(value, str) else value
