"""The alias' view: the table's rows with the vectors of the side that is live, for everybody's SQL.

Both sides stand in it while a migration is open, each as a bare table with its name as a constant, and the pointer is a scalar
subquery. So PostgreSQL plans a Merge Append over both vector indexes under one-time filters, and never executes the side
that is not live; and a cutover changes one row and no definition. A branch that carries a WHERE or a join would not be
flattened, and would lose its index.
"""

from __future__ import annotations

from psycopg import sql
from transvase.core.ports import Declaration

from .aliases import Known
from .connections import Connection, run
from .shape import CONTROL, VIEWS, Fragment, Shape, named, place_of, quoted

OURS = ("embedding", "space")


def write(connection: Connection, known: Known) -> None:
    """Create or replace the view for the sides that the alias has now, keeping its grants. Needs ACCESS EXCLUSIVE on it."""
    sides = branches(known)
    body = _body(known.shape, sides)
    if _type_differs(connection, known):
        run(connection, sql.SQL("DROP VIEW {}").format(known.shape.view))
    create = sql.SQL("CREATE OR REPLACE VIEW {} WITH (security_invoker = true) AS {}")
    run(connection, create.format(known.shape.view, body))
    mirror_grants(connection, known.shape, [known.shape.view])


def branches(known: Known) -> tuple[Declaration, ...]:
    """The sides that stand in the view: both while they are of one element type, else the live one alone."""
    live, shadow = known.alias.live, known.alias.shadow
    return (live, shadow) if shadow is not None and shadow.form == live.form else (live,)


def drop(connection: Connection, shape: Shape) -> None:
    """Remove the view; what is not there is no error."""
    run(connection, sql.SQL("DROP VIEW IF EXISTS {}").format(shape.view))


def mirror_grants(connection: Connection, shape: Shape, relations: list[Fragment]) -> None:
    """Let everyone who may read the table read these relations of ours, and the pointer beside them.

    Rights on single columns are not carried over: ``plan`` says so.
    """
    schemas = sql.SQL(", ").join((named(CONTROL), named(VIEWS)))
    pointers = [named(CONTROL, "alias"), named(CONTROL, "index")]
    for role in _readers(connection, shape):
        run(connection, sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schemas, role))
        granted = sql.SQL(", ").join((*relations, *pointers))
        run(connection, sql.SQL("GRANT SELECT ON {} TO {}").format(granted, role))


def _body(shape: Shape, sides: tuple[Declaration, ...]) -> Fragment:
    union = sql.SQL(" UNION ALL ").join(_branch(shape, side) for side in sides)
    return sql.SQL(
        "SELECT {columns}, v.embedding, v.space FROM ({union}) v JOIN {source} s ON {match}"
        " WHERE v.side = (SELECT a.live FROM {pointer} a WHERE a.name = {alias})"
    ).format(
        columns=sql.SQL(", ").join(_column(name, shape.columns) for name in shape.columns),
        union=union,
        source=shape.source,
        match=shape.match_own("s", "v"),
        pointer=named(CONTROL, "alias"),
        alias=quoted(shape.alias),
    )


def _branch(shape: Shape, side: Declaration) -> Fragment:
    relation, column = place_of(shape, side)
    return sql.SQL(
        "SELECT {key}, {column}::{form} AS embedding, {space}::text AS space, {side}::text AS side FROM {relation}"
    ).format(
        key=shape.naming() if side.adopted else shape.ks(),
        column=column,
        form=named(side.form),
        space=quoted(side.label),
        side=quoted(side.name),
        relation=relation,
    )


def _column(name: str, columns: tuple[str, ...]) -> Fragment:
    """A column of the table; one that is called like ours gives way to a name that no other column has."""
    if name not in OURS:
        return named("s", name)
    free = f"{name}_of_source"
    while free in columns:
        free += "_"
    return sql.SQL("{} AS {}").format(named("s", name), named(free))


def _type_differs(connection: Connection, known: Known) -> bool:
    """Whether the view is there with another element type, which CREATE OR REPLACE cannot change."""
    row = connection.execute(
        "SELECT t.typname FROM pg_attribute f JOIN pg_type t ON t.oid = f.atttypid"
        " JOIN pg_class c ON c.oid = f.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = %s AND c.relname = %s AND f.attname = 'embedding'",
        (VIEWS, known.shape.alias),
    ).fetchone()
    return row is not None and row[0] != known.alias.live.form


def _readers(connection: Connection, shape: Shape) -> list[Fragment]:
    rows = connection.execute(
        "SELECT DISTINCT CASE WHEN x.grantee = 0 THEN NULL ELSE pg_get_userbyid(x.grantee) END"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,"
        " aclexplode(coalesce(c.relacl, acldefault('r', c.relowner))) x"
        " WHERE n.nspname = %s AND c.relname = %s AND x.privilege_type = 'SELECT'"
        " AND x.grantee <> (SELECT oid FROM pg_roles WHERE rolname = current_user)",
        (shape.schema, shape.table),
    ).fetchall()
    return [sql.SQL("PUBLIC") if row[0] is None else named(row[0]) for row in rows]
