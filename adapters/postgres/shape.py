"""What is known of an alias' table, and the SQL fragments that follow from it. Identifiers are composed here and nowhere else.

Inside our own tables the key columns are called k1, k2, …, so that no name of the user's can collide with ours; and the text
expression is only ever evaluated over the bare table (``rows``), never beside a second one whose columns it could catch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from psycopg import sql
from transvase.core.errors import BadValue
from transvase.core.ports import Declaration
from transvase.core.space import Vectors

from .keys import KINDS, Kind
from .sql import statement

CONTROL: Final = "transvase_control"
VIEWS: Final = "transvase"
OPERATOR: Final = {"cosine": "<=>", "ip": "<#>", "l2": "<->"}
NORM: Final = {"vector": "vector_norm", "halfvec": "l2_norm"}
OPCLASS: Final = {"cosine": "cosine_ops", "ip": "ip_ops", "l2": "l2_ops"}

Fragment = sql.Composable


def named(*parts: str) -> Fragment:
    """An identifier, its percent signs doubled: every statement that holds one is run with parameters (``run``)."""
    return sql.Identifier(*(part.replace("%", "%%") for part in parts))


def quoted(text: str) -> Fragment:
    """A literal for where PostgreSQL takes no parameter (a view, a function's body), its percent signs doubled."""
    return sql.Literal(text.replace("%", "%%"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One alias' table. ``number`` is the alias' own, and part of the names of everything made for it."""

    alias: str
    number: int
    schema: str
    table: str
    key: tuple[str, ...]
    types: tuple[str, ...]
    text: str
    vector: str
    """The table's own vector column; empty when it has been dropped."""
    watches: bool
    """Whether that column is an index that is kept, so that a change of a vector in it is captured like one of the text."""
    nullable: bool
    """Whether that column can be emptied where a row has no text any more."""
    captured: bool
    """Whether the alias has an outbox: from the first ``open`` on."""
    columns: tuple[str, ...]
    """All columns of the table except the vector, in the table's order."""

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """The kind of each key column."""
        return tuple(KINDS[name] for name in self.types)

    @property
    def source(self) -> Fragment:
        """The table, qualified."""
        return named(self.schema, self.table)

    @property
    def outbox(self) -> Fragment:
        """The alias' outbox."""
        return named(CONTROL, f"outbox_{self.number}")

    @property
    def view(self) -> Fragment:
        """The alias' view, for everybody's SQL."""
        return named(VIEWS, self.alias)

    def ks(self, of: str = "") -> Fragment:
        """``k1, k2`` or, of an alias, ``x.k1, x.k2``."""
        return sql.SQL(", ").join(self._k(of))

    def match(self, left: str, right: str) -> Fragment:
        """``left.k1 = right.k1 AND …``."""
        pairs = zip(self._k(left), self._k(right), strict=True)
        return sql.SQL(" AND ").join(sql.SQL("{} = {}").format(a, b) for a, b in pairs)

    def own(self, of: str = "") -> Fragment:
        """The key columns under the user's names: ``s."id"``."""
        return sql.SQL(", ").join(self._own(of))

    def match_own(self, source: str, ours: str) -> Fragment:
        """``source."id" = ours.k1 AND …``."""
        pairs = zip(self._own(source), self._k(ours), strict=True)
        return sql.SQL(" AND ").join(sql.SQL("{} = {}").format(a, b) for a, b in pairs)

    def naming(self) -> Fragment:
        """``"id" AS k1, …``."""
        pairs = zip(self._own(""), self._k(""), strict=True)
        return sql.SQL(", ").join(sql.SQL("{} AS {}").format(a, b) for a, b in pairs)

    def definitions(self) -> Fragment:
        """``k1 bigint NOT NULL, …``, for tables of ours."""
        return sql.SQL(", ").join(
            sql.SQL("{} {} NOT NULL").format(k, sql.SQL(kind.sql_type))  # from a fixed table
            for k, kind in zip(self._k(""), self.kinds, strict=True)
        )

    def expression(self) -> Fragment:
        """The text expression; the line break ends a comment that it might close with."""
        return sql.SQL("({}\n)::text").format(sql.SQL(self.text.replace("%", "%%")))  # the operator's own SQL

    def rows(self, *, where: Fragment | None = None, held: bool = False) -> Fragment:
        """``(SELECT key AS k1…, text AS body FROM table)``: what every comparison reads; with ``held`` the vector too."""
        condition = sql.SQL(" WHERE {}").format(where) if where is not None else sql.SQL("")
        vector = sql.SQL(", {} AS held").format(named(self.vector)) if held else sql.SQL("")
        return sql.SQL("(SELECT {}, {} AS body{} FROM {}{})").format(
            self.naming(), self.expression(), vector, self.source, condition
        )

    def written(self, relation: Fragment) -> Fragment:
        """The same over what a trigger was given, with the vector as ``held`` where that is watched.

        The relation goes under the table's name, so that a qualified column of the text expression still resolves.
        """
        held = named(self.vector) if self.watches else sql.SQL("NULL")
        return sql.SQL("(SELECT {}, {} AS body, {} AS held FROM {} AS {})").format(
            self.naming(), self.expression(), held, relation, named(self.table)
        )

    def either(self, left: str, right: str) -> Fragment:
        """``coalesce(left.k1, right.k1) AS k1, …``: the key of whichever side of a full join has the row."""
        pairs = zip(self._k(left), self._k(right), self._k(""), strict=True)
        return sql.SQL(", ").join(sql.SQL("coalesce({}, {}) AS {}").format(a, b, k) for a, b, k in pairs)

    def parameters(self) -> Fragment:
        """``%(k1)s, …`` with their types, for one key."""
        return self._typed("")

    def range(self, *, own: bool) -> Fragment:
        """``(key) >= (low…) AND (key) <= (high…)`` over the user's (``own``) or our names."""
        key = self.own() if own else self.ks()
        return sql.SQL("ROW({}) >= ROW({}) AND ROW({}) <= ROW({})").format(key, self._typed("low_"), key, self._typed("high_"))

    def after(self) -> Fragment:
        """``(key) > (k1…)``, over the user's names."""
        return sql.SQL("ROW({}) > ROW({})").format(self.own(), self.parameters())

    def unnested(self) -> Fragment:
        """``unnest(%(k1)s::bigint[], …) AS q(k1, …)``: many keys as one parameter each column."""
        arrays = sql.SQL(", ").join(
            sql.SQL("{}::{}[]").format(sql.Placeholder(f"k{i}"), sql.SQL(kind.sql_type)) for i, kind in enumerate(self.kinds, 1)
        )
        return sql.SQL("unnest({}) AS q({})").format(arrays, self.ks())

    def _typed(self, prefix: str) -> Fragment:
        return sql.SQL(", ").join(
            sql.SQL("{}::{}").format(sql.Placeholder(f"{prefix}k{i}"), sql.SQL(kind.sql_type))
            for i, kind in enumerate(self.kinds, 1)
        )

    def _k(self, of: str) -> list[Fragment]:
        return [named(of, f"k{i}") if of else named(f"k{i}") for i in range(1, len(self.key) + 1)]

    def _own(self, of: str) -> list[Fragment]:
        return [named(of, name) if of else named(name) for name in self.key]


def fitting(vectors: Vectors, index: Declaration) -> NDArray[np.float32]:
    """The bare matrix for an index: SpaceMismatch for another Space, BadValue for another width."""
    matrix = vectors.of(index.space, where=index.name)
    if matrix.shape[1] != index.width:
        raise BadValue("vectors", matrix.shape, why=f"{index.name} holds vectors of {index.width} dimensions")
    return matrix


def digest(of: str) -> Fragment:
    """SHA-256 of a text in UTF-8: the same 32 bytes as ``transvase.core.record.digest_of``."""
    return sql.SQL("sha256(convert_to({}, 'UTF8'))").format(named(*of.split(".")))


def place_of(shape: Shape, index: Declaration) -> tuple[Fragment, Fragment]:
    """The relation and the column in which an index keeps its vectors."""
    if index.adopted:
        return shape.source, named(shape.vector)
    return named(CONTROL, index.site), named("embedding")


def whole_rows(shape: Shape, *, held: Fragment | None = None, words: Fragment | None = None) -> Fragment:
    """Whole rows of the table as ``s``, the columns under names that cannot collide: c1, c2, …, k1, …, body, held, words."""
    columns = sql.SQL(", ").join(
        sql.SQL("{} AS {}").format(named(name), named(f"c{i}")) for i, name in enumerate(shape.columns, 1)
    )
    nothing = sql.SQL("NULL")
    return sql.SQL("(SELECT {}, {}, {} AS body, {} AS held, {} AS words FROM {}) s").format(
        columns, shape.naming(), shape.expression(), held or nothing, words or nothing, shape.source
    )


def unnested_vectors(shape: Shape) -> Fragment:
    """Vectors with their keys and digests as one parameter a column: ``unnest(…) AS p(k1, …, embedding, digest)``."""
    arrays = sql.SQL(", ").join(
        sql.SQL("{}::{}[]").format(sql.Placeholder(f"k{i}"), sql.SQL(kind.sql_type)) for i, kind in enumerate(shape.kinds, 1)
    )
    return sql.SQL("unnest({}, {}, {}) AS p({}, embedding, digest)").format(
        arrays, sql.Placeholder("vectors", "b"), sql.Placeholder("digests", "b"), shape.ks()
    )


def columns_of(key_arrays: Sequence[tuple[object, ...]], width: int) -> dict[str, list[object]]:
    """Keys as one list a column, for ``Shape.unnested``."""
    return {f"k{i}": [key[i - 1] for key in key_arrays] for i in range(1, width + 1)}


def owed_or_nothing(shape: Shape) -> Fragment:
    """The outbox as a relation to join with; before anything is captured, one of the same columns without rows."""
    if shape.captured:
        return shape.outbox
    nulls = sql.SQL(", ").join(
        sql.SQL("NULL::{} AS {}").format(sql.SQL(kind.sql_type), named(f"k{i}"))  # fixed table
        for i, kind in enumerate(shape.kinds, 1)
    )
    return sql.SQL("{} AS nothing").format(statement("index", "nothing_owed").format(nulls=nulls))
