"""Spaces that follow from another one by a matrix, with encoders that cost nothing: an adapter, a cut, an adapter of queries.

The matrix is known to the test and to the encoder alike, so whatever a store holds can be compared with what encoding gives.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from transvase.core.encoders.derivation import Derivation
from transvase.core.ports import Encoder
from transvase.core.space import Role, Side, Space, Vectors


@dataclass(frozen=True)
class Linear:
    """Fits the Encoder port: the vectors of ``base`` times a matrix, unit length; on the query's side alone where told."""

    name: str
    base: Encoder
    matrix: NDArray[np.float32]
    side: Side = Side.BOTH

    @property
    def space(self) -> Space:
        digest = self.matrix.tobytes().hex()[:32]
        return self.base.space.adapted(digest, dimension=self.matrix.shape[1], side=self.side)

    @property
    def derivation(self) -> Derivation:
        """The way from the stored vectors of the base."""
        return Derivation(self.base.space.id, self.space, self.matrix)

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        made = self.base.encode(texts, role).matrix
        if self.side is Side.QUERY and role is Role.DOCUMENT:
            return Vectors(self.space, made)
        product = made @ self.matrix
        return Vectors(self.space, (product / np.linalg.norm(product, axis=1, keepdims=True)).astype(np.float32))

    def tokens(self, texts: Sequence[str]) -> list[int]:
        return self.base.tokens(texts)

    def wrong(self) -> Derivation:
        """A way that leads somewhere else: what a damaged file would give."""
        return replace(self.derivation, matrix=np.roll(self.matrix, 1, axis=0))


def adapter(name: str, base: Encoder, *, seed: int = 7, to: int | None = None, side: Side = Side.BOTH) -> Linear:
    """A matrix near the identity, as training makes them; ``to`` fewer dimensions where asked for."""
    dimension = base.space.dimension
    noise = np.random.default_rng(seed).standard_normal((dimension, dimension), dtype=np.float32)
    matrix = np.eye(dimension, dtype=np.float32) + 0.1 * noise
    return Linear(name, base, np.ascontiguousarray(matrix[:, : to or dimension]), side)


def cut(name: str, base: Encoder, dimension: int) -> Linear:
    """The first dimensions alone: a Matryoshka cut."""
    return Linear(name, base, np.ascontiguousarray(np.eye(base.space.dimension, dtype=np.float32)[:, :dimension]))
