"""Families of queries: those that ask the same thing, and so are no evidence apart from each other.

A declared family (``metadata.family``) is believed. Queries without one are joined where their normalised texts are equal
or near duplicates. Splits never divide a family, and intervals draw whole ones. How families are built where nothing is
declared yet stands in ``transvase.core.signal.kinship``.
"""

from __future__ import annotations

from collections.abc import Sequence

from transvase.core.likeness import joined, near_duplicates, tokens

from .judged import Query


def families(queries: Sequence[Query]) -> dict[str, str]:
    """Query id → family. Queries of one family are those that declare the same one, or are linked by their texts."""
    declared: dict[str, int] = {}
    links = [(declared.setdefault(query.family, row), row) for row, query in enumerate(queries) if query.family is not None]
    links += [
        (left, right)
        for left, right in near_duplicates([tokens(query.text) for query in queries])
        if queries[left].family is None or queries[right].family is None
    ]
    return {query.id: queries[root].id for query, root in zip(queries, joined(len(queries), links), strict=True)}


def names(queries: Sequence[Query]) -> tuple[str, ...]:
    """The family of each query, in their order."""
    family_of = families(queries)
    return tuple(family_of[query.id] for query in queries)
