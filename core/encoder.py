"""What the core asks of a model: texts in, vectors of exactly one Space out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from .space import Role, Space, Vectors


class Encoder(Protocol):
    """A deterministic function from texts to Vectors of exactly one Space."""

    @property
    def name(self) -> str:
        """What the operator called it (ENC): a directory, ``builtin:minilm``, a URL."""
        ...

    @property
    def space(self) -> Space:
        """The one Space of everything it returns."""
        ...

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """One row for each text, in order, exactly ``space.dimension`` wide. EncoderFailed when the model breaks."""
        ...

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has before it is cut at ``space.max_length``."""
        ...
