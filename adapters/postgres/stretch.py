"""A stretch of an index read in binary COPY: keys, vectors, digests and tokens of the texts, all of one moment.

What may be taken from it is decided where the rows are: a vector counts only while its key is not owed, and in a side table
only while its digest is that of the text. The format is that of ``binary_copy``.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from psycopg import sql
from transvase.core.errors import NotReady
from transvase.core.ports import Declaration, Stretch
from transvase.core.record import Key, Record
from transvase.core.space import Space, Vectors

from .binary_copy import ELEMENT, HEADER, TRAILER
from .connections import Connection, run
from .keys import Kind
from .locks import take_pen
from .shape import NORM, Fragment, Shape, columns_of, digest, named, owed_or_nothing, place_of
from .sql import statement

_NO_DIGEST: Final = bytes(32)
"""Stands for the digest of no text, so that every row has one size."""

_LENGTH: Final = struct.Struct(">i")


def read(connection: Connection, shape: Shape, index: Declaration, space: Space, *, after: Key | None, limit: int) -> Stretch:
    """The next ``limit`` rows of the table after a key. One statement, so one snapshot."""
    query = _query(shape, index, after=after is not None).as_string(connection)
    values: dict[str, object] = {f"k{i}": part for i, part in enumerate(after or (), 1)}
    with connection.cursor() as cursor, cursor.copy(query.encode(), {**values, "limit": limit}) as copy:
        raw = b"".join(copy)
    keys, matrix, digests, tokens = parsed(raw, kinds=shape.kinds, form=index.form, width=index.width)
    texts = [each != _NO_DIGEST for each in digests]
    usable: NDArray[np.bool_] = np.logical_and(np.isfinite(matrix).all(axis=1), matrix.any(axis=1))
    wanted = [i for i, text in enumerate(texts) if text and usable[i]]
    whole = len(wanted) == len(keys)
    return Stretch(
        records=tuple(Record.unread(keys[i], digest=digests[i], token=tokens[i]) for i in wanted),
        vectors=Vectors(space, matrix if whole else matrix[wanted]),
        lacking=tuple(keys[i] for i, text in enumerate(texts) if text and not usable[i]),
        after=keys[-1] if keys else after,
        passed=len(keys),
    )


def owe(connection: Connection, shape: Shape, index: Declaration) -> int:
    """Owe whatever the site lacks, while nobody is paying; returns how many keys that were. NotReady without an outbox."""
    if not shape.captured:
        raise NotReady("fill", f"nothing can be owed to {index.name} before writes are captured")
    pieces = {
        "outbox": shape.outbox,
        "ks": shape.ks(),
        "s_ks": shape.ks("s"),
        "norm": named(NORM[index.form]),
        "owed_match": shape.match("o", "s"),
        "match": shape.match("s", "x"),
        "digest": digest("s.body"),
        "either": shape.either("s", "x"),
    }
    if index.adopted:
        query = statement("index", "owe_column").format(**pieces, rows=shape.rows(held=True))
    else:
        query = statement("index", "owe_side").format(**pieces, rows=shape.rows(), side=place_of(shape, index)[0])
    with connection.transaction():
        take_pen(connection, shape.number)
        return run(connection, query, {"site": index.site}).rowcount


def owe_keys(connection: Connection, shape: Shape, index: Declaration, keys: Sequence[Key]) -> None:
    """Owe these keys to the index' site alone, in the caller's transaction."""
    if keys:
        query = statement("index", "owe_keys").format(
            outbox=shape.outbox, ks=shape.ks(), q_ks=shape.ks("q"), unnested=shape.unnested()
        )
        run(connection, query, {**columns_of(list(keys), len(shape.key)), "site": index.site})


def parsed(
    raw: bytes, *, kinds: Sequence[Kind], form: str, width: int
) -> tuple[list[Key], NDArray[np.float32], list[bytes], list[int]]:
    """Keys, vectors (n, width), digests and tokens of a COPY stream of (key columns, vector, digest, token) without NULLs."""
    body = memoryview(raw)[len(HEADER) : len(raw) - len(TRAILER)]
    if all(kind.size for kind in kinds):
        return _tabulated(body, kinds=kinds, form=form, width=width)
    return _one_by_one(body, kinds=kinds, form=form, width=width)


def _tabulated(
    body: memoryview, *, kinds: Sequence[Kind], form: str, width: int
) -> tuple[list[Key], NDArray[np.float32], list[bytes], list[int]]:
    """Keys of fixed size: the stream is one structured array."""
    layout: list[tuple[Any, ...]] = [("fields", ">i2")]
    for i, kind in enumerate(kinds):
        layout += [(f"size_{i}", ">i4"), (f"key_{i}", kind.number or f"V{kind.size}")]
    layout += [("size_v", ">i4"), ("width", ">i2"), ("unused", ">i2"), ("vector", ELEMENT[form], (width,))]
    layout += [("size_d", ">i4"), ("digest", "V32"), ("size_t", ">i4"), ("token", ">i8")]
    table = np.frombuffer(body, dtype=np.dtype(layout))
    columns = [
        table[f"key_{i}"].tolist() if kind.number else [kind.unpack(bytes(part)) for part in table[f"key_{i}"]]
        for i, kind in enumerate(kinds)
    ]
    # One pass turns the byte order; the copy is contiguous, as a matrix product wants it.
    matrix = np.ascontiguousarray(table["vector"].astype(np.float32))
    return list(zip(*columns, strict=True)), matrix, table["digest"].tolist(), table["token"].tolist()


def _one_by_one(
    body: memoryview, *, kinds: Sequence[Kind], form: str, width: int
) -> tuple[list[Key], NDArray[np.float32], list[bytes], list[int]]:
    """Keys of varying size: field after field."""
    keys: list[Key] = []
    vectors: list[memoryview] = []
    digests: list[bytes] = []
    tokens: list[int] = []
    at = 0
    while at < len(body):
        at += 2
        fields = []
        for _ in range(len(kinds) + 3):
            size = _LENGTH.unpack_from(body, at)[0]
            fields.append(body[at + 4 : at + 4 + size])
            at += 4 + size
        keys.append(tuple(kind.unpack(bytes(field)) for kind, field in zip(kinds, fields, strict=False)))
        vectors.append(fields[-3][4:])
        digests.append(bytes(fields[-2]))
        tokens.append(int.from_bytes(fields[-1], "big", signed=True))
    matrix = np.frombuffer(b"".join(vectors), dtype=ELEMENT[form]).reshape(len(keys), width)
    return keys, matrix.astype(np.float32), digests, tokens


def _query(shape: Shape, index: Declaration, *, after: bool) -> Fragment:
    where = shape.after() if after else None
    zeros = sql.SQL("{}::{}").format(sql.Literal("[" + ",".join("0" * index.width) + "]"), named(index.form))
    pieces = {
        "s_ks": shape.ks("s"),
        "t_ks": shape.ks("t"),
        "ks": shape.ks(),
        "digest": digest("t.body"),
        "zeros": zeros,
        "width": sql.SQL(str(index.width)),  # an integer
        "no_digest": sql.SQL("'\\x{}'::bytea").format(sql.SQL(_NO_DIGEST.hex())),
        "outbox": owed_or_nothing(shape),
        "owed_match": shape.match("o", "s"),
    }
    if index.adopted:
        return statement("index", "stretch_column").format(**pieces, rows=shape.rows(where=where, held=True))
    side, _ = place_of(shape, index)
    return statement("index", "stretch_side").format(
        **pieces, rows=shape.rows(where=where), side=side, match=shape.match("x", "s")
    )
