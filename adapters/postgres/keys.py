"""The key types that are understood, and how a key travels: as a parameter, as JSON, and in binary COPY."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from transvase.core.record import Key, KeyPart


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of key column: its SQL type, and its form in binary COPY (network byte order, as PostgreSQL documents)."""

    sql_type: str
    size: int
    """Bytes in binary; 0: it varies."""
    number: str
    """Form of a whole column of them as a numpy array; empty where it is none of numbers."""
    pack: Callable[[KeyPart], bytes]
    parse: Callable[[str], KeyPart]
    unpack: Callable[[bytes], KeyPart]


def _int(code: str) -> Callable[[KeyPart], bytes]:
    packed = struct.Struct(code)
    return lambda part: packed.pack(int(part))


def _int_of(raw: bytes) -> int:
    return int.from_bytes(raw, "big", signed=True)


def _uuid_of(raw: bytes) -> UUID:
    return UUID(bytes=raw)


def _uuid(part: KeyPart) -> bytes:
    return part.bytes if isinstance(part, UUID) else UUID(str(part)).bytes


def _text(part: KeyPart) -> bytes:
    return str(part).encode("utf-8")


KINDS: Final = {
    "int2": Kind("smallint", 2, ">i2", _int(">h"), int, _int_of),
    "int4": Kind("integer", 4, ">i4", _int(">i"), int, _int_of),
    "int8": Kind("bigint", 8, ">i8", _int(">q"), int, _int_of),
    "uuid": Kind("uuid", 16, "", _uuid, UUID, _uuid_of),
    "text": Kind("text", 0, "", _text, str, bytes.decode),
    "varchar": Kind("varchar", 0, "", _text, str, bytes.decode),
}
"""By PostgreSQL's own name of the type (``pg_type.typname``)."""


def to_json(key: Key | None) -> list[int | str] | None:
    """A key as JSON keeps it: integers as numbers, the rest as text."""
    return None if key is None else [part if isinstance(part, int) else str(part) for part in key]


def from_json(parts: list[int | str] | None, kinds: tuple[Kind, ...]) -> Key | None:
    """The key that ``to_json`` wrote."""
    return None if parts is None else tuple(kind.parse(str(part)) for kind, part in zip(kinds, parts, strict=True))
