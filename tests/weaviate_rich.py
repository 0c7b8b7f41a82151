"""Properties of every kind, three vectors, and objects that use them: full, empty, sparse, and without this vector or that."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from weaviate_objects import Json, text_property, uid, vector

_NONE: Final = {"vectorizer": {"none": {}}}

_KINDS: Final = {
    "tags": "text[]",
    "n": "int",
    "ns": "int[]",
    "x": "number",
    "xs": "number[]",
    "when": "date",
    "whens": "date[]",
    "flag": "boolean",
    "flags": "boolean[]",
    "geo": "geoCoordinates",
    "u": "uuid",
    "us": "uuid[]",
    "blob": "blob",
}


def _kind(name: str, kind: str, *nested: Json) -> Json:
    return {"name": name, "dataType": [kind], **({"nestedProperties": list(nested)} if nested else {})}


_DEEP: Final = _kind("deep", "object", _kind("b", "int"), _kind("at", "date"))
PLAIN: Final[Sequence[Json]] = (
    {"name": "body", "dataType": ["text"], "tokenization": "field", "description": "d"},
    text_property("team"),
    *(_kind(name, kind) for name, kind in _KINDS.items()),
    _kind("obj", "object", _kind("a", "text"), _kind("ns", "int[]"), _DEEP),
    _kind("objs", "object[]", _kind("a", "int"), _kind("xs", "number[]")),
)
PHONE: Final[Json] = {"name": "tel", "dataType": ["phoneNumber"]}

VECTORS: Final[Json] = {
    "moves": {**_NONE, "vectorIndexType": "hnsw"},
    "stays": {**_NONE, "vectorIndexType": "flat", "vectorIndexConfig": {"distance": "dot"}},
    "rows": {**_NONE, "vectorIndexType": "hnsw", "vectorIndexConfig": {"multivector": {"enabled": True}}},
}

FULL: Final[Json] = {
    "body": "Grüße 日本語 🦜",
    "team": "red",
    "tags": ["a", "", "b"],
    "n": -9_007_199_254_740_991,
    "ns": [1, 0, -5],
    "x": 0.1,
    "xs": [1.0, 2.5, -1e300],
    "when": "2024-01-02T03:04:05.123456789+02:00",
    "whens": ["2024-01-02T03:04:05.1Z", "1969-12-31T23:59:59Z"],
    "flag": False,
    "flags": [True, False],
    "geo": {"latitude": -33.8688, "longitude": 151.2093},
    "u": str(uid(1)),
    "us": [str(uid(2)), str(uid(3))],
    "blob": "aGVsbG8=",
    "obj": {"a": "q", "ns": [7], "deep": {"b": 3, "at": "2020-02-29T00:00:00Z"}},
    "objs": [{"a": 1, "xs": [0.5]}, {}, {"a": 2}],
}
EMPTY: Final[Json] = {
    "body": "",
    **{name: [] for name in ("tags", "ns", "xs", "whens", "flags", "us", "objs")},
    "n": 0,
    "x": 0.0,
    "flag": False,
    "obj": {},
}
SPARSE: Final[Json] = {"body": "only this", "x": 3.0, "xs": [1.0, 2.0], "obj": {"a": "z"}, "team": None}


def several(number: int) -> Json:
    """All three vectors of one object."""
    rows = [vector(number + 200 + row, 8) for row in range(3)]
    return {"vectors": {"moves": vector(number), "stays": vector(number + 100, 4), "rows": rows}}


def objects() -> list[Json]:
    """Full, empty, sparse, without a vector, and with one of three."""
    one: dict[str, Any] = {"vectors": {"moves": vector(4)}}
    return [
        {"id": str(uid(1)), "properties": FULL, **several(1)},
        {"id": str(uid(2)), "properties": EMPTY, **several(2)},
        {"id": str(uid(3)), "properties": SPARSE, **several(3)},
        {"id": str(uid(4)), "properties": {"body": "one vector"}, **one},
        {"id": str(uid(5)), "properties": {"body": "no vector"}},
        {"id": str(uid(6)), "properties": {}, **several(6)},
    ]
