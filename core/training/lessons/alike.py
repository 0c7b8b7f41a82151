"""Which answers a question might be mistaken to ask for: what is to stand beside its own in a batch.

The other answers of a batch are its negatives. Drawn at random nearly all of them are easy; those that share the question's
words are not, and finding them takes no model. Where negatives were mined, the model has said which answers it takes for right.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from .table import DOMAIN, Table

CANDIDATES: Final = 48
"""Answers looked up for a question, its own among them: others of them are taken already, or of its own family."""

AMONG: Final = 8192
"""Rows that are looked at together, drawn at random where there are more: the time for a row stays the same."""


def look_alikes(table: Table, *, seed: int) -> list[list[int]]:
    """For each row, answers of rows of its group, the likest first: those that were mined, else by its question's words (BM25).

    Replayed rows have none: their batches are their own.
    """
    from transvase.core.evaluation.lexical import Lexical

    if table.neighbours is not None:
        return [[int(number) for number in row if number >= 0] for row in table.neighbours]
    found: list[list[int]] = [[] for _ in range(len(table))]
    rows = np.random.default_rng(seed).permutation(np.flatnonzero(table.groups == DOMAIN))
    for part in np.array_split(rows, -(-len(rows) // AMONG)):
        answers = np.unique(table.rows[part, 1])
        best, _ = Lexical([table.documents[answer] for answer in answers]).nearest(
            [table.queries[query] for query in table.rows[part, 0]], k=min(CANDIDATES, len(answers))
        )
        for row, places in zip(part, best, strict=True):
            found[row] = answers[places[places >= 0]].tolist()
    return found
