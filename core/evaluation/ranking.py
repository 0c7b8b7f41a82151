"""Exact nearest neighbours in blocks: the corpus passes by once and only the best k of each query are kept.

Memory holds the query vectors, one block of document vectors and one block of scores, whatever the corpus' size.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.ports import Encoder, Progress
from transvase.core.space import Role, Vectors

BLOCK: Final = 1024
"""Documents encoded at a time: enough to sort by length, little enough to show progress."""

Matrix = NDArray[np.float32]


def rank(
    encoder: Encoder, queries: Sequence[str], documents: Sequence[str], *, k: int, progress: Progress, label: str = "rank"
) -> NDArray[np.intp]:
    """Rows of the ``k`` nearest documents (cosine, best first) for each query, shape (queries, min(k, documents)).

    Equal scores keep the order of the corpus. SpaceMismatch when an encoder answers in two Spaces.
    """
    asked = np.concatenate([vectors.of(encoder.space, where=encoder.name) for vectors in _encoded(encoder, queries, Role.QUERY)])
    return nearest(asked, _passing(encoder, documents, progress=progress, label=label), k=k)[0]


def nearest(queries: Matrix, blocks: Iterable[Matrix], *, k: int) -> tuple[NDArray[np.intp], Matrix]:
    """Rows and cosines of the ``k`` nearest, best first, over document blocks in their order; a zero vector scores 0."""
    asked = unit(queries)
    rows = np.empty((len(asked), 0), dtype=np.intp)
    scores = np.empty((len(asked), 0), dtype=np.float32)
    start = 0
    for block in blocks:
        fresh = asked @ unit(block).T
        numbers = np.broadcast_to(np.arange(start, start + len(block)), fresh.shape)
        rows, scores = _best(np.hstack([rows, numbers]), np.hstack([scores, fresh]), k)
        start += len(block)
    return rows, scores


def unit(matrix: Matrix) -> Matrix:
    """The rows at length 1; rows of length 0 stay as they are."""
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.asarray(matrix / np.where(lengths > 0, lengths, 1), dtype=np.float32)


def _best(rows: NDArray[np.intp], scores: Matrix, k: int) -> tuple[NDArray[np.intp], Matrix]:
    """Columns ascend by row number within equal scores, so a stable sort keeps the corpus' order among ties."""
    if scores.shape[1] > 4 * k:  # a cut first: sorting a whole block would cost more than scoring it
        floor = np.partition(scores, -k, axis=1)[:, -k, None]
        width = int((scores >= floor).sum(axis=1).max())
        kept = np.sort(np.argsort(scores < floor, axis=1, kind="stable")[:, :width], axis=1)
        rows, scores = np.take_along_axis(rows, kept, axis=1), np.take_along_axis(scores, kept, axis=1)
    order = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(rows, order, axis=1), np.take_along_axis(scores, order, axis=1)


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
