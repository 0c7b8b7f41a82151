r"""Text expressions of stores without SQL: a column's bare name, or a template such as ``{title}\n{body}``.

As in SQL, a text that needs a missing value is missing itself: one None among the columns makes the whole text None. ``{title?}``
needs none: there a missing value is an empty text. A list is its elements with a space between them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from string import Formatter

from .errors import BadValue

Reading = Callable[[Mapping[str, object]], str | None]
"""Gives the text of a row, or None."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """A literal text, and the column that follows it; ``spared``: it may be missing."""

    literal: str
    column: str | None
    spared: bool = False


def reading(expression: str, columns: Collection[str]) -> Reading:
    """The function that reads ``expression`` from a row of these columns; BadValue where it is not valid."""
    if _bare(expression):
        return _column(_known(expression, expression, columns))
    return _template(expression, columns)


def _column(name: str) -> Reading:
    def read(row: Mapping[str, object]) -> str | None:
        value = row.get(name)
        return None if value is None else _worded(value)

    return read


def _worded(value: object) -> str:
    if isinstance(value, list | tuple):
        return " ".join(_worded(one) for one in value if one is not None)
    return str(value).lower() if isinstance(value, bool) else str(value)


def columns_of(expression: str, *, called: str = "column") -> list[str]:
    """The columns that ``expression`` reads, in its order; BadValue where it is no template, in the store's own word for them."""
    if _bare(expression):
        return [expression]
    return [piece.column for piece in _pieces(expression, called=called) if piece.column is not None]


def _bare(expression: str) -> bool:
    return "{" not in expression and "}" not in expression


def _pieces(expression: str, *, called: str = "column") -> list[_Piece]:
    try:
        parts = list(Formatter().parse(expression))
    except ValueError as error:
        raise BadValue("text expression", expression, why=f"it is not a valid template ({error})") from error
    if any(spec or conversion for _, _, spec, conversion in parts):
        raise BadValue("text expression", expression, why=f"a template takes bare {called} names only, without a format")
    if not any(field and field != "?" for _, field, _, _ in parts):
        raise BadValue("text expression", expression, why=f"it names no {called}, so every record would have the same text")
    return [
        _Piece(literal, None if field is None else field.removesuffix("?"), (field or "").endswith("?"))
        for literal, field, _, _ in parts
    ]


def _template(expression: str, columns: Collection[str]) -> Reading:
    pieces = _pieces(expression)
    for piece in pieces:
        if piece.column is not None:
            _known(expression, piece.column, columns)

    def read(row: Mapping[str, object]) -> str | None:
        text: list[str] = []
        for piece in pieces:
            text.append(piece.literal)
            if piece.column is not None:
                value = row.get(piece.column)
                if value is not None:
                    text.append(_worded(value))
                elif not piece.spared:
                    return None
        return "".join(text)

    return read


def _known(expression: str, name: str, columns: Collection[str]) -> str:
    if name not in columns:
        raise BadValue(
            "text expression", expression, why=f"there is no column {name!r}; the columns are {', '.join(sorted(columns))}"
        )
    return name
