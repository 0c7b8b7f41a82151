"""Vectors of one state of the weights, each text encoded once: for validation, adapters, mining and the bank alike."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.errors import EncoderFailed
from transvase.core.ports import Progress
from transvase.core.space import Role

from .fixed import Fixed, arriving, encoded
from .learner import Learner
from .paid import Paid

_BLOCK: Final = 256


class Shelf:
    """Rows by text and role, of the weights that the learner had when the shelf was made, at serving length or at a shorter one.

    A shelf is asked for texts that it does not have only while the learner still has those weights: it looks, so that vectors
    of two states of a model can never stand side by side.
    """

    def __init__(self, learner: Learner, *, length: int | None = None, paid: Paid | None = None) -> None:
        """``length``: tokens read of each text; None: as many as in serving. ``paid``: where a fixed base's rows are kept too."""
        self._learner, self._rows = learner, {role: dict[str, NDArray[np.float32]]() for role in Role}
        self._paid = paid
        self._length, self._weights = length, learner.digest()

    @property
    def digest(self) -> str:
        """Of the weights and of the length: what is kept under it was made by these and read so far."""
        return f"{self._weights}:{self._length or 'serving'}"

    def take(
        self, texts: Sequence[str], role: Role, *, progress: Progress, label: str, until: float = math.inf
    ) -> NDArray[np.float32]:
        """One row for each text, in order; missing ones are encoded first.

        After the moment ``until`` (of ``time.monotonic``) no further block is begun: then there are fewer rows than texts,
        those of the first ones. EncoderFailed when something is missing and the learner has other weights by now.
        """
        rows, missing = self._rows[role], self._missing(texts, role)
        if missing and self._learner.digest() != self._weights:
            raise EncoderFailed(self._learner.name, "its weights changed while vectors of the earlier ones were still needed")
        for start in range(0, len(missing), _BLOCK):
            if start and time.monotonic() > until:
                break
            block = missing[start : start + _BLOCK]
            self._encode(block, role)
            progress(label, min(len(missing), start + _BLOCK), len(missing))
        here = next((place for place, text in enumerate(texts) if text not in rows), len(texts))
        width = len(next(iter(rows.values()))) if rows else 0
        return np.stack([rows[text] for text in texts[:here]]) if here else np.empty((0, width), dtype=np.float32)

    def _missing(self, texts: Sequence[str], role: Role) -> list[str]:
        """The texts that lie neither here nor, from an earlier process, on the disk."""
        rows = self._rows[role]
        missing = [text for text in dict.fromkeys(texts) if text not in rows]
        if self._paid is None:
            return missing
        kept = {text: row for text in missing if (row := self._paid.get(text, role)) is not None}
        rows.update(kept)
        return [text for text in missing if text not in kept]

    def _encode(self, block: Sequence[str], role: Role) -> None:
        rows = self._rows[role]
        if self._paid is None or not isinstance(self._learner, Fixed):
            rows.update(zip(block, encoded(self._learner, block, role, length=self._length), strict=True))
            return
        for texts, matrix in arriving(self._learner, block, role):
            self._paid.add(texts, role, matrix)
            rows.update(zip(texts, matrix, strict=True))
