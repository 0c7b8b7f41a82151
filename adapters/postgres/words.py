"""The words of the texts beside their vectors: PostgreSQL's own text search, over a GIN index where the table has one.

Nothing is created for it. Where no index is found every text is taken apart for every search, by the configuration ``simple``.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from psycopg import sql
from transvase.core.hybrid import LEAST_SHARE, depth

from . import capture
from .connections import Connection
from .shape import Fragment, Shape, quoted, whole_rows
from .sql import statement

_log = logging.getLogger(__name__)

OFTEN: Final = 0.1
"""Share of the records that have a word beyond which it is not asked for, while there are others."""
MOST: Final = 5_000
"""Records that the words of a query may have together before a commoner word is left out: each is a row to be read."""
LIKELY: Final = 2
"""By how many times more records are ranked by how often the words occur than are kept."""

PARAMETERS: Final = ("text", "lexical")
KNOWN_S: Final = 60.0
"""How long a search goes on without an index that was made meanwhile."""

_CONFIGURED: Final = re.compile(r"to_tsvector\(('(?:[^']|'')+')::regconfig")
_NAME: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Words:
    """Where the words of a table are: ``held`` is the indexed expression or column, None where there is none."""

    table: int
    config: str
    """SQL of the text search configuration by which a query is taken apart."""
    held: str | None = None
    stored: bool = False
    """Whether ``held`` is a column, so that reading it takes no text apart."""
    owner: int = 0
    column: str = ""
    """Whose statistics tell how common the words are."""


def words_of(connection: Connection, shape: Shape) -> Words:
    """The index to use: of several, that over most of the columns that the alias' text is made of, then a stored column's."""
    table = capture.oid(connection, shape)
    found = connection.execute(statement("words", "indexes"), {"table": table}).fetchall()
    if not found:
        _log.info("%s has no GIN index over its words: every hybrid search takes every text apart", shape.table)
        return Words(table, "'simple'::regconfig")
    named = set(_NAME.findall(shape.text)) & set(shape.columns)
    held, stored, made, owner, column = max(
        found, key=lambda row: (len(named & set(_NAME.findall(f"{row[0]} {row[2]}"))), row[1])
    )
    config = _CONFIGURED.search(made or held)
    return Words(table, f"{config[1]}::regconfig" if config else "get_current_ts_config()", held, stored, owner, column)


@dataclass(frozen=True, slots=True)
class Aim:
    """The dense half: the relation that holds the vectors and ``s``, the vector in it, and the metric's operator."""

    relation: Fragment
    vector: Fragment
    operator: Fragment


def values(hybrid: tuple[str, float] | None) -> dict[str, object]:
    """The parameters that a hybrid search has beside a dense one's; what PostgreSQL takes in no text separates words."""
    if hybrid is None:
        return {}
    text, lexical = hybrid
    return dict(zip(PARAMETERS, (text.replace("\0", " ").encode("utf-8", "replace").decode(), lexical), strict=True))


def asked(values: Mapping[str, object]) -> bool:
    """Whether the parameters are those of a hybrid search."""
    return PARAMETERS[0] in values


def composed(connection: Connection, shape: Shape, aim: Aim, *, k: int, columns: Fragment, where: Fragment) -> str:
    """The statement of a hybrid search. ``columns`` are the table's and ``where`` conditions on them, as ``s`` calls them."""
    words = words_of(connection, shape)
    deep = depth(k)
    parts: dict[str, Fragment] = {
        "ks": shape.ks(),
        "s_ks": shape.ks("s"),
        "p_ks": shape.ks("p"),
        "b_ks": shape.ks("b"),
        "b_match": shape.match("s", "b"),
        "l_match": shape.match("s", "l"),
        # The braces of a held expression are no places: it is no part of a template. Its percent signs are doubled as elsewhere.
        "rows": whole_rows(shape, words=None if words.held is None else sql.SQL(words.held.replace("%", "%%"))),
        "filter": where,
        "config": sql.SQL(words.config.replace("%", "%%")),  # from the catalog
        "depth": sql.SQL(str(deep)),
    }
    pairs = statement("words", "by_index" if words.held else "by_scan").format(**parts)
    worded = statement("words", "by_rank" if words.stored else "by_rarity").format(**parts)
    frequent = statement("words", "frequent" if words.held else "none_frequent")
    whole = statement("words", "hybrid").format(
        **parts,
        pairs=pairs,
        worded=worded,
        frequent=frequent.format(owner=sql.Literal(words.owner), column=quoted(words.column)),
        table=sql.Literal(words.table),
        often=sql.SQL(str(OFTEN)),
        most=sql.SQL(str(MOST)),
        likely=sql.SQL(str(deep * LIKELY if words.stored else deep)),
        least=sql.SQL(f"{LEAST_SHARE:.12f}"),
        k=sql.SQL(str(k)),
        columns=columns,
        relation=aim.relation,
        vector=aim.vector,
        operator=aim.operator,
        query=sql.SQL("%(query)s"),
        alias=quoted(shape.alias),
    )
    return whole.as_string(connection)
