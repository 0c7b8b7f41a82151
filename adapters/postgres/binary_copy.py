"""Rows of a side table in the binary COPY format, built from a whole matrix at once.

The format is PostgreSQL's (sql-copy, "Binary Format"); a vector is int16 dimensions, int16 zero, then float32 elements,
a halfvec the same with float16, all big-endian (pgvector, ``vector_recv`` and ``halfvec_recv``).
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from psycopg.abc import Buffer
from transvase.core.record import Record

from .keys import Kind

HEADER: Final = b"PGCOPY\n\xff\r\n\x00" + struct.pack(">ii", 0, 0)
TRAILER: Final = struct.pack(">h", -1)
ELEMENT: Final = {"vector": ">f4", "halfvec": ">f2"}
_LENGTH: Final = struct.Struct(">i")
_CHUNK: Final = 1024
"""Rows put together before they are handed on, so that a large batch is not held twice."""


def rows(records: Sequence[Record], matrix: NDArray[np.float32], *, kinds: Sequence[Kind], form: str) -> Iterator[Buffer]:
    """Chunks of a COPY stream of (key columns, embedding, digest); ``matrix`` is (n, width), row i for record i."""
    yield HEADER
    put_together: Callable[..., Buffer] = _tabulated if all(kind.size for kind in kinds) else _one_by_one
    for start in range(0, len(records), _CHUNK):
        yield put_together(records[start : start + _CHUNK], matrix[start : start + _CHUNK], kinds=kinds, form=form)
    yield TRAILER


def _tabulated(records: Sequence[Record], matrix: NDArray[np.float32], *, kinds: Sequence[Kind], form: str) -> memoryview:
    """Keys of fixed size: every row has the same layout, so the stream is one structured array, filled column by column."""
    element, width = ELEMENT[form], matrix.shape[1]
    layout: list[tuple[object, ...]] = [("fields", ">i2")]
    for i, kind in enumerate(kinds):
        layout += [(f"size_{i}", ">i4"), (f"key_{i}", kind.number or f"V{kind.size}")]
    layout += [("size_v", ">i4"), ("width", ">i2"), ("unused", ">i2"), ("vector", element, (width,))]
    layout += [("size_d", ">i4"), ("digest", "V32")]
    table = np.zeros(len(records), dtype=np.dtype(layout))
    table["fields"] = len(kinds) + 2
    for i, kind in enumerate(kinds):
        table[f"size_{i}"] = kind.size
        parts = [record.key[i] for record in records]
        if kind.number:
            table[f"key_{i}"] = parts
        else:
            table[f"key_{i}"] = np.frombuffer(b"".join(map(kind.pack, parts)), dtype=f"V{kind.size}")
    table["size_v"] = np.dtype(element).itemsize * width + 4
    table["width"] = width
    table["vector"] = matrix
    table["size_d"] = 32
    table["digest"] = np.frombuffer(b"".join([record.digest or b"" for record in records]), dtype="V32")
    return table.view(np.uint8).data


def _one_by_one(records: Sequence[Record], matrix: NDArray[np.float32], *, kinds: Sequence[Kind], form: str) -> bytes:
    """Keys of varying size: row after row."""
    fields = struct.pack(">h", len(kinds) + 2)
    elements = matrix.astype(ELEMENT[form])
    vector = _LENGTH.pack(elements.dtype.itemsize * matrix.shape[1] + 4) + struct.pack(">hh", matrix.shape[1], 0)
    digest_length = _LENGTH.pack(32)
    parts: list[bytes] = []
    for record, row in zip(records, elements, strict=True):
        parts.append(fields)
        for kind, part in zip(kinds, record.key, strict=True):
            packed = kind.pack(part)
            parts += (_LENGTH.pack(len(packed)), packed)
        parts += (vector, row.tobytes(), digest_length, record.digest or b"")
    return b"".join(parts)


def wire(row: NDArray[np.float32], *, form: str) -> bytes:
    """One vector as a binary parameter."""
    return struct.pack(">hh", row.shape[0], 0) + row.astype(ELEMENT[form]).tobytes()


def parse(text: str) -> list[float]:
    """The elements of a vector or halfvec that came as text."""
    return [float(x) for x in text[1:-1].split(",")]
