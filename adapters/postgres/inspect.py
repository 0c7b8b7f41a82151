"""What must hold of a database, a table, its key, its vector column and a text expression before they can be adopted."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from psycopg import errors, sql
from transvase.core.errors import BadValue, Unfit, UnknownName
from transvase.core.ports import Declaration, Proposal

from . import aliases
from .connections import Connection, run
from .keys import KINDS
from .shape import OPCLASS, Shape, digest, named
from .sql import statement

SERVER: Final = 150000
EXTENSION: Final = (0, 8, 4)
"""0.8.3 and 0.8.4 mended corruption by vacuum; 0.8.0 brought iterative scans."""
LONGEST_ALIAS: Final = 40
"""Bytes; physical names add an attempt and a space to it, and PostgreSQL's identifiers end at 63."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as the catalog shows it. ``columns`` maps names to (type name, type modifier, not null)."""

    oid: int
    schema: str
    name: str
    columns: dict[str, tuple[str, int, bool]]


@dataclass(frozen=True, slots=True)
class Ann:
    """A valid approximate index: its method, metric, and the HNSW parameters (pgvector's defaults where none are set)."""

    oid: int
    name: str
    method: str
    metric: str
    m: int = 16
    ef_construction: int = 64


def check_server(connection: Connection) -> None:
    """Unfit where PostgreSQL or pgvector is missing something that the promises need."""
    number, name = connection.execute(statement("inspect", "server")).fetchone() or (0, "unknown")
    if number < SERVER:
        raise Unfit(f"PostgreSQL {name} is too old", remedy="15 or newer is needed (views that keep row-level security)")
    row = connection.execute(statement("inspect", "extension")).fetchone()
    if row is None:
        raise Unfit("the extension pgvector is not installed in this database", remedy="CREATE EXTENSION vector")
    version = tuple(int(part) for part in re.findall(r"\d+", row[0])[:3])
    if version < EXTENSION:
        raise Unfit(
            f"pgvector {row[0]} is too old: versions before 0.8.4 can lose rows from an HNSW index on vacuum",
            remedy="upgrade it to 0.8.4 or newer, then ALTER EXTENSION vector UPDATE",
        )


def find_table(connection: Connection, given: str) -> Table:
    """The table of that name (``name`` or ``schema.name``, quoted as in SQL where needed); UnknownName, Unfit."""
    row = None
    for attempt in (given, _quoted(given)):
        try:
            row = connection.execute(statement("inspect", "table"), {"table": attempt}).fetchone()
        except (errors.InvalidName, errors.SyntaxError, errors.FeatureNotSupported):
            row = None
        if row is not None:
            break
    if row is None:
        similar = connection.execute(
            statement("inspect", "similar_tables"), {"name": given.rsplit(".", maxsplit=1)[-1]}
        ).fetchall()
        there = ", ".join(str(name[0]) for name in similar) or "no tables at all that this role can see"
        raise UnknownName("table", given, hint=f"there are {there}")
    oid, schema, name, kind, owns, restricted, reads, writes, creates, owner, role = row
    if kind not in ("r", "p"):
        raise Unfit(f"{given} is not a table", remedy="name the table that the vectors are stored in")
    if (connection.execute(statement("inspect", "inherited"), {"oid": oid}).fetchone() or (False,))[0]:
        raise Unfit(
            f"other tables inherit from {given}, and what is written to them would not be captured",
            remedy="end the inheritance (ALTER TABLE … NO INHERIT), or partition the table instead",
        )
    _check_rights(given, role, owner, owns=owns, reads=reads, writes=writes, creates=creates)
    if restricted:
        _restricted(given, role)
    columns = connection.execute(statement("inspect", "columns"), {"oid": oid}).fetchall()
    return Table(oid, schema, name, {c[0]: (c[1], c[2], c[3]) for c in columns})


def check_sight(connection: Connection, shape: Shape) -> None:
    """Unfit where row-level security hides rows from this role: what it does not see, a fill or a payment takes for gone."""
    table = shape.source.as_string(connection).replace("%%", "%")
    row = connection.execute(statement("inspect", "restricted"), {"table": table}).fetchone()
    if row is not None and row[0]:
        _restricted(table, row[1])


