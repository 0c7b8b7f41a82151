"""Queries cut out of the corpus's own records, taught beside the pairs: the words of records that nobody has asked for yet.

Judged pairs reach the records that were asked for; the corpus that is served has others, and their names and codes are new to
the base. Measured on command-line pages (8,000 pairs, families held apart, a reduced corpus): a crop of every record taught
along with the pairs raised NDCG@10 on held-out families from 0.691 to 0.700, and on general questions from 0.564 to 0.568
(docs/training.md).
"""

from __future__ import annotations

import random

from transvase.core.signal.synthetic.offline import made

from .lesson import Lesson

Crop = tuple[str, str]
"""A query, and the id of the record that it was cut out of."""


def crops_of(lesson: Lesson, *, count: int, seed: int) -> list[Crop]:
    """One crop each of ``count`` records drawn at random, of fewer where fewer have a sentence long enough.

    Records that the pairs ask for come first: those are read anyway. What one record yields depends on the seed and the record.
    """
    draw = random.Random(seed)  # noqa: S311  the draw has to be repeatable, not secret
    documents = [document for document in lesson.documents if document.text.strip()]
    asked_for = {pair.document for pair in lesson.pairs}
    if count < len(documents):
        draw.shuffle(documents)
        documents = sorted(documents, key=lambda document: document.id not in asked_for)[:count]
    found = made(documents, styles=("crop",), per_record=1, seed=seed, in_turn=True)
    return [(text, document.id) for document, pairs in zip(documents, found, strict=True) for _, text in pairs]
