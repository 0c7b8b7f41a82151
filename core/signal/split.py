"""Families of queries, and splits that never divide one: what validation asks must not have been taught in other words.

A declared family (``metadata.family``) is believed. Queries without one are joined where their normalised texts are equal
or near duplicates: token sets with a Jaccard similarity of at least ``NEAR``, found exactly by prefix filtering
(Chaudhuri, Ganti and Kaushik 2006) and joined by union-find.
"""

from __future__ import annotations

import random
import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from transvase.core.errors import BadValue
from transvase.core.evaluation.judged import Query

NEAR: Final = 0.8
"""Jaccard similarity from which two queries count as one question: one word changed in nine or more."""

_WORD: Final = re.compile(r"\w+")


def families(queries: Sequence[Query]) -> dict[str, str]:
    """Query id → family. Queries of one family are those that declare the same one, or are linked by their texts."""
    parents = list(range(len(queries)))
    declared: dict[str, int] = {}
    for row, query in enumerate(queries):
        if query.family is not None:
            _join(parents, declared.setdefault(query.family, row), row)
    for left, right in _near_duplicates([_tokens(query.text) for query in queries]):
        if queries[left].family is None or queries[right].family is None:
            _join(parents, left, right)
    return {query.id: queries[_root(parents, row)].id for row, query in enumerate(queries)}


def divide(family_of: Mapping[str, str], *, share: float, seed: int) -> tuple[set[str], set[str]]:
    """Query ids for training and for validation: whole families at random until validation has ``share`` of the queries.

    BadValue when there are too few families for two sides.
    """
    members: defaultdict[str, list[str]] = defaultdict(list)
    for query, family in family_of.items():
        members[family].append(query)
    names = sorted(members)
    random.Random(seed).shuffle(names)  # noqa: S311  a split has to be repeatable, not secret
    wanted, held = share * len(family_of), set[str]()
    for name in names:
        if len(held) + len(members[name]) <= max(1.0, 1.5 * wanted) and len(held) < wanted:
            held.update(members[name])
    rest = set(family_of) - held
    if not held or not rest:
        raise BadValue(
            "train split",
            f"{len(family_of)} queries in {len(members)} families",
            why="too few to hold some out for validation; judge more queries, or write qrels/dev.tsv",
        )
    return rest, held


def shared(family_of: Mapping[str, str], first: Sequence[Query], second: Sequence[Query]) -> set[str]:
    """Ids of queries of ``first`` whose family also stands in ``second``: a leak from one split into the other."""
    taken = {family_of[query.id] for query in second}
    return {query.id for query in first if family_of[query.id] in taken}


def _tokens(text: str) -> frozenset[str]:
    normal = unicodedata.normalize("NFKC", text).casefold()
    return frozenset(_WORD.findall(normal)) or frozenset({normal.strip()})


def _near_duplicates(sets: Sequence[frozenset[str]]) -> list[tuple[int, int]]:
    """Pairs of rows that are near duplicates: two such sets share a token among the rarest few of each."""
    frequency = Counter(token for tokens in sets for token in tokens)
    holders: defaultdict[str, list[int]] = defaultdict(list)
    first: dict[frozenset[str], int] = {}
    links: list[tuple[int, int]] = []
    for row, tokens in enumerate(sets):
        if tokens in first:  # equal sets are linked once, so that a thousand equal questions stay cheap
            links.append((first[tokens], row))
            continue
        first[tokens] = row
        rarest = sorted(tokens, key=lambda token: (frequency[token], token))[: len(tokens) - _least_shared(len(tokens)) + 1]
        candidates = {other for token in rarest for other in holders[token]}
        links.extend((other, row) for other in candidates if _alike(sets[other], tokens))
        for token in rarest:
            holders[token].append(row)
    return links


def _least_shared(size: int) -> int:
    """Tokens that a set of this size must share with any near duplicate."""
    return -int(-NEAR * size // 1)


def _alike(left: frozenset[str], right: frozenset[str]) -> bool:
    both = len(left & right)
    return both >= NEAR * (len(left) + len(right) - both)


def _root(parents: list[int], row: int) -> int:
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = parents[row]
    return row


def _join(parents: list[int], left: int, right: int) -> None:
    parents[_root(parents, right)] = _root(parents, left)
