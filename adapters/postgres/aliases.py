"""Reads the control rows: one alias with its two declarations, and the shape of its table."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from psycopg import errors
from psycopg.types.json import Jsonb
from transvase.core.errors import StoreFailed, Superseded, UnknownName
from transvase.core.ports import Alias, Declaration, Source
from transvase.core.space import Space

from .connections import Connection
from .shape import Shape
from .sql import statement

EDITION: Final = 1
"""Of the control schema that this code understands."""


@dataclass(frozen=True, slots=True)
class Known:
    """An alias as one read showed it: for the ports (``alias``) and for our SQL (``shape``)."""

    alias: Alias
    shape: Shape

    def declaration(self, index: str) -> Declaration:
        """The declaration of one of its two indexes; Superseded when it has neither of that name."""
        for declared in (self.alias.live, self.alias.shadow):
            if declared is not None and declared.name == index:
                return declared
        raise Superseded(index)


def installed(connection: Connection) -> bool:
    """True when the control schema is in this database."""
    row = connection.execute(statement("schema", "installed")).fetchone()
    return bool(row and row[0])


def names(connection: Connection) -> list[str]:
    """All aliases, sorted."""
    if not installed(connection):
        return []
    return [str(row[0]) for row in connection.execute(statement("alias", "names"))]


def load(connection: Connection, name: str) -> Known:
    """One alias, in one statement; UnknownName when there is none, StoreFailed when a newer Transvase wrote it."""
    try:
        row = connection.execute(statement("alias", "load"), {"alias": name}).fetchone()
    except (errors.UndefinedTable, errors.InvalidSchemaName):
        raise UnknownName("alias", name, hint="adopt an index first") from None
    if row is None:
        known = names(connection)
        raise UnknownName("alias", name, hint=f"there are: {', '.join(known)}" if known else "adopt an index first")
    if row[12] > EDITION:
        raise StoreFailed(f"this database was set up by a newer Transvase (edition {row[12]}); upgrade this one")
    if row[3] is None or len(row[5]) != len(row[4]):
        raise StoreFailed(f"the table behind alias {name!r} is gone or has lost a key column")
    declared = {d.name: d for d in map(_declaration, row[15])}
    shape = Shape(
        alias=row[0], number=row[1], schema=row[2], table=row[3], key=tuple(row[4]), types=tuple(row[5]),
        text=row[6], vector=row[7], columns=tuple(row[8]), nullable=row[13], captured=row[14],
        watches=any(d.adopted and d.space for side, d in declared.items() if side in (row[9], row[10])),
    )  # fmt: skip
    alias = Alias(
        name=name,
        source=Source(table=f"{shape.schema}.{shape.table}", key=shape.key, text=shape.text, vector=shape.vector),
        live=declared[row[9]],
        shadow=declared[row[10]] if row[10] else None,
        generation=row[11],
    )
    return Known(alias, shape)


def owner(connection: Connection, index: str) -> Known | None:
    """The alias that keeps an index, live or as its shadow; None when no alias does."""
    if not installed(connection):
        return None
    row = connection.execute(statement("alias", "owner"), {"index": index}).fetchone()
    return load(connection, row[0]) if row else None


def declare(connection: Connection, alias: str, index: Declaration) -> None:
    """Write down what an index is; the same name again is left as it is."""
    facts: Mapping[str, Any] = {
        "name": index.name,
        "alias": alias,
        "space": Jsonb(index.space.as_json()) if index.space else None,
        "encoder": index.encoder,
        "text": index.text,
        "width": index.width,
        "metric": index.metric,
        "form": index.form,
        "adopted": index.adopted,
        "shares": index.shares,
    }
    connection.execute(statement("alias", "declare"), facts)


def occupant(connection: Connection, site: str) -> str | None:
    """The alias that serves the vectors of a site under whatever name; None when none does."""
    if not installed(connection):
        return None
    row = connection.execute(statement("alias", "occupant"), {"site": site}).fetchone()
    return str(row[0]) if row else None


def _declaration(row: list[Any]) -> Declaration:
    name, space, encoder, text, width, metric, form, adopted, shares = row
    return Declaration(
        name=name,
        space=Space.from_json(space) if space else None,
        encoder=encoder,
        text=text,
        width=width,
        metric=metric,
        form=form,
        adopted=adopted,
        shares=shares,
    )
