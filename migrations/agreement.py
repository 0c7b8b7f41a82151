"""Whether an encoder made the vectors that are stored: a sample is encoded again and compared, row by row."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.errors import StoreFailed
from transvase.core.ports import Encoder, Index
from transvase.core.record import Key, Record
from transvase.core.space import FLOOR, Role, Vectors, cosines

from .bound import at_most
from .encoding import encode_each

SAMPLE: Final = 400
"""Rows compared unless the operator says otherwise: with nothing bad among them, at most 0.75 % of all rows are."""

_LENGTH_FLOOR: Final = 0.01
"""Relative difference of lengths that still counts as equal, under metrics for which the length counts (halfvec: 0.0005)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Agreement:
    """What the comparison showed. ``compared`` are the records whose vector has a direction; ``agrees[i]`` is of the i-th."""

    compared: tuple[Record, ...]
    agrees: NDArray[np.bool_]
    cosines: NDArray[np.float64]
    only_direction: int
    """How many point the right way and have another length, under a metric for which that matters."""
    absent: tuple[Key, ...]
    zero: tuple[Key, ...]
    refused: tuple[Key, ...]
    """Rows whose text the encoder cannot take: nothing is known of their vectors."""

    @property
    def share(self) -> float:
        """Of the compared rows, how many agree; 1 when there was nothing to compare."""
        return float(self.agrees.mean()) if len(self.agrees) else 1.0

    @property
    def foreign(self) -> tuple[Key, ...]:
        """Keys of the compared rows that do not agree."""
        return tuple(record.key for record, agrees in zip(self.compared, self.agrees, strict=True) if not agrees)

    @property
    def worst(self) -> float:
        """Lowest cosine; 1 when there was nothing to compare."""
        return float(self.cosines.min()) if len(self.cosines) else 1.0

    @property
    def bound(self) -> float:
        """At most this share of all rows disagrees, with 95 % confidence."""
        return at_most(int((~self.agrees).sum()), len(self.agrees))

    def without(self, keys: Collection[Key]) -> Agreement:
        """The same as if these rows had not been compared."""
        rows = np.array([i for i, record in enumerate(self.compared) if record.key not in keys], dtype=np.intp)
        compared = tuple(self.compared[i] for i in rows)
        return replace(self, compared=compared, agrees=self.agrees[rows], cosines=self.cosines[rows])


def compare(index: Index, records: Sequence[Record], encoder: Encoder, *, role: Role = Role.DOCUMENT) -> Agreement:
    """Encode the records' texts and compare with what ``index`` holds for their keys; ``encoder`` pads to its width."""
    keys, stored = index.vectors([record.key for record in records])
    if stored is None:
        raise StoreFailed(f"the vectors of {index.declaration.name} cannot be compared: nobody knows their space")
    by_key = {record.key: record for record in records}
    moving = np.flatnonzero(stored.matrix.any(axis=1))
    there = [by_key[keys[i]] for i in moving]
    encoded = encode_each(encoder, [record.text or "" for record in there], role)
    held, again = stored.take([int(moving[i]) for i in encoded.kept]), encoded.vectors
    likeness = cosines(held, again)
    aligned = likeness >= FLOOR
    sized = _sized(held, again) if index.declaration.metric != "cosine" else np.ones(len(held), dtype=np.bool_)
    return Agreement(
        compared=tuple(there[i] for i in encoded.kept),
        agrees=aligned & sized,
        cosines=likeness,
        only_direction=int((aligned & ~sized).sum()),
        absent=tuple(by_key.keys() - set(keys)),
        zero=tuple(set(keys) - {record.key for record in there}),
        refused=tuple(there[i].key for i in encoded.failed),
    )


def _sized(held: Vectors, again: Vectors) -> NDArray[np.bool_]:
    lengths = np.linalg.norm(again.matrix, axis=1)
    return np.asarray(np.abs(np.linalg.norm(held.matrix, axis=1) - lengths) <= _LENGTH_FLOOR * lengths, dtype=np.bool_)
