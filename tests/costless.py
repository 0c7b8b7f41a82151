"""A real, deterministic encoder that costs nothing: it knows of a text only its hash, and finds only equal texts alike."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from threading import Lock

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from transvase.core.space import Role, Space, Vectors

NOISE = 1 << 20


class HashEncoder:
    """Fits the Encoder port. A vector is the sum of two windows of seeded noise that the text's hash chooses, normalised.

    Texts are cut at ``max_length`` words; both roles give the same vector, so that a text finds its own record first.
    """

    def __init__(self, name: str = "costless", *, dimension: int = 32, seed: int = 0, max_length: int = 256) -> None:
        self.name = name
        self.space = Space(
            weights=f"noise-{seed}",
            tokenizer="whitespace",
            modules="hash",
            pooling="none",
            query_prompt="",
            document_prompt="",
            normalised=True,
            max_length=max_length,
            dimension=dimension,
        )
        self.encoded = 0
        """How many texts it has been given so far."""
        noise = np.random.default_rng(seed).standard_normal(NOISE + dimension - 1, dtype=np.float32)
        self._windows: NDArray[np.float32] = sliding_window_view(noise, dimension)
        self._salt = seed.to_bytes(8, "little", signed=True)
        self._lock = Lock()

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """One row for each text; the role changes nothing."""
        with self._lock:
            self.encoded += len(texts)
        raw = b"".join(blake2b(self._cut(text).encode(), digest_size=8, salt=self._salt).digest() for text in texts)
        places = np.frombuffer(raw, dtype=np.uint32).reshape(len(texts), 2) % NOISE
        matrix = self._windows[places[:, 0]] + self._windows[places[:, 1]]
        matrix /= np.sqrt(np.einsum("ij,ij->i", matrix, matrix))[:, None]
        return Vectors(self.space, matrix)

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """Words of each text."""
        return [len(text.split()) for text in texts]

    def _cut(self, text: str) -> str:
        limit = self.space.max_length
        if len(text) < limit:  # fewer characters than words allowed
            return text
        words = text.split()
        return text if len(words) <= limit else " ".join(words[:limit])
