"""The negatives of every row, mined with the weights of this moment, kept under the digest of those weights, and audited by id.

The cache's name is a digest of the weights, of what changes a vector beside them, and of the rows: negatives of other weights,
of another length or another prompt cannot be found under it.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.ports import Progress
from transvase.core.space import Role
from transvase.core.training.weights.shelf import Shelf

from .negatives import MARGIN, mine
from .sheet import Seen, write_sheet
from .table import Table

LEAST_OTHERS: Final = 128
"""Documents beside the answers that are mined from however little time there is."""

BY_WORDS: Final = 32
"""Candidates that BM25 brings to each query."""

_LABEL: Final = "mine negatives"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mining:
    """How negatives are to be mined."""

    count: int
    pool: int
    """Documents to mine from, the rows' own answers first; at least ``LEAST_OTHERS`` beside them."""
    seconds: float
    """Encoding of further documents stops after these."""
    lexical: bool
    seed: int


def mined_table(
    table: Table, shelf: Shelf, *, mining: Mining, known: Sequence[Sequence[int]], directory: Path, progress: Progress
) -> tuple[Table, int]:
    """The table with ``mining.count`` negatives a row and its nearest answers beside, and how many documents were mined from.

    ``known`` are each row's documents that were judged and found wrong: they come before all that is mined, and into what is
    mined from before all others. The cache and the sheet ``mined.tsv`` (ids and scores, no text) go into ``directory``.
    """
    kept = directory / f"mined-{_key(table, shelf, mining, known)}.npz"
    if kept.exists():
        with np.load(kept) as found:
            return table.with_negatives(found["rows"], neighbours=found["neighbours"]), int(found["pool"])
    asked, where = np.unique(table.rows[:, 0], return_inverse=True)
    pool, held = _pool(table, shelf, mining=mining, judged=known, progress=progress)
    place = {int(number): row for row, number in enumerate(pool)}
    queries = [table.queries[number] for number in asked]
    answers, vectors = _answers(table, asked, place), shelf.take(queries, Role.QUERY, progress=progress, label=_LABEL)
    mined = mine(
        vectors,
        held,
        positives=answers,
        avoid=[[place[document] for document in table.avoid[query] if document in place] for query in asked],
        count=mining.count,
        lexical=_by_words(queries, [table.documents[number] for number in pool]) if mining.lexical else None,
        seed=mining.seed,
    )
    rows = _known_first(pool[mined.rows][where], known)
    neighbours = np.where(mined.neighbours < 0, -1, pool[mined.neighbours])[where]
    seen = Seen(vectors[where], held, place=place, limits=mined.limits[where])
    write_sheet(directory / "mined.tsv", table, rows, seen=seen, known=known)
    partial = kept.with_suffix(".partial.npz")
    np.savez(partial, rows=rows, neighbours=neighbours, pool=len(pool))
    partial.rename(kept)
    return table.with_negatives(rows, neighbours=neighbours), len(pool)


def _key(table: Table, shelf: Shelf, mining: Mining, known: Sequence[Sequence[int]]) -> str:
    facts = hashlib.sha256(shelf.digest.encode())
    facts.update(repr((mining.count, mining.pool, mining.lexical, mining.seed, MARGIN, list(known))).encode())
    facts.update(table.rows[:, :2].tobytes())
    for texts in (table.queries, table.documents):
        facts.update("\0".join(texts).encode())
    facts.update(repr([sorted(numbers) for numbers in table.avoid]).encode())
    return facts.hexdigest()[:24]


def _pool(
    table: Table, shelf: Shelf, *, mining: Mining, judged: Sequence[Sequence[int]], progress: Progress
) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Numbers of documents and their vectors: all answers of the rows, then others while there is time.

    Of these first what was ``judged`` wrong and is taken for a negative, then the rest at random.
    """
    answers = np.unique(table.rows[:, 1])
    others = np.setdiff1d([number for number, text in enumerate(table.documents) if text.strip()], answers)
    others = np.random.default_rng(mining.seed).permutation(others)
    wrong = np.isin(others, [number for numbers in judged for number in numbers[: mining.count]])
    others = np.concatenate([others[wrong], others[~wrong]])[: max(LEAST_OTHERS, mining.pool - len(answers))]
    until = time.monotonic() + mining.seconds
    numbers = np.concatenate([answers, others]).astype(np.int64)
    first = [table.documents[number] for number in answers]
    held = shelf.take(first, Role.DOCUMENT, progress=progress, label=_LABEL)
    if len(others):
        rest = shelf.take(
            [table.documents[number] for number in others], Role.DOCUMENT, progress=progress, label=_LABEL, until=until
        )
        held = np.concatenate([held, rest])
    return numbers[: len(held)], held


def _answers(table: Table, asked: NDArray[np.int64], place: dict[int, int]) -> list[list[int]]:
    """Rows of the pool that answer each query, by its own rows of the table."""
    answers: dict[int, list[int]] = {int(query): [] for query in asked}
    for query, document in table.rows[:, :2]:
        answers[int(query)].append(place[int(document)])
    return [answers[int(query)] for query in asked]


def _by_words(queries: Sequence[str], documents: Sequence[str]) -> NDArray[np.intp]:
    from transvase.core.evaluation.lexical import Lexical

    return Lexical(documents).nearest(queries, k=min(BY_WORDS, len(documents)))[0]


def _known_first(rows: NDArray[np.int64], known: Sequence[Sequence[int]]) -> NDArray[np.int64]:
    """Negatives that somebody judged, then the hardest that were mined."""
    result = rows.copy()
    for row, judged in enumerate(known):
        if judged:
            rest = [number for number in rows[row] if number not in judged]
            result[row] = [*judged, *rest][: rows.shape[1]]
    return result
