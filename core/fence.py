"""The fence dimension: the one place that knows how a vector is made too wide for the space it must not be mixed with.

A target whose own dimension is that of the live index is stored with one more, always zero. No cosine, inner product or
distance changes, and whoever brings a vector of the other space gets the database's error about dimensions.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from .errors import BadValue
from .ports import Encoder
from .space import Role, Space, Vectors


def fence(native: int, *, occupied: int, limit: int | None) -> int:
    """Stored width of a target of ``native`` dimensions beside a live index that is ``occupied`` wide.

    ``native`` wherever the two already differ; one more where they do not, unless the index type takes no more than
    ``limit`` dimensions: then ``native``, and there is no such wall. ``limit`` is None where no limit is met.
    """
    if native != occupied or (limit is not None and native + 1 > limit):
        return native
    return native + 1


@dataclass(frozen=True, slots=True)
class Fenced:
    """An Encoder whose vectors are padded with zeros to the stored ``width`` of one index."""

    encoder: Encoder
    width: int

    def __post_init__(self) -> None:
        native = self.encoder.space.dimension
        if self.width < native:
            raise BadValue("width", self.width, why=f"{self.encoder.name} makes {native} dimensions, which do not fit")

    @property
    def name(self) -> str:
        """ENC of the encoder inside."""
        return self.encoder.name

    @property
    def space(self) -> Space:
        """The Space of the encoder inside: zeros change no comparison."""
        return self.encoder.space

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """One row for each text, ``width`` wide, zeros in the fence. EncoderFailed when the model breaks."""
        vectors = self.encoder.encode(texts, role)
        extra = self.width - vectors.width
        if not extra:
            return vectors
        matrix = vectors.of(self.space, where=f"the fence of {self.name}")
        return Vectors(vectors.space, np.pad(matrix, ((0, 0), (0, extra))))

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """As the encoder inside counts them."""
        return self.encoder.tokens(texts)