def ann_index(connection: Connection, oid: int, column: str) -> Ann | None:
    """The approximate index over a column, HNSW before IVFFlat; None when there is no valid one."""
    row = connection.execute(statement("inspect", "ann_index"), {"oid": oid, "column": column}).fetchone()
    if row is None:
        return None
    options = dict(option.split("=", 1) for option in row[4])
    metric = next((m for m, opclass in OPCLASS.items() if row[3].endswith(opclass)), "")
    if not metric:
        raise Unfit(f"the index {row[1]} uses {row[3]}", remedy="cosine, inner product and L2 are understood")
    return Ann(row[0], row[1], row[2], metric, int(options.get("m", 16)), int(options.get("ef_construction", 64)))


def inspect(connection: Connection, proposal: Proposal) -> tuple[Table, Declaration]:
    """Everything that can stand against an adoption, in the order in which a person would want to be told."""
    if not proposal.alias or len(proposal.alias.encode()) > LONGEST_ALIAS:
        raise BadValue("alias", proposal.alias, why=f"it takes between 1 and {LONGEST_ALIAS} bytes")
    if "\x00" in proposal.alias:
        raise BadValue("alias", proposal.alias, why="a name cannot hold a NUL")
    check_server(connection)
    table = find_table(connection, proposal.source.table)
    _check_key(connection, table, proposal.source.key)
    form, width = _vector_column(connection, table, proposal.source.vector)
    _check_expression(connection, table, proposal)
    ann = ann_index(connection, table.oid, proposal.source.vector)
    space = proposal.space
    if space is not None and width not in (space.dimension, space.dimension + 1):  # one more is an earlier migration's fence
        raise Unfit(
            f"column {proposal.source.vector!r} holds vectors of {width} dimensions, "
            f"and {proposal.encoder} makes {space.dimension}",
            remedy="name the encoder that made them",
        )
    name = f"{table.schema}.{table.name}.{proposal.source.vector}"
    _check_free(connection, name, proposal.alias)
    declaration = Declaration(
        name=name,
        space=proposal.space,
        encoder=proposal.encoder,
        text=proposal.source.text,
        width=width,
        metric=ann.metric if ann else "cosine",
        form=form,
        adopted=True,
    )
    return table, declaration


def shape_of(table: Table, proposal: Proposal) -> Shape:
    """The shape a proposal would have; its number is not given yet."""
    source = proposal.source
    return Shape(
        alias=proposal.alias,
        number=0,
        schema=table.schema,
        table=table.name,
        key=source.key,
        types=tuple(table.columns[name][0] for name in source.key),
        text=source.text,
        vector=source.vector,
        watches=False,
        nullable=False,
        captured=False,
        columns=tuple(name for name in table.columns if name != source.vector),
    )


def _restricted(table: str, role: str) -> None:
    raise Unfit(
        f"row-level security hides rows of {table} from the role {role}",
        remedy="connect as a role that sees every row (its owner without FORCE, or one with BYPASSRLS)",
    )


def _check_rights(table: str, role: str, owner: str, *, owns: bool, reads: bool, writes: bool, creates: bool) -> None:
    lacking = [
        what
        for what, has in (
            (f"SELECT on {table}", reads),
            (f"UPDATE on {table}", writes),
            (f"ownership of {table} (to keep its triggers always enabled; its owner is {owner})", owns),
            ("CREATE on the database (for the schemas transvase and transvase_control)", creates),
        )
        if not has
    ]
    if lacking:
        raise Unfit(f"the role {role} lacks: {'; '.join(lacking)}", remedy=f"grant these, or connect as {owner}")


