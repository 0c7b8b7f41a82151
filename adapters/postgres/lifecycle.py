"""Indexes and aliases come and go: adopt, create, discard, retire. Each is safe to do again after a crash at any point."""

from __future__ import annotations

from typing import Final

from psycopg import sql
from transvase.core.declaration import openable
from transvase.core.errors import BadValue, NotReady, Superseded
from transvase.core.ports import Declaration, Proposal

from . import aliases, capture, view
from .aliases import Known
from .connections import Connection, run
from .hnsw import oid_of
from .inspect import Table
from .locks import climb
from .shape import CONTROL, Shape, named, place_of
from .sql import statement

RETIRED: Final = "__retired_"


def adopt(connection: Connection, proposal: Proposal, table: Table, declaration: Declaration) -> None:
    """Write down alias and index, and make the view. The user's table is not touched."""
    known = proposal.alias in aliases.names(connection)
    if known:
        _same(aliases.load(connection, proposal.alias), proposal, declaration)
    with connection.transaction():
        run(connection, statement("schema", "install"))
        if not known:
            relation = named(table.schema, table.name).as_string(connection).replace("%%", "%")
            source = proposal.source
            aliases_row = {
                "alias": proposal.alias,
                "relation": relation,
                "key": list(source.key),
                "text": source.text,
                "vector": source.vector,
                "live": declaration.name,
            }
            connection.execute(statement("alias", "adopt_alias"), aliases_row)
            aliases.declare(connection, proposal.alias, declaration)
        view.write(connection, aliases.load(connection, proposal.alias))


def create(connection: Connection, alias: str, target: Declaration) -> None:
    """Side table, capture, pointer to the shadow, and its branch in the view: in this order, each step once.

    A target that shares the live index's site needs no table: it is a second name for what is there.
    """
    known = aliases.load(connection, alias)
    openable(known.alias, target)
    with connection.transaction():
        aliases.declare(connection, alias, target)
        if not target.shares:
            connection.execute(statement("alias", "begin_place"), {"name": target.name})
            _side_table(connection, known.shape, target)
    if not capture.is_captured(connection, known.shape):
        climb(connection, f"the triggers on {known.alias.source.table}", lambda: capture.begin(connection, known.shape))
    _set_shadow(connection, known, target.name)
    climb(connection, f"the view of {alias}", lambda: view.write(connection, aliases.load(connection, alias)))


def discard(connection: Connection, alias: str, index: str) -> None:
    """Take the shadow away. Capture ends with it where the live index is the user's own and kept by the application.

    An adopted column that has been live under a name of ours is kept by us: the application may have left it since.
    """
    known = aliases.load(connection, alias)
    if known.alias.live.name == index:
        raise NotReady("abort", f"{index} is live")
    try:
        declared = known.declaration(index)
    except Superseded:
        declared = None
    _set_shadow(connection, known, None)
    known = aliases.load(connection, alias)
    climb(connection, f"the view of {alias}", lambda: view.write(connection, known))
    if known.alias.live.adopted and not known.alias.live.shares:
        climb(connection, f"the triggers on {known.alias.source.table}", lambda: capture.end(connection, known.shape))
    with connection.transaction():
        connection.execute(statement("alias", "undeclare"), {"name": index})
        if declared is None or not (declared.adopted or declared.shares):
            _drop_side(connection, index)
            _forget_debts(connection, aliases.load(connection, alias).shape, index)


def retire(connection: Connection, alias: str, index: str, *, drop: bool) -> str:
    """End the index that was live before. A column of the user's is renamed, or dropped where ``drop`` says so.

    Where the live index serves the same site, only the name ends.
    """
    known = aliases.load(connection, alias)
    if known.alias.live.name == index:
        raise NotReady("retire", f"{index} is live")
    if known.alias.shadow is None or known.alias.shadow.name != index:
        return f"{index} was retired before"
    declared = known.alias.shadow
    shape = known.shape
    done = ""

    def act() -> None:
        nonlocal done
        connection.execute(statement("alias", "set_shadow"), {"alias": alias, "shadow": None})
        view.write(connection, aliases.load(connection, alias))
        connection.execute(statement("alias", "undeclare"), {"name": index})
        if known.alias.live.site == declared.site:
            done = f"ended the name {index}; its vectors serve {known.alias.live.name}"
            return
        done = _retire_column(connection, shape, drop=drop) if declared.adopted else _drop_side(connection, declared.site)
        _forget_debts(connection, shape, declared.site)

    climb(connection, f"the retirement of {index}", act)
    return done


