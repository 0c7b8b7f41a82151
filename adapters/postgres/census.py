"""Counts over all rows of an index, taken where the rows are and from one snapshot."""

from __future__ import annotations

from psycopg import sql
from transvase.core.ports import Census, Declaration

from .connections import Connection, run
from .keys import from_json
from .shape import NORM, Shape, digest, named, owed_or_nothing, place_of
from .sql import statement


def take(connection: Connection, shape: Shape, index: Declaration, *, deep: bool) -> Census:
    """Count. A key that is owed counts as owed, and as nothing else. No vector is read unless ``deep``."""
    common = {
        "ks": shape.ks(),
        "outbox": owed_or_nothing(shape),
        "as_text": sql.SQL(", ").join(sql.SQL("{}::text").format(named(f"k{i}")) for i in range(1, len(shape.key) + 1)),
        "rows": shape.rows(),
        "norm": named(NORM[index.form]),
    }
    if index.adopted:
        query = statement("index", "census_column").format(
            **common, source=shape.source, column=named(shape.vector), match=shape.match_own("t", "s"),
            owed_match=shape.match("o", "s"), s_ks=shape.ks("s"),
        )  # fmt: skip
    else:
        side, _ = place_of(shape, index)
        query = statement("index", "census_side").format(
            **common, side=side, either=shape.either("s", "x"), match=shape.match("s", "x"), digest=digest("s.body"),
            owed_match=shape.match("o", "b"),
        )  # fmt: skip
    row = run(connection, query, {"width": index.width, "deep": deep}).fetchone()
    assert row is not None, "an aggregate without GROUP BY gives one row"
    records, held, missing, orphaned, stale, owed, zero, broken, examples = row
    return Census(
        records=records,
        held=held,
        missing=missing,
        orphaned=orphaned,
        stale=stale,
        owed=owed,
        zero=zero,
        broken=broken,
        examples=tuple(key for key in (from_json(parts, shape.kinds) for parts in examples or ()) if key is not None),
    )
