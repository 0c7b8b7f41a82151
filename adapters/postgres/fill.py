"""Writing a stretch of a fill: what is still wanted of it, the vectors, and the place, in one transaction."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Sequence

from psycopg.types.json import Jsonb
from transvase.core.errors import BadValue
from transvase.core.ports import Declaration, Payment, Place
from transvase.core.record import Key, Record
from transvase.core.space import Vectors

from . import keys
from .connections import Connection, run
from .locks import take_pen
from .outbox import copy_in
from .shape import Shape, digest, fitting, place_of
from .sql import statement
from .stretch import owe_keys


def read_place(connection: Connection, shape: Shape, index: Declaration) -> Place:
    """How far the fill has come; a site that was there before the index, the user's or a shared one, was full when it came."""
    row = connection.execute(statement("index", "place"), {"index": index.name}).fetchone()
    if row is None:
        return Place(finished=index.adopted or bool(index.shares))
    return Place(keys.from_json(row[0], shape.kinds), row[1], row[2])


def write(
    connection: Connection,
    shape: Shape,
    index: Declaration,
    records: Sequence[Record],
    vectors: Vectors,
    *,
    place: Place,
    lacking: Sequence[Key],
) -> int:
    """Write vectors of those records whose key has none yet and whose text is the same now; keep the place. All or nothing.

    The pen makes this and every payment of the outbox follow one another. So a row that changes after we have looked leaves
    its key in the outbox, and is paid for after we have committed.
    """
    fitting(vectors, index)
    if len(records) != len(vectors):
        raise BadValue("vectors", len(vectors), why=f"there are {len(records)} records: one row for each is needed")
    with connection.transaction():
        # Rows and place are lost together or not at all, so a batch need not wait for the disk: what a crash of the server
        # takes is filled again.
        connection.execute("SELECT set_config('synchronous_commit', 'off', true)")
        take_pen(connection, shape.number)
        wanted = _wanted(connection, shape, index, records) if records else []
        if wanted:
            whole = len(wanted) == len(records)
            kept_records = tuple(records) if whole else tuple(records[i] for i in wanted)
            payment = Payment(index.name, kept_records, vectors if whole else vectors.take(wanted))
            side, _ = place_of(shape, index)
            copy_in(connection, side, shape, index, payment)
        owe_keys(connection, shape, index, lacking)
        reached = {
            "index": index.name,
            "after": Jsonb(keys.to_json(place.after)),
            "finished": place.finished,
            "done": place.done,
        }
        connection.execute(statement("index", "keep_place"), reached)
    return len(wanted)


def _wanted(connection: Connection, shape: Shape, index: Declaration, records: Sequence[Record]) -> list[int]:
    """Which of the records still have the text that was read, and no vector. Mostly all have: that takes one comparison."""
    side, _ = place_of(shape, index)
    bounds = _bounds(records[0].key, records[-1].key)
    parts = {
        "digest": digest("s.body"),
        "s_ks": shape.ks("s"),
        "side": side,
        "side_range": shape.range(own=False),
        "rows": shape.rows(where=shape.range(own=True)),
    }
    whole = run(connection, statement("index", "untouched").format(**parts), bounds).fetchone()
    if whole == (_over_tokens(records), True):
        return list(range(len(records)))
    query = statement("index", "open_keys").format(**parts, ks=shape.ks(), match=shape.match("x", "s"))
    now: dict[Key, bytes] = {tuple(row[1:]): row[0] for row in run(connection, query, bounds)}
    return [i for i, record in enumerate(records) if now.get(record.key) == record.digest]


def _over_tokens(records: Sequence[Record]) -> bytes | None:
    """The same digest over what was read; None where a record came without its token."""
    tokens = [record.token for record in records if record.token is not None]
    return hashlib.sha256(struct.pack(f">{len(tokens)}q", *tokens)).digest() if len(tokens) == len(records) else None


def _bounds(first: Key, last: Key) -> dict[str, object]:
    low = {f"low_k{i}": part for i, part in enumerate(first, 1)}
    return {**low, **{f"high_k{i}": part for i, part in enumerate(last, 1)}}