def there(connection: Connection, index: str) -> bool:
    """Whether an index of that name is declared and its relation and column exist."""
    known = aliases.owner(connection, index)
    if known is None:
        return False
    declared = known.declaration(index)
    oid = oid_of(connection, known.shape, declared)
    if oid is None or not declared.adopted:
        return oid is not None
    column = connection.execute(
        "SELECT 1 FROM pg_attribute WHERE attrelid = %s AND attname = %s AND NOT attisdropped", (oid, known.shape.vector)
    )
    return column.fetchone() is not None


def _same(known: Known, proposal: Proposal, declaration: Declaration) -> None:
    live, source = known.alias.live, known.alias.source
    was = (source.table, source.key, source.text, live.label, live.name)
    now = (declaration.name.rpartition(".")[0], proposal.source.key, proposal.source.text, declaration.label, declaration.name)
    if was != now:
        raise BadValue(
            "alias", proposal.alias, why=f"it is taken: {live.name} ({live.label}), text {source.text!r}; choose another name"
        )


def _side_table(connection: Connection, shape: Shape, target: Declaration) -> None:
    side, _ = place_of(shape, target)
    query = statement("index", "create_side").format(
        side=side,
        definitions=shape.definitions(),
        form=named(target.form),
        width=sql.SQL(str(target.width)),  # an integer
        ks=shape.ks(),
    )
    run(connection, query)
    view.mirror_grants(connection, shape, [side])
    if _has_policies(connection, shape):
        _guard_rows(connection, shape, side)


def _has_policies(connection: Connection, shape: Shape) -> bool:
    row = connection.execute("SELECT relrowsecurity FROM pg_class WHERE oid = %s", (capture.oid(connection, shape),)).fetchone()
    return bool(row and row[0])


def _guard_rows(connection: Connection, shape: Shape, side: sql.Composable) -> None:
    """Where the table hides rows, their vectors are hidden too: who cannot see the row cannot read its vector by itself."""
    run(connection, sql.SQL("ALTER TABLE {} ENABLE ROW LEVEL SECURITY").format(side))
    run(connection, sql.SQL("DROP POLICY IF EXISTS as_source ON {}").format(side))
    policy = sql.SQL("CREATE POLICY as_source ON {} FOR SELECT USING (EXISTS (SELECT 1 FROM {} s WHERE {}))")
    own_k = sql.SQL(" AND ").join(
        sql.SQL("{} = {}").format(named("s", name), named(f"k{i}")) for i, name in enumerate(shape.key, 1)
    )
    run(connection, policy.format(side, shape.source, own_k))


def _set_shadow(connection: Connection, known: Known, index: str | None) -> None:
    connection.execute(statement("alias", "set_shadow"), {"alias": known.alias.name, "shadow": index})


def _forget_debts(connection: Connection, shape: Shape, index: str) -> None:
    if shape.captured:
        run(connection, sql.SQL("DELETE FROM {} WHERE only_index = %(index)s").format(shape.outbox), {"index": index})


def _drop_side(connection: Connection, index: str) -> str:
    run(connection, sql.SQL("DROP TABLE IF EXISTS {}").format(named(CONTROL, index)))
    return f"dropped the side table {index}"


def _retire_column(connection: Connection, shape: Shape, *, drop: bool) -> str:
    """Rename the user's column, so that a reader who was forgotten fails loudly; or drop it."""
    new = f"{shape.vector.encode()[:40].decode(errors='ignore')}{RETIRED}{shape.number}"
    if drop:
        run(connection, sql.SQL("ALTER TABLE {} DROP COLUMN {}").format(shape.source, named(shape.vector)))
    else:
        run(connection, sql.SQL("ALTER TABLE {} ALTER COLUMN {} DROP NOT NULL").format(shape.source, named(shape.vector)))
        run(
            connection,
            sql.SQL("ALTER TABLE {} RENAME COLUMN {} TO {}").format(shape.source, named(shape.vector), named(new)),
        )
    connection.execute(
        "UPDATE transvase_control.alias SET vector_column = %s WHERE name = %s", ("" if drop else new, shape.alias)
    )
    capture.refresh(connection, aliases.load(connection, shape.alias).shape)
    column = f"{shape.schema}.{shape.table}.{shape.vector}"
    return f"dropped the column {column}" if drop else f"renamed the column {column} to {new}"
