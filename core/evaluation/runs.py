"""One ranking of the whole corpus for every judged query, by a model, by BM25, or by both: a run.

A hybrid's weight comes from the validation split, whose queries are ranked in the same pass over the corpus. Where there is
none (or too little of one), every query is fused as the others choose, so that no query has a say in its own figure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.ports import Encoder, Progress

from .fusion import LEAST, Choice, Hits, choose_weight, crossed, fuse
from .judged import Judged
from .lexical import Lexical
from .ranking import search

BM25: Final = "bm25"


def hybrid(name: str) -> str:
    """What the fusion of BM25 with this model is called."""
    return f"hybrid {name}"


@dataclass(frozen=True, slots=True, eq=False)
class Questions:
    """The judged queries and those that choose weights, asked together so that the corpus is encoded once."""

    data: Judged
    validation: Judged | None
    texts: tuple[str, ...]
    contents: tuple[str, ...]

    def dense(self, encoder: Encoder, *, k: int, progress: Progress, label: str) -> tuple[Hits, Hits]:
        """The ``k`` nearest documents by the encoder: for the judged queries, and for those of validation."""
        return self._parted(search(encoder, self.texts, self.contents, k=k, progress=progress, label=label))

    def lexical(self, index: Lexical, *, k: int) -> tuple[Hits, Hits]:
        """The ``k`` best documents by BM25, in the same two parts."""
        return self._parted(index.nearest(self.texts, k=k))

    def _parted(self, hits: Hits) -> tuple[Hits, Hits]:
        count = len(self.data.queries)
        return (hits[0][:count], hits[1][:count]), (hits[0][count:], hits[1][count:])


def questions(data: Judged, validation: Judged | None) -> Questions:
    """``validation`` is left out where it is the same split or has too few queries to choose anything."""
    if validation is not None and (validation.split == data.split or len(validation.queries) < LEAST):
        validation = None
    asked = (*data.queries, *(validation.queries if validation else ()))
    contents = tuple(document.content for document in data.documents)
    return Questions(data, validation, tuple(query.text for query in asked), contents)


def fused(asked: Questions, lexical: tuple[Hits, Hits], dense: tuple[Hits, Hits], *, k: int) -> tuple[NDArray[np.intp], Choice]:
    """Rows of the hybrid for the judged queries, and what was chosen, on what."""
    if asked.validation is None:
        return crossed(lexical[0], dense[0], data=asked.data, k=k)
    choice = choose_weight(lexical[1], dense[1], data=asked.validation)
    return fuse(lexical[0], dense[0], by=choice.fusion, k=k), choice


def named(data: Judged, rows: NDArray[np.intp], *, k: int) -> Sequence[Sequence[str]]:
    """The ids of the ``k`` first documents of each row, without what is no hit."""
    return [[data.documents[row].id for row in ranking if row >= 0] for ranking in rows[:, :k].tolist()]
