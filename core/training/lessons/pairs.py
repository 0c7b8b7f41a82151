"""From graded judgments to training pairs: a query, one document that answers it, and how much the pair counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from transvase.core.evaluation.judged import Judged

ASKED: Final = 4
"""The most questions of one answer in a batch: one answer with thousands of questions must not fill it."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One positive example. The ids stay with it, so that no other answer of the query is ever taken for a negative."""

    query: str
    document: str
    anchor: str
    positive: str
    weight: float = 1.0
    """What the pair counts in the loss, beside others: its grade over the highest grade, times its weight in the files."""


def answers_read(pairs: Sequence[Pair]) -> int:
    """Answers that are read in one pass over the pairs: an answer is read once for up to ``ASKED`` of its questions."""
    return sum(-(-asked // ASKED) for asked in Counter(pair.document for pair in pairs).values())


def pairs_of(judged: Judged, weights: Mapping[tuple[str, str], float] | None = None) -> tuple[Pair, ...]:
    """One pair for each answer of each query, in the order of the files; a document without text is left out.

    ``weights``: query id and document id → weight, 1 where none is given; a pair of weight 0 or below is left out.
    """
    contents = {document.id: document.content for document in judged.documents}
    given = weights or {}
    highest = max((grade for grades in judged.grades.values() for grade in grades.values()), default=1.0)
    return tuple(
        Pair(query.id, document, query.text, contents[document], grade / highest * given.get((query.id, document), 1.0))
        for query in judged.queries
        for document, grade in judged.grades[query.id].items()
        if grade > 0 and contents[document].strip() and given.get((query.id, document), 1.0) > 0
    )
