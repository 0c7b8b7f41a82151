"""Rows of a side table in the binary COPY format, built from a whole matrix at once.

The format is PostgreSQL's (sql-copy, "Binary Format"); a vector is int16 dimensions, int16 zero, then float32 elements,
a halfvec the same with float16, all big-endian (pgvector, ``vector_recv`` and ``halfvec_recv``).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.record import Record

from .keys import Kind

HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
TRAILER: Final = struct.pack(">h", -1)
ELEMENT: Final = {"vector": ">f4", "halfvec": ">f2"}
_LENGTH: Final = struct.Struct(">i")
_CHUNK: Final = 512
"""Rows put together before they are handed on, so that a large batch is not held twice."""


def rows(records: Sequence[Record], matrix: NDArray[np.float32], *, kinds: Sequence[Kind], form: str) -> Iterator[bytes]:
    """Chunks of a COPY stream of (key columns, embedding, digest); ``matrix`` is (n, width), row i for record i."""
    yield HEADER
    fields = struct.pack(">h", len(kinds) + 2)
    width = matrix.shape[1]
    elements = matrix.astype(ELEMENT[form])
    size = elements.dtype.itemsize * width + 4
    prefix = _LENGTH.pack(size) + struct.pack(">hh", width, 0)
    digest_length = _LENGTH.pack(32)
    for start in range(0, len(records), _CHUNK):
        parts: list[bytes] = []
        for record, row in zip(records[start : start + _CHUNK], elements[start : start + _CHUNK], strict=True):
            parts.append(fields)
            for kind, part in zip(kinds, record.key, strict=True):
                packed = kind.pack(part)
                parts += (_LENGTH.pack(len(packed)), packed)
            parts += (prefix, row.tobytes(), digest_length, record.digest or b"")
        yield b"".join(parts)
    yield TRAILER


def wire(row: NDArray[np.float32], *, form: str) -> bytes:
    """One vector as a binary parameter."""
    return struct.pack(">hh", row.shape[0], 0) + row.astype(ELEMENT[form]).tobytes()


def parse(text: str) -> list[float]:
    """The elements of a vector or halfvec that came as text."""
    return [float(x) for x in text[1:-1].split(",")]