def _check_key(connection: Connection, table: Table, key: tuple[str, ...]) -> None:
    if not key or len(set(key)) != len(key):
        raise BadValue("key", ",".join(key), why="name each key column once")
    for name in key:
        _, (kind, _, _) = _column(table, name)
        if kind not in KINDS:
            raise Unfit(f"key column {name!r} is of type {kind}", remedy=f"keys of {', '.join(KINDS)} are understood")
    unique = [tuple(row[0]) for row in connection.execute(statement("inspect", "unique_keys"), {"oid": table.oid})]
    if tuple(sorted(key)) not in unique:
        columns = ", ".join(key)
        raise Unfit(
            f"the key ({columns}) of {table.schema}.{table.name} is not unique: "
            "no unique index stands over exactly these columns",
            remedy=f"name the primary key, or CREATE UNIQUE INDEX CONCURRENTLY ON {table.schema}.{table.name} ({columns})",
        )
    nullable = [name for name in key if not table.columns[name][2]]
    if nullable:
        raise Unfit(f"key column {nullable[0]!r} can be NULL", remedy="a key needs NOT NULL: ALTER COLUMN … SET NOT NULL")


def _vector_column(connection: Connection, table: Table, name: str) -> tuple[str, int]:
    _, (form, modifier, _) = _column(table, name)
    if form not in ("vector", "halfvec"):
        raise Unfit(f"column {name!r} is of type {form}", remedy="a column of type vector or halfvec is needed")
    if modifier > 0:
        return form, modifier
    column, relation = named(name), named(table.schema, table.name)
    query = sql.SQL("SELECT DISTINCT vector_dims({}) FROM {} WHERE {} IS NOT NULL LIMIT 3").format(column, relation, column)
    widths = run(connection, query).fetchall()
    if len(widths) != 1:
        found = "no vectors" if not widths else f"vectors of {', '.join(str(w[0]) for w in widths)} dimensions"
        raise Unfit(f"column {name!r} has no declared dimension and holds {found}", remedy="one dimension is needed")
    return form, int(widths[0][0])


def _check_free(connection: Connection, index: str, alias: str) -> None:
    """One column under two aliases: each migration would end what the other one serves."""
    other = aliases.occupant(connection, index)
    if other is not None and other != alias:
        raise Unfit(f"{index} is served under the alias {other!r} already", remedy="use that alias")


def _check_expression(connection: Connection, table: Table, proposal: Proposal) -> None:
    """A text expression must be one value of one row: no aggregate, no subquery, nothing that changes from call to call."""
    text = proposal.source.text
    if not text.strip() or "\x00" in text:
        raise BadValue("text expression", text, why="give a column or an SQL expression over the table's columns")
    shape = shape_of(table, proposal)
    probe = sql.SQL("SELECT 1 FROM {} WHERE {} IS NOT NULL").format(shape.source, shape.expression())
    try:
        plan = run(connection, sql.SQL("EXPLAIN (FORMAT JSON) {}").format(probe)).fetchone()
        first, second = (_digests(connection, shape) for _ in range(2))
    except (errors.ProgrammingError, errors.DataError, errors.FeatureNotSupported) as error:
        why = str(error).splitlines()[0]
        raise BadValue("text expression", text, why=f"PostgreSQL does not take it over {shape.table}: {why}") from error
    if plan and re.search(r'"(SubPlan|InitPlan)"', str(plan[0]).replace("'", '"')):
        raise BadValue("text expression", text, why="it may not hold a subquery: a change elsewhere would go unseen")
    if first != second:
        raise BadValue("text expression", text, why="it gives another text each time it is asked")


def _digests(connection: Connection, shape: Shape) -> list[tuple[object, ...]]:
    query = sql.SQL("SELECT {}, {} FROM {} AS s ORDER BY {} LIMIT 50")
    return run(connection, query.format(shape.ks(), digest("s.body"), shape.rows(), shape.ks())).fetchall()


def _column(table: Table, name: str) -> tuple[str, tuple[str, int, bool]]:
    if name not in table.columns:
        raise UnknownName("column", name, hint=f"{table.schema}.{table.name} has {', '.join(table.columns)}")
    return name, table.columns[name]


def _quoted(given: str) -> str:
    """A name as somebody types it who does not think of quotes: each part taken as it stands."""
    return ".".join('"' + part.replace('"', '""') + '"' for part in given.split("."))
