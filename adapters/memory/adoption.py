"""What must hold of a table in memory before its vector column may stand under an alias."""

from __future__ import annotations

from transvase.core.errors import BadValue, Unfit, UnknownName
from transvase.core.ports import Declaration, Proposal, Source
from transvase.core.space import Space
from transvase.core.template import reading

from .table import Table, VectorColumn


def inspected(table: Table, proposal: Proposal) -> Declaration:
    """The declaration of the column that is proposed; UnknownName, BadValue or Unfit for all that stands against it."""
    source = proposal.source
    if not proposal.alias.strip():
        raise BadValue("alias", proposal.alias, why="an alias needs a name")
    _key_identifies(table, source)
    reading(source.text, table.columns)
    column = _vector_column(table, source)
    if proposal.space is not None:
        _width_fits(column, proposal.space)
    return Declaration(
        name=f"{table.name}.{column.name}",
        space=proposal.space,
        encoder=proposal.encoder,
        text=source.text,
        width=column.width,
        metric=column.metric,
        form=column.form,
        adopted=True,
    )


def _key_identifies(table: Table, source: Source) -> None:
    for name in source.key:
        if name not in table.columns:
            raise UnknownName("column", name, hint=f"{table.name} has {', '.join(sorted(table.columns))}")
    if source.key != table.key:
        raise Unfit(
            f"({', '.join(source.key)}) does not identify the rows of {table.name}",
            remedy=f"name its key: {','.join(table.key)}",
        )


def _vector_column(table: Table, source: Source) -> VectorColumn:
    if source.vector in table.vectors:
        return table.vectors[source.vector]
    if source.vector in table.columns:
        raise Unfit(f"column {source.vector} of {table.name} does not hold vectors", remedy="name a vector column")
    raise UnknownName("column", source.vector, hint=f"the vector columns of {table.name} are {', '.join(sorted(table.vectors))}")


def _width_fits(column: VectorColumn, space: Space) -> None:
    if column.width not in (space.dimension, space.dimension + 1):  # one more is the fence of an earlier migration
        raise Unfit(
            f"column {column.name} holds vectors of {column.width} dimensions, and the encoder makes {space.dimension}",
            remedy="name the encoder that made them",
        )
