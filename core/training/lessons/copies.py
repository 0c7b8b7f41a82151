"""Records in one and the same words: taught as one, whatever their ids.

A corpus that is served whole holds such copies, and who judged one of them said nothing against the others. A copy of an answer
that stood in a batch as a wrong one would teach the opposite of what was judged, and to a model it is the answer itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from transvase.core.evaluation.judged import Document
from transvase.core.likeness import first_alike

from .pairs import Pair


def first_copies(documents: Sequence[Document]) -> dict[str, str]:
    """Document id → id of the first document in the same words: case, spacing and punctuation at the end tell nothing apart."""
    places = first_alike(document.content for document in documents)
    return {document.id: documents[place].id for document, place in zip(documents, places, strict=True)}


def merged(pairs: Iterable[Pair], first: Mapping[str, str]) -> tuple[Pair, ...]:
    """The pairs with the first copy of each answer; of those that became one and the same, the one that counts most."""
    kept: dict[tuple[str, str], Pair] = {}
    for pair in pairs:
        moved = replace(pair, document=first[pair.document])
        there = kept.setdefault((moved.query, moved.document), moved)
        if moved.weight > there.weight:
            kept[moved.query, moved.document] = moved
    return tuple(kept.values())
