"""Which answers a question might be mistaken to ask for, by words alone: what is to stand beside its own in a batch.

The other answers of a batch are its negatives. Drawn at random nearly all of them are easy; those that share the question's
words are not, and finding them takes no model.
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
    """For each row, answers of rows of its group that have the most of its question's words (BM25), the best first.

    Replayed rows have none: their batches are their own.
    """
    from transvase.core.evaluation.lexical import Lexical

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
