"""Vectors of every text the demo has met, one set a Space: measured figures encode, the checks afterwards recall.

What is recalled was made by the encoder from the text alone and never saw the database, so it can judge what is stored there.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from transvase.core.ports import Encoder
from transvase.core.space import Role, Space, Vectors

Row = NDArray[np.float32]


class Remembering:
    """An Encoder that encodes every time it is asked, and keeps a copy of what came. Threads must take turns outside it."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        self._lock = threading.Lock()
        self._kept: dict[tuple[Role, str], Row] = {}

    @property
    def name(self) -> str:
        """ENC of the encoder behind it."""
        return self.encoder.name

    @property
    def space(self) -> Space:
        """Space of the encoder behind it."""
        return self.encoder.space

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """As the encoder behind it."""
        vectors = self.encoder.encode(texts, role)
        with self._lock:
            self._kept.update(((role, text), row) for text, row in zip(texts, vectors.matrix, strict=True))
        return vectors

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """As the encoder behind it."""
        return self.encoder.tokens(texts)

    def recall(self, texts: Sequence[str], role: Role) -> Vectors:
        """One row for each text, encoding only those never met."""
        missing = sorted({text for text in texts if (role, text) not in self._kept})
        if missing:
            self.encode(missing, role)
        rows = [self._kept[role, text] for text in texts]
        return Vectors(self.space, np.stack(rows) if rows else np.zeros((0, self.space.dimension), np.float32))


class Recalled:
    """An Encoder that answers from memory where it can: for the evaluation, whose figures do not depend on speed."""

    def __init__(self, memory: Remembering) -> None:
        self._memory = memory

    @property
    def name(self) -> str:
        """ENC of the encoder behind it."""
        return self._memory.name

    @property
    def space(self) -> Space:
        """Space of the encoder behind it."""
        return self._memory.space

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """The remembered vectors; what was never met is encoded now."""
        return self._memory.recall(texts, role)

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """As the encoder behind it."""
        return self._memory.tokens(texts)
