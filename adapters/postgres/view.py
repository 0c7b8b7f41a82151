"""The alias' view: the table's rows with the vectors of the side that is live, for everybody's SQL.

Both sides stand in it while a migration is open, each as a bare table with its name as a constant, and the pointer is a scalar
subquery. So PostgreSQL plans a Merge Append over both vector indexes under one-time filters, and never executes the side
that is not live; and a cutover changes one row and no definition. Two indexes of one site are one branch, whose label of
the space is read from the pointer. A branch that carries a WHERE or a join would not be
flattened, and would lose its index.
"""

from __future__ import annotations

from psycopg import sql
from transvase.core.ports import Declaration
from transvase.core.space import UNKNOWN

from .aliases import Known
from .connections import Connection, run
from .shape import CONTROL, VIEWS, Fragment, Shape, named, place_of, quoted

OURS = ("embedding", "space")


def write(connection: Connection, known: Known) -> None:
    """Create or replace the view for the sides that the alias has now, keeping its grants. Needs ACCESS EXCLUSIVE on it."""
    sides = branches(known)
    held = _columns(connection, known.shape)
    wanted = _wanted(known.shape, held)
    if held and (_type_differs(connection, known) or list(wanted)[: len(held)] != held):
        run(connection, sql.SQL("DROP VIEW {}").format(known.shape.view))
        wanted = _wanted(known.shape, [])
    shared = len(sides) == 1 and follows(known)
    body = (_one_site if shared else _body)(known.shape, sides, list(wanted.values()))
    create = sql.SQL("CREATE OR REPLACE VIEW {} WITH (security_invoker = true) AS {}")
    run(connection, create.format(known.shape.view, body))
    mirror_grants(connection, known.shape, [known.shape.view])


def branches(known: Known) -> tuple[Declaration, ...]:
    """The sides that stand in the view: both while they are of one element type and two sites, else the live one alone."""
    live, shadow = known.alias.live, known.alias.shadow
    two = shadow is not None and shadow.form == live.form and shadow.site != live.site
    return (live, shadow) if shadow is not None and two else (live,)


def follows(known: Known) -> bool:
    """Whether the view needs no new definition when the two sides change places."""
    live, shadow = known.alias.live, known.alias.shadow
    return len(branches(known)) == 2 or (shadow is not None and shadow.site == live.site)


def drop(connection: Connection, shape: Shape) -> None:
    """Remove the view; what is not there is no error."""
    run(connection, sql.SQL("DROP VIEW IF EXISTS {}").format(shape.view))


def mirror_grants(connection: Connection, shape: Shape, relations: list[Fragment]) -> None:
    """Let everyone who may read the table read these relations of ours, and the pointer beside them.

    Rights on single columns are not carried over: ``plan`` says so.
    """
    schemas = sql.SQL(", ").join((named(CONTROL), named(VIEWS)))
    pointers = [named(CONTROL, table) for table in ("alias", "index", "edition")]
    for role in _readers(connection, shape):
        run(connection, sql.SQL("GRANT USAGE ON SCHEMA {} TO {}").format(schemas, role))
        granted = sql.SQL(", ").join((*relations, *pointers))
        run(connection, sql.SQL("GRANT SELECT ON {} TO {}").format(granted, role))


def _body(shape: Shape, sides: tuple[Declaration, ...], columns: list[Fragment]) -> Fragment:
    union = sql.SQL(" UNION ALL ").join(_branch(shape, side) for side in sides)
    return sql.SQL(
        "SELECT {columns} FROM ({union}) v JOIN {source} s ON {match}"
        " WHERE v.side = (SELECT a.live FROM {pointer} a WHERE a.name = {alias})"
    ).format(
        columns=sql.SQL(", ").join(columns),
        union=union,
        source=shape.source,
        match=shape.match_own("s", "v"),
        pointer=named(CONTROL, "alias"),
        alias=quoted(shape.alias),
    )


def _one_site(shape: Shape, sides: tuple[Declaration, ...], columns: list[Fragment]) -> Fragment:
    """The view while two indexes share one site: the same rows whichever is live, under the label of the one that is."""
    label = sql.SQL(
        "(SELECT coalesce(i.space->>'id', {unknown}) FROM {alias_table} a JOIN {index_table} i ON i.name = a.live"
        " WHERE a.name = {alias})"
    ).format(
        unknown=quoted(UNKNOWN),
        alias_table=named(CONTROL, "alias"),
        index_table=named(CONTROL, "index"),
        alias=quoted(shape.alias),
    )
    return sql.SQL("SELECT {columns} FROM ({branch}) v JOIN {source} s ON {match}").format(
        columns=sql.SQL(", ").join(columns),
        branch=_branch(shape, sides[0], label=label),
        source=shape.source,
        match=shape.match_own("s", "v"),
    )


def _branch(shape: Shape, side: Declaration, *, label: Fragment | None = None) -> Fragment:
    relation, column = place_of(shape, side)
    return sql.SQL(
        "SELECT {key}, {column}::{form} AS embedding, {space}::text AS space, {side}::text AS side FROM {relation}"
    ).format(
        key=shape.naming() if side.adopted else shape.ks(),
        column=column,
        form=named(side.form),
        space=quoted(side.label) if label is None else label,
        side=quoted(side.name),
        relation=relation,
    )


def _wanted(shape: Shape, held: list[str]) -> dict[str, Fragment]:
    """The view's columns by name: the table's, then ours; after the view's own as it is: it grows only at its end."""
    every = {_free(name, shape.columns): named("s", name) for name in shape.columns}
    every |= {name: named("v", name) for name in OURS}
    order = [*(name for name in held if name in every), *(name for name in every if name not in held)]
    return {name: sql.SQL("{} AS {}").format(every[name], named(name)) for name in order}


def _free(name: str, columns: tuple[str, ...]) -> str:
    """What a column of the table is called in the view: one that is called like ours gives way to a name that no other has."""
    if name not in OURS:
        return name
    free = f"{name}_of_source"
    while free in columns:
        free += "_"
    return free


def _columns(connection: Connection, shape: Shape) -> list[str]:
    """The view's columns as they are, in order; none where there is no view yet."""
    rows = connection.execute(
        "SELECT f.attname::text FROM pg_attribute f JOIN pg_class c ON c.oid = f.attrelid"
        " JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = %s AND c.relname = %s AND f.attnum > 0"
        " ORDER BY f.attnum",
        (VIEWS, shape.alias),
    ).fetchall()
    return [str(row[0]) for row in rows]


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
