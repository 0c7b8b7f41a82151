"""Queries cut out of the corpus's own records, taught beside the pairs: the words of records that nobody has asked for yet.

Judged pairs reach the records that were asked for; the corpus that is served has others, and their names and codes are new to
the base. A crop is worth what it tells its record from the others: "| None = None" out of a program is true of a hundred of
them, and whoever learns it learns noise. Figures in docs/training.md.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

import numpy as np
from transvase.core.evaluation.judged import Document
from transvase.core.signal.synthetic.offline import made

from .alike import AMONG
from .lesson import Lesson

Crop = tuple[str, str]
"""A query, and the id of the record that it was cut out of."""

CLEAR: Final = 0.7
"""The most that another record may score by a crop's words (BM25), as a part of what its own record does."""


def crops_of(lesson: Lesson, *, count: int, seed: int) -> list[Crop]:
    """One crop each of up to ``count`` records that no pair asks for, drawn at random, where the crop's words tell them clearly.

    What one record yields depends on the seed and the record; whether it is clear, on the records that it is held against.
    """
    asked_for = {pair.document for pair in lesson.pairs}
    others = [document for document in lesson.documents if document.text.strip() and document.id not in asked_for]
    random.Random(seed).shuffle(others)  # noqa: S311  the draw has to be repeatable, not secret
    found: list[Crop] = []
    for start in range(0, len(others), AMONG):
        part = others[start : start + AMONG][: 2 * count]
        found += _clear(part, seed=seed)
        if len(found) >= count:
            break
    return found[:count]


def _clear(documents: Sequence[Document], *, seed: int) -> list[Crop]:
    """Of a crop of each record those that are found by BM25 among all these records, and well before any other."""
    from transvase.core.evaluation.lexical import Lexical

    hands = made(documents, styles=("crop",), per_record=1, seed=seed, in_turn=True)
    cut = [(text, row) for row, hand in enumerate(hands) for _, text in hand]
    if not cut:
        return []
    rows, scores = Lexical([document.content for document in documents]).nearest([text for text, _ in cut], k=2)
    second = scores[:, 1] if scores.shape[1] > 1 else np.zeros(len(cut))
    clear = (rows[:, 0] == np.array([row for _, row in cut])) & (second <= CLEAR * scores[:, 0])
    return [(text, documents[row].id) for (text, row), told in zip(cut, clear, strict=True) if told]
