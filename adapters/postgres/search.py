"""Searching one physical index, filtered by the user's columns, with the alias' generation in the same answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import psycopg
from psycopg import errors, sql
from transvase.core.errors import BadValue, UnknownName
from transvase.core.ports import Answer, Declaration
from transvase.core.record import Hit
from transvase.core.space import Vectors

from . import binary_copy, words
from .connections import WIRE, Connection
from .shape import OPERATOR, Fragment, Shape, fitting, named, place_of, quoted, whole_rows
from .sql import statement

MOST: Final = 1000
"""pgvector's upper bound of hnsw.ef_search, without which an index scan does not reach k."""
EF_SEARCH: Final = 40
SEVERAL: Final = (list, tuple, set, frozenset)
"""Of a filter's value: any of its elements."""
MISFITS: Final = (psycopg.DataError, errors.UndefinedFunction, errors.DatatypeMismatch)
"""What a filter's value meets that its column does not take."""


def statement_for(
    connection: Connection,
    shape: Shape,
    index: Declaration,
    *,
    k: int,
    filters: Mapping[str, object],
    exact: bool,
    worded: bool = False,
) -> str:
    """The search as text, for one number of hits and one set of filtered columns. BadValue, UnknownName."""
    if not 1 <= k <= MOST:
        raise BadValue("k", k, why=f"between 1 and {MOST} hits can be asked for")
    relation, where = _relation(shape, index), _filter(shape, filters)
    columns = sql.SQL(", ").join(named("s", f"c{i}") for i in range(1, len(shape.columns) + 1))
    operator = sql.SQL(OPERATOR[index.metric])  # from a fixed table
    if worded:
        aim = words.Aim(relation, _vector(index), operator)
        return words.composed(connection, shape, aim, k=k, columns=columns, where=where)
    composed = statement("index", "search").format(
        vector=_vector(index),
        operator=operator,
        query=sql.SQL("%(query)s"),
        columns=columns,
        relation=relation,
        filter=where,
        # With anything added to it the distance is no longer what the index is ordered by: every row is looked at.
        exact=sql.SQL(" + 0.0" if exact else ""),
        k=sql.SQL(str(k)),  # an integer
        alias=quoted(shape.alias),
    )
    return composed.as_string(connection)


def kind_of(value: object) -> tuple[bool, bool, bool]:
    """Of a filter's value, what decides how it is asked for: None, several, several with None among them."""
    if not isinstance(value, SEVERAL):
        return value is None, False, False
    return False, True, None in value


def values_for(
    index: Declaration, query: Vectors, filters: Mapping[str, object], *, hybrid: tuple[str, float] | None = None
) -> dict[str, object]:
    """The parameters of ``statement_for``, with the words and their weight of a hybrid search; SpaceMismatch, BadValue."""
    matrix = fitting(query, index)
    if len(matrix) != 1:
        raise BadValue("query", matrix.shape, why="one vector is needed")
    wire = WIRE[index.form](binary_copy.wire(matrix[0], form=index.form))
    return {"query": wire, **words.values(hybrid), **{f"w{i}": _given(value) for i, value in enumerate(filters.values(), 1)}}


def filtering(values: Mapping[str, object]) -> list[object]:
    """The filters' values among the parameters."""
    return [value for name, value in values.items() if name not in ("query", *words.PARAMETERS)]


def answer(shape: Shape, index: Declaration, rows: list[tuple[Any, ...]], *, worded: bool = False) -> Answer:
    """Rows of the statement as an Answer: generation, distance (of a hybrid search: the score), text, the columns."""
    at = {name: i for i, name in enumerate(shape.columns, 3)}
    key = [at[name] for name in shape.key]
    rest = [(name, i) for name, i in at.items() if name not in shape.key]
    hits = tuple(
        Hit(
            tuple(row[i] for i in key),
            float(row[1]) if worded else _score(index.metric, float(row[1])),
            None if row[2] is None else str(row[2]),
            {name: row[i] for name, i in rest},
        )
        for row in rows
        if row[1] is not None
    )
    return Answer(hits, int(rows[0][0]) if rows else -1)


def _score(metric: str, distance: float) -> float:
    return 1.0 - distance if metric == "cosine" else -distance


def _vector(index: Declaration) -> Fragment:
    return named("s", "held") if index.adopted else named("x", "embedding")


def _relation(shape: Shape, index: Declaration) -> Fragment:
    """The table, its columns under names that cannot collide; joined to the side table where the vectors are there."""
    rows = whole_rows(shape, held=named(shape.vector) if index.adopted else None)
    if index.adopted:
        return rows
    side, _ = place_of(shape, index)
    return sql.SQL("{} x JOIN {} ON {}").format(side, rows, shape.match("s", "x"))


def _filter(shape: Shape, filters: Mapping[str, object]) -> Fragment:
    parts: list[Fragment] = []
    for i, (name, value) in enumerate(filters.items(), 1):
        if name not in shape.columns:
            raise UnknownName("column", name, hint=f"a filter can name {', '.join(shape.columns)}")
        column = named("s", f"c{shape.columns.index(name) + 1}")
        if value is None:
            parts.append(sql.SQL(" AND {} IS NULL").format(column))
        elif isinstance(value, SEVERAL):
            either = " AND ({c} = ANY ({w}) OR {c} IS NULL)" if None in value else " AND {c} = ANY ({w})"
            parts.append(sql.SQL(either).format(c=column, w=sql.Placeholder(f"w{i}")))
        else:
            parts.append(sql.SQL(" AND {} = {}").format(column, sql.Placeholder(f"w{i}")))
    return sql.SQL("").join(parts)


def _given(value: object) -> object:
    return list(value) if isinstance(value, SEVERAL) else value
