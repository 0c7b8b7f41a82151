"""When two texts are the same, or nearly so.

Near duplicates have token sets with a Jaccard similarity of at least ``NEAR``, found exactly by prefix filtering (Chaudhuri,
Ganti and Kaushik 2006). What is linked is joined by union-find.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from hashlib import blake2b
from typing import Final

NEAR: Final = 0.8
"""Jaccard similarity from which two texts count as one: one word changed in nine or more."""

_WORD: Final = re.compile(r"\w+")


def normal(text: str) -> str:
    """The text without what tells no difference: form of its characters, case, runs of white space, punctuation at its end."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).rstrip(" .?!…。？！") or text.strip()


def first_alike(texts: Iterable[str]) -> list[int]:
    """For each text the place of the first one in the same words (``normal``)."""
    first: dict[bytes, int] = {}
    return [first.setdefault(_digest(text), place) for place, text in enumerate(texts)]


def tokens(text: str) -> frozenset[str]:
    """The set of words of a text; of one without words, the text itself."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    return frozenset(_WORD.findall(folded)) or frozenset({folded.strip()})


def near_duplicates(sets: Sequence[frozenset[str]]) -> list[tuple[int, int]]:
    """Pairs of rows that are near duplicates: two such sets share a token among the rarest few of each."""
    frequency = Counter(token for row in sets for token in row)
    holders: defaultdict[str, list[int]] = defaultdict(list)
    first: dict[frozenset[str], int] = {}
    links: list[tuple[int, int]] = []
    for row, held in enumerate(sets):
        if held in first:  # equal sets are linked once, so that a thousand equal questions stay cheap
            links.append((first[held], row))
            continue
        first[held] = row
        rarest = sorted(held, key=lambda token: (frequency[token], token))[: len(held) - _least_shared(len(held)) + 1]
        candidates = {other for token in rarest for other in holders[token]}
        links.extend((other, row) for other in sorted(candidates) if _alike(sets[other], held))
        for token in rarest:
            holders[token].append(row)
    return links


def joined(size: int, links: Iterable[tuple[int, int]]) -> list[int]:
    """For each of ``size`` rows the least row that the links lead to from it, whatever the order of the links."""
    parents = list(range(size))
    for left, right in links:
        low, high = sorted((_root(parents, left), _root(parents, right)))
        parents[high] = low
    return [_root(parents, row) for row in range(size)]


def _digest(text: str) -> bytes:
    """Of a text's words: a whole corpus may be compared, and need not lie in memory twice."""
    return blake2b(normal(text).encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _least_shared(size: int) -> int:
    """Tokens that a set of this size must share with any near duplicate."""
    return -int(-NEAR * size // 1)


def _alike(left: frozenset[str], right: frozenset[str]) -> bool:
    if len(left) < NEAR * len(right) or len(right) < NEAR * len(left):
        return False
    both = len(left & right)
    return both >= NEAR * (len(left) + len(right) - both)


def _root(parents: list[int], row: int) -> int:
    while parents[row] != row:
        parents[row] = parents[parents[row]]
        row = parents[row]
    return row
