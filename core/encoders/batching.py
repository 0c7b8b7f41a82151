"""Puts texts of like length together, so that little is computed for padding, and gives the rows back in the caller's order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

BUDGET: Final = 4096
"""Padded tokens in one batch (longest text × texts) that a processor core's caches still like."""


def batches(lengths: Sequence[int], *, budget: int) -> Iterator[NDArray[np.intp]]:
    """Positions in batches, longest texts first (so that memory runs out at once or never).

    A batch holds as many texts as keep longest × count within ``budget``, and never less than one.
    """
    order = np.argsort(-np.asarray(lengths, dtype=np.int64), kind="stable")
    start = 0
    while start < len(order):
        count = max(1, budget // max(1, lengths[order[start]]))
        yield order[start : start + count]
        start += count


def in_batches(
    lengths: Sequence[int],
    run: Callable[[NDArray[np.intp]], NDArray[np.float32]],
    *,
    dimension: int,
    budget: int = BUDGET,
) -> NDArray[np.float32]:
    """Matrix (len(lengths), dimension): ``run`` is given positions and returns their rows; an empty list gives no rows."""
    matrix = np.empty((len(lengths), dimension), dtype=np.float32)
    for positions in batches(lengths, budget=budget):
        matrix[positions] = run(positions)
    return matrix
