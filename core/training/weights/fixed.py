"""Bases whose weights nobody can tune here: behind an endpoint, exported to ONNX, or themselves an adapter over such a one.

They encode, and that is enough for the adapter rungs: a matrix needs vectors alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.encoders import directory_of, is_remote
from transvase.core.encoders import load as load_encoder
from transvase.core.encoders.adapter_directory import is_adapter
from transvase.core.encoders.onnx import is_export
from transvase.core.encoders.remote import RemoteEncoder
from transvase.core.space import Role

from .learner import Learner, encode

_BLOCK: Final = 256
"""Texts between two reports of progress."""


def is_fixed(base: str) -> bool:
    """Whether ENC names such a base. UnknownName when it names nothing."""
    if is_remote(base):
        return True
    directory = directory_of(base)
    return is_adapter(directory) or is_export(directory)


@dataclass(frozen=True, slots=True, eq=False)
class Fixed(Learner):
    """Stands where a learner stands; ``model`` is the encoder, and there are no weights."""

    @property
    def prompts(self) -> dict[Role, str]:
        """What the encoder puts before its texts."""
        return {Role.QUERY: self.model.space.query_prompt, Role.DOCUMENT: self.model.space.document_prompt}

    @property
    def router(self) -> bool:
        """Nothing is known of its modules."""
        return False

    def weights(self) -> dict[str, Any]:
        """None."""
        return {}

    def restore(self, weights: Mapping[str, Any]) -> None:
        """Nothing to put back."""

    def digest(self) -> str:
        """The Space's id: whatever changes a vector changes it."""
        return str(self.model.space.id)


def load_fixed(base: str) -> Fixed:
    """The base as it encodes; errors as ``encoders.load`` raises them."""
    encoder = load_encoder(base)
    return Fixed(encoder, base, encoder.space.max_length)


def encoded(
    learner: Learner,
    texts: Sequence[str],
    role: Role,
    *,
    length: int | None = None,
    passed: Callable[[int], None] = lambda _: None,
) -> NDArray[np.float32]:
    """Rows for the texts, with the weights of this moment where there are any; ``length`` (None: serving length) is for those."""
    if not isinstance(learner, Fixed):
        return encode(learner, texts, role, length=length or learner.serving_length, passed=passed)
    blocks = [np.empty((0, learner.model.space.dimension), dtype=np.float32)]
    for start in range(0, len(texts), _BLOCK):
        block = list(texts[start : start + _BLOCK])
        blocks.append(learner.model.encode(block, role).matrix)
        passed(start + len(block))
    return np.concatenate(blocks)


def arriving(learner: Fixed, texts: Sequence[str], role: Role) -> Iterator[tuple[Sequence[str], NDArray[np.float32]]]:
    """Texts and their rows in parts as they come, in any order; an error only after everything that was answered."""
    if isinstance(learner.model, RemoteEncoder):
        for start, rows in learner.model.arriving(texts, role):
            yield texts[start : start + len(rows)], rows
    else:
        yield texts, learner.model.encode(texts, role).matrix
