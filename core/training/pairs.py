"""From graded judgments to training pairs: a query and one document that answers it."""

from __future__ import annotations

from dataclasses import dataclass

from transvase.core.evaluation.judged import Judged


@dataclass(frozen=True, slots=True)
class Pair:
    """One positive example. The ids stay with it, so that no other answer of the query is ever taken for a negative."""

    query: str
    document: str
    anchor: str
    positive: str


def pairs_of(judged: Judged) -> tuple[Pair, ...]:
    """One pair for each answer of each query, in the order of the files; a document without text is left out."""
    contents = {document.id: document.content for document in judged.documents}
    return tuple(
        Pair(query.id, document, query.text, contents[document])
        for query in judged.queries
        for document, grade in judged.grades[query.id].items()
        if grade > 0 and contents[document].strip()
    )
