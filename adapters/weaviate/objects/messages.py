"""Properties and vectors in the server's gRPC messages: every kind there and back, without a client's notion of it.

Numbers of arrays are packed little-endian: eight bytes each, and four in vectors; a multi-vector begins with two bytes that
tell the width of its rows. A coordinate is a four-byte float, which JSON writes with as few digits as tell it apart.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import numpy as np
from google.protobuf import struct_pb2
from transvase.adapters.weaviate.collections.shape import Property
from weaviate.proto.v1 import base_pb2, search_get_pb2

from .cargo import Vector

_WIDTH_OF_ROWS: Final = 2
_SIMPLE: Final = frozenset({"text_value", "date_value", "uuid_value", "blob_value", "bool_value", "int_value", "number_value"})
_FLAT: Final = ("geoCoordinates", "phoneNumber")
"""Kinds that are objects in JSON, and no objects to the server."""
_PHONE: Final = {
    "countryCode": "country_code",
    "defaultCountry": "default_country",
    "input": "input",
    "internationalFormatted": "international_formatted",
    "national": "national",
    "nationalFormatted": "national_formatted",
    "valid": "valid",
}
"""What the server makes of a telephone number, in JSON and in a message; it makes it anew whenever one is written."""

Message = Any
"""A protobuf message: its classes are made when the module that holds them is imported, and differ with its version."""


def unpacked(fields: Mapping[str, Message]) -> dict[str, object]:
    """The properties of one object; those that are null are left out."""
    return {name: value for name, message in fields.items() if (value := _value(message)) is not None}


def packed(properties: Mapping[str, object], known: Mapping[str, Property], kind: Message) -> Message:
    """The properties as a message of ``kind``: that of an object, or of an object within one."""
    made = kind()
    for name, value in properties.items():
        one = known.get(name)
        nested = {part.name: part for part in one.nested} if one else {}
        if isinstance(value, list):
            _pack_list(made, name, value, one.kind if one else "", nested)
        elif isinstance(value, Mapping) and not (one and one.kind in _FLAT):
            inner = packed(value, nested, base_pb2.ObjectPropertiesValue)
            made.object_properties.append(base_pb2.ObjectProperties(prop_name=name, value=inner))
        else:
            made.non_ref_properties.fields[name].CopyFrom(_single(value))
    return made


def vector_of(message: Message) -> Vector:
    """The vector, or the rows of a multi-vector, in a ``Vectors`` message."""
    raw = message.vector_bytes
    if message.type != base_pb2.Vectors.VECTOR_TYPE_MULTI_FP32:
        return np.frombuffer(raw, dtype="<f4")
    (width,) = struct.unpack_from("<H", raw)
    return np.frombuffer(raw, dtype="<f4", offset=_WIDTH_OF_ROWS).reshape(-1, width)


def message_of(name: str, vector: Vector) -> Message:
    """A ``Vectors`` message of a vector, or of the rows of a multi-vector."""
    raw = np.ascontiguousarray(vector, dtype="<f4").tobytes()
    if vector.ndim == 1:
        return base_pb2.Vectors(name=name, vector_bytes=raw, type=base_pb2.Vectors.VECTOR_TYPE_SINGLE_FP32)
    whole = struct.pack("<H", vector.shape[1]) + raw
    return base_pb2.Vectors(name=name, vector_bytes=whole, type=base_pb2.Vectors.VECTOR_TYPE_MULTI_FP32)


def wanted(properties: Iterable[Property]) -> Message:
    """The request for these properties, each by its name: a request for all of them leaves the blobs out."""
    made = search_get_pb2.PropertiesRequest()
    for one in properties:
        if one.nested:
            made.object_properties.append(_wanted_within(one))
        else:
            made.non_ref_properties.append(one.name)
    return made


def _wanted_within(one: Property) -> Message:
    made = search_get_pb2.ObjectPropertiesRequest(prop_name=one.name)
    for part in one.nested:
        if part.nested:
            made.object_properties.append(_wanted_within(part))
        else:
            made.primitive_properties.append(part.name)
    return made


def _value(message: Message) -> object:
    kind = message.WhichOneof("kind")
    if kind in _SIMPLE:
        return getattr(message, kind)
    if kind == "object_value":
        return unpacked(message.object_value.fields)
    if kind == "list_value":
        return _list(message.list_value)
    if kind == "geo_value":
        return {"latitude": _short(message.geo_value.latitude), "longitude": _short(message.geo_value.longitude)}
    if kind == "phone_value":
        return {name: getattr(message.phone_value, field) for name, field in _PHONE.items()}
    return None


def _list(message: Message) -> list[object]:
    kind = message.WhichOneof("kind")
    if kind is None:
        return []
    values = getattr(message, kind).values
    if kind == "number_values":
        return list(np.frombuffer(values, dtype="<f8").tolist())
    if kind == "int_values":
        return list(np.frombuffer(values, dtype="<i8").tolist())
    if kind == "object_values":
        return [unpacked(one.fields) for one in values]
    return list(values)


def _short(value: float) -> float:
    return float(str(np.float32(value)))


def _single(value: object) -> Message:
    if isinstance(value, bool):
        return struct_pb2.Value(bool_value=value)
    if isinstance(value, int | float):
        return struct_pb2.Value(number_value=value)
    if isinstance(value, Mapping):
        parts = {name: _single(one) for name, one in value.items()}
        return struct_pb2.Value(struct_value=struct_pb2.Struct(fields=parts))
    return struct_pb2.Value(string_value=str(value))


def _pack_list(made: Message, name: str, values: Sequence[Any], kind: str, nested: Mapping[str, Property]) -> None:
    if not values:
        made.empty_list_props.append(name)
    elif isinstance(values[0], Mapping):
        parts = [packed(one, nested, base_pb2.ObjectPropertiesValue) for one in values if isinstance(one, Mapping)]
        made.object_array_properties.append(base_pb2.ObjectArrayProperties(prop_name=name, values=parts))
    elif isinstance(values[0], bool):
        made.boolean_array_properties.append(base_pb2.BooleanArrayProperties(prop_name=name, values=values))
    elif isinstance(values[0], str):
        made.text_array_properties.append(base_pb2.TextArrayProperties(prop_name=name, values=values))
    elif kind == "int[]" or (kind != "number[]" and all(isinstance(one, int) for one in values)):
        made.int_array_properties.append(base_pb2.IntArrayProperties(prop_name=name, values=values))
    else:
        raw = np.array(values, dtype="<f8").tobytes()
        made.number_array_properties.append(base_pb2.NumberArrayProperties(prop_name=name, values_bytes=raw))
