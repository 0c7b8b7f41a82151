"""How often each document was shown for each query at each position, and how often it was clicked there."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from .log import Floats, Integers, Log


@dataclass(frozen=True, slots=True, eq=False)
class Counts:
    """One row for each query, document and position. ``pair`` numbers query and document together, from 0 to ``pairs`` - 1.

    ``query`` and ``document`` belong to pairs; ``shown`` and ``clicks`` to rows. ``position`` counts from 1 to ``deepest``.
    """

    query: Integers
    document: Integers
    pair: Integers
    position: Integers
    shown: Floats
    clicks: Floats

    @property
    def pairs(self) -> int:
        """How many pairs of a query and a document there are."""
        return len(self.query)

    @property
    def deepest(self) -> int:
        """The last position at which anything was shown."""
        return int(self.position.max())


def count(log: Log) -> Counts:
    """Count a log."""
    pair_key = log.query[log.of] * len(log.documents) + log.document
    keys, pair = np.unique(pair_key, return_inverse=True)
    deep = int(log.position.max()) + 1
    row_key, row = np.unique(pair * deep + log.position, return_inverse=True)
    return Counts(
        query=keys // len(log.documents),
        document=keys % len(log.documents),
        pair=row_key // deep,
        position=row_key % deep,
        shown=np.bincount(row).astype(np.float64),
        clicks=np.bincount(row, weights=log.clicked.astype(np.float64)).astype(np.float64),
    )
