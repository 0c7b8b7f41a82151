"""Runs an adapter directory: its base, whatever that is, and behind it one matrix product."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from ..errors import Unfit
from ..ports import Encoder
from ..space import FLOOR, Role, Side, Space, Vectors, cosines
from .adapter_directory import Adapter, read_adapter
from .derivation import moved
from .probes import PROBES

COUNT: Final = 8
"""Probe texts that are asked of an endpoint: few and short, for each is paid for."""


class AdaptedEncoder:
    """A base encoder and a matrix behind it, for queries alone or for both roles."""

    def __init__(self, base: Encoder, adapter: Adapter, *, name: str) -> None:
        self._base, self._adapter, self._name = base, adapter, name

    @property
    def name(self) -> str:
        """ENC as the operator gave it."""
        return self._name

    @property
    def space(self) -> Space:
        """The Space that the matrix leads to."""
        return self._adapter.space

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """Shape (len(texts), dimension). EncoderFailed when the base breaks."""
        rows = self._base.encode(texts, role).of(self._adapter.source, where=self._name)
        if role is Role.QUERY or self._adapter.side is Side.BOTH:
            rows = moved(rows, self._adapter.matrix)
        return Vectors(self.space, rows)

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """As the base counts them."""
        return self._base.tokens(texts)


def load_adapted(directory: Path, *, name: str, load: Callable[[str], Encoder]) -> AdaptedEncoder:
    """The encoder of an adapter directory; ``load`` loads its base.

    Unfit when a file is damaged, when the base is no longer the one that the adapter was made for, or when an endpoint
    gives other vectors for the probe texts than it gave then.
    """
    adapter = read_adapter(directory)
    base = load(adapter.base)
    if base.space != adapter.source:
        raise Unfit(
            f"{name} was made for space {adapter.source.id}, and its base {adapter.base} now speaks {base.space.id}",
            remedy="bring the old base back, or make the adapter anew",
        )
    if adapter.probed is not None:
        found = cosines(probe(base), Vectors(adapter.source, adapter.probed))
        if not (found >= FLOOR).all():
            raise Unfit(
                f"{adapter.base} no longer gives the vectors that {name} was made for (least cosine {found.min():.4f})",
                remedy="its provider has changed the model: audit what is stored, then make the adapter anew",
            )
    return AdaptedEncoder(base, adapter, name=name)


def probe(base: Encoder) -> Vectors:
    """What the base gives for the first probe texts, as documents: the witness of a model whose content cannot be seen."""
    return base.encode(PROBES[:COUNT], Role.DOCUMENT)
