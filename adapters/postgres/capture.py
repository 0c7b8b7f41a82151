"""Makes, checks and removes the triggers that put the key of every written row into the outbox.

Creating them takes SHARE ROW EXCLUSIVE on the table, which waits for every earlier writer: from then on no write that
went uncaptured can still commit. They are ENABLE ALWAYS, or a session in replica mode would slip past them.
"""

from __future__ import annotations

from typing import Final

from psycopg import sql

from .connections import Connection, run
from .shape import CONTROL, Fragment, Shape, named
from .sql import statement

STATEMENT_EVENTS: Final = (
    ("insert", "INSERT", "REFERENCING NEW TABLE AS new_rows"),
    ("update", "UPDATE", "REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows"),
    ("delete", "DELETE", "REFERENCING OLD TABLE AS old_rows"),
)
ROW_EVENTS: Final = (("row", "INSERT OR UPDATE OR DELETE", ""),)


def trigger_names(shape: Shape) -> list[str]:
    """Every name that a trigger of ours can have on this table."""
    suffixes = [name for name, _, _ in (*STATEMENT_EVENTS, *ROW_EVENTS)] + ["truncate"]
    return [f"transvase_{shape.number}_{suffix}" for suffix in suffixes]


def is_captured(connection: Connection, shape: Shape) -> bool:
    """True when the full set of triggers is there, each of them always enabled."""
    row = connection.execute(
        statement("capture", "present"), {"table": table_text(connection, shape), "names": trigger_names(shape)}
    ).fetchone()
    wanted = len(ROW_EVENTS if by_row(connection, shape) else STATEMENT_EVENTS) + 1
    return row is not None and row[0] == row[1] == wanted


def by_row(connection: Connection, shape: Shape) -> bool:
    """Whether this table must be captured row by row."""
    row = connection.execute(
        sql.SQL("SELECT ({})").format(statement("inspect", "subscribed")),
        {"oid": oid(connection, shape)},
    ).fetchone()
    return bool(row and row[0])


def begin(connection: Connection, shape: Shape) -> None:
    """Create outbox, function and triggers. Call it inside a transaction that climbs the lock ladder."""
    run(connection, statement("capture", "outbox").format(outbox=shape.outbox, definitions=_nullable(shape)))
    rowwise = by_row(connection, shape)
    run(connection, _function(connection, shape, rowwise=rowwise))
    for name, event, referencing in ROW_EVENTS if rowwise else STATEMENT_EVENTS:
        level = "ROW" if rowwise else "STATEMENT"
        _trigger(connection, shape, f"transvase_{shape.number}_{name}", f"AFTER {event}", f"{referencing} FOR EACH {level}")
    parts = connection.execute(statement("capture", "parts"), {"table": table_text(connection, shape)}).fetchall()
    for table in (shape.source, *(named(schema, part) for schema, part in parts)):
        name = f"transvase_{shape.number}_truncate"
        _trigger(connection, shape, name, "AFTER TRUNCATE", "FOR EACH STATEMENT", on=table)


def end(connection: Connection, shape: Shape) -> None:
    """Remove triggers, function and outbox; what is not there is no error."""
    function = _function_name(shape).as_string(connection)
    for schema, table, name in connection.execute(statement("capture", "users"), {"function": function}).fetchall():
        run(connection, sql.SQL("DROP TRIGGER IF EXISTS {} ON {}").format(named(name), named(schema, table)))
    run(connection, sql.SQL("DROP FUNCTION IF EXISTS {}()").format(_function_name(shape)))
    run(connection, sql.SQL("DROP TABLE IF EXISTS {}").format(shape.outbox))


def refresh(connection: Connection, shape: Shape) -> None:
    """Write the function again, after the table's vector column has changed its name or gone."""
    run(connection, _function(connection, shape, rowwise=by_row(connection, shape)))


def table_text(connection: Connection, shape: Shape) -> str:
    """The table's name as ``::regclass`` reads it."""
    return shape.source.as_string(connection).replace("%%", "%")


def oid(connection: Connection, shape: Shape) -> int:
    """The table's object id."""
    row = connection.execute("SELECT %s::text::regclass::oid::bigint", (table_text(connection, shape),)).fetchone()
    return int(row[0]) if row else 0


def _trigger(connection: Connection, shape: Shape, name: str, event: str, tail: str, *, on: Fragment | None = None) -> None:
    table = shape.source if on is None else on
    pieces = {"name": named(name), "table": table, "function": _function_name(shape)}
    fixed = sql.SQL(
        f"CREATE OR REPLACE TRIGGER {{name}} {event} ON {{table}} {tail} EXECUTE FUNCTION {{function}}()"
    )  # event and tail are the constants above
    run(connection, fixed.format(**pieces))
    run(connection, sql.SQL("ALTER TABLE {table} ENABLE ALWAYS TRIGGER {name}").format(table=table, name=named(name)))


def _function(connection: Connection, shape: Shape, *, rowwise: bool) -> sql.Composed:
    body = statement("capture", "by_row" if rowwise else "by_statement").format(
        outbox=shape.outbox,
        ks=shape.ks(),
        own=shape.own(),
        n_ks=shape.ks("n"),
        o_ks=shape.ks("o"),
        match=shape.match("n", "o"),
        new_rows=shape.written(sql.SQL("new_rows")),
        old_rows=shape.written(sql.SQL("old_rows")),
        new_row=shape.written(sql.SQL("(SELECT NEW.*)")),
        old_row=shape.written(sql.SQL("(SELECT OLD.*)")),
    )
    row = connection.execute(statement("capture", "path")).fetchone()
    path = sql.SQL(", ").join(named(schema) for schema in (row[0] if row else []))
    # The body is already in doubled percent signs, so it is quoted as it is.
    return statement("capture", "function").format(
        function=_function_name(shape), path=path, body=sql.Literal(body.as_string(connection))
    )


def _function_name(shape: Shape) -> Fragment:
    return named(CONTROL, f"capture_{shape.number}")


def _nullable(shape: Shape) -> Fragment:
    parts = [sql.SQL("{} {}").format(named(f"k{i}"), sql.SQL(kind.sql_type)) for i, kind in enumerate(shape.kinds, 1)]
    return sql.SQL(", ").join(parts)
