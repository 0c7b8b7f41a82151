"""Parts of a set of queries that are worth a figure of their own: how long they are, and what their metadata says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from .judged import Query

LEAST: Final = 20
"""Queries below which a slice's mean says nothing."""

MOST: Final = 12
"""Values beyond which a metadata field is an identifier rather than a class."""

_LENGTHS: Final = (("1–3 words", 1, 3), ("4–8 words", 4, 8), ("9 words and more", 9, 10**9))


def slices(queries: Sequence[Query]) -> dict[str, list[int]]:
    """Name → rows of the queries in it. A slice that holds all queries, or fewer than ``LEAST``, is left out."""
    found = {f"length: {name}": _of_length(queries, low, high) for name, low, high in _LENGTHS}
    for field in sorted({field for query in queries for field in query.metadata} - {"family"}):
        values = [query.metadata.get(field) for query in queries]
        for value in _classes(values):
            found[f"{field}: {value}"] = [row for row, own in enumerate(values) if _is_class(own) and str(own) == value]
    return {name: rows for name, rows in found.items() if LEAST <= len(rows) < len(queries)}


def _of_length(queries: Sequence[Query], low: int, high: int) -> list[int]:
    return [row for row, query in enumerate(queries) if low <= len(query.text.split()) <= high]


def _classes(values: Sequence[object]) -> list[str]:
    counts = Counter(str(value) for value in values if _is_class(value))
    return sorted(counts) if len(counts) <= MOST else []


def _is_class(value: object) -> bool:
    return isinstance(value, str | bool | int)
