"""Exact nearest neighbours in blocks: the corpus passes by once and only the best k of each query are kept.

Memory holds the query vectors, one block of document vectors and one block of scores, whatever the corpus' size. After the
first blocks few documents reach a query's best k, so a comparison with the lowest of these is nearly all that is left to do
beside the matrix product (benchmarks/evaluation.py measures how much).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.errors import BadValue
from transvase.core.ports import Encoder, Progress
from transvase.core.space import Role, Vectors

BLOCK: Final = 1024
"""Documents encoded at a time: enough to sort by length, little enough to show progress."""

CELLS: Final = 1 << 19
"""Scores held at a time (2 MiB, as a processor's cache holds while comparing); queries are taken in blocks that fit."""

Matrix = NDArray[np.float32]


def rank(
    encoder: Encoder, queries: Sequence[str], documents: Sequence[str], *, k: int, progress: Progress, label: str = "rank"
) -> NDArray[np.intp]:
    """Rows of the ``k`` nearest documents (cosine, best first) for each query, shape (queries, min(k, documents)).

    Equal scores keep the order of the corpus. SpaceMismatch when an encoder answers in two Spaces.
    """
    return search(encoder, queries, documents, k=k, progress=progress, label=label)[0]


def search(
    encoder: Encoder, queries: Sequence[str], documents: Sequence[str], *, k: int, progress: Progress, label: str
) -> tuple[NDArray[np.intp], Matrix]:
    """As ``rank``, with the cosines beside the rows."""
    asked = np.concatenate([vectors.of(encoder.space, where=encoder.name) for vectors in _encoded(encoder, queries, Role.QUERY)])
    return nearest(asked, _passing(encoder, documents, progress=progress, label=label), k=k)


def nearest(queries: Matrix, blocks: Iterable[Matrix], *, k: int) -> tuple[NDArray[np.intp], Matrix]:
    """Rows and cosines of the ``k`` nearest, best first, over document blocks in their order; a zero vector scores 0.

    Shape (queries, min(k, documents)). BadValue for a ``k`` below 1.
    """
    if k < 1:
        raise BadValue("k", k, why="at least one document has to be asked for")
    asked = unit(queries)
    rows = np.full((len(asked), k), -1, dtype=np.intp)
    scores = np.full((len(asked), k), -np.inf, dtype=np.float32)
    seen = 0
    for block in blocks:
        facing = unit(block).T
        step = max(1, CELLS // max(1, len(block)))
        for at in range(0, len(asked), step):
            part = slice(at, at + step)
            _admit(rows[part], scores[part], asked[part] @ facing, first=seen)
        seen += len(block)
    return rows[:, :seen], scores[:, :seen]


def unit(matrix: Matrix) -> Matrix:
    """The rows at length 1; rows of length 0 stay as they are."""
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.asarray(matrix / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def _admit(rows: NDArray[np.intp], scores: Matrix, fresh: Matrix, *, first: int) -> None:
    """Take into each query's best, in place, what of a block of scores belongs there; ``first`` is the block's first row.

    Only what is above the lowest of the best so far is looked at: an equal later document would stand behind it anyway.
    """
    k, wide = rows.shape[1], fresh.shape[1]
    above = fresh > scores[:, -1:]
    cells = np.flatnonzero(above)
    if not len(cells):
        return
    counts = np.bincount(cells // wide, minlength=len(fresh))
    if len(crowded := np.flatnonzero(counts > 4 * k)):
        # early blocks: all but the block's own best k (and their equals) are dropped before anything is sorted
        full = fresh[crowded]
        above[crowded] &= full >= np.partition(full, -k, axis=1)[:, -k, None]
        cells = np.flatnonzero(above)
        counts = np.bincount(cells // wide, minlength=len(fresh))
    owners, columns = np.divmod(cells, wide)
    touched = np.flatnonzero(counts)
    places = np.arange(len(cells)) - np.repeat(np.cumsum(counts[touched]) - counts[touched], counts[touched])
    own = np.searchsorted(touched, owners)
    width = k + int(counts.max())
    merged = np.full((len(touched), width), -np.inf, dtype=np.float32)
    named = np.full((len(touched), width), -1, dtype=np.intp)
    merged[:, :k], named[:, :k] = scores[touched], rows[touched]
    merged[own, k + places], named[own, k + places] = fresh.ravel()[cells], columns + first
    order = np.argsort(-merged, axis=1, kind="stable")[:, :k]  # columns ascend by row among equals
    scores[touched], rows[touched] = np.take_along_axis(merged, order, axis=1), np.take_along_axis(named, order, axis=1)


def _passing(encoder: Encoder, documents: Sequence[str], *, progress: Progress, label: str) -> Iterator[Matrix]:
    progress(label, 0, len(documents))
    done = 0
    for vectors in _encoded(encoder, documents, Role.DOCUMENT):
        yield vectors.of(encoder.space, where=encoder.name)
        done += len(vectors)
        progress(label, done, len(documents))


def _encoded(encoder: Encoder, texts: Sequence[str], role: Role) -> Iterator[Vectors]:
    for start in range(0, len(texts), BLOCK):
        yield encoder.encode(texts[start : start + BLOCK], role)
