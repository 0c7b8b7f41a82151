"""A model as a base and the adapters behind it: the base becomes the graph, the matrices stay matrices beside it.

So an adapter's export costs nothing, a base and its adapters can share one graph, and the Space of the export is the one
that the matrices give it: derived from the base's in fp32, from the 8-bit base's with 8-bit weights.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from transvase.core.encoders.adapter_directory import WITHIN, write_adapter
from transvase.core.encoders.matrix_file import read_matrix
from transvase.core.encoders.model_directory import read_modules, space_of_modules
from transvase.core.encoders.tail import Tail, tail_of
from transvase.core.space import Space

_BASE: Final = "base"


@dataclass(frozen=True, slots=True)
class Layers:
    """A model taken apart: the Space of what stands before all adapters, and these, outermost first."""

    base: Space
    tails: tuple[Tail, ...]

    def base_of(self, model: Any) -> Any:
        """The loaded sentence-transformers model without its adapters; the model itself where it has none."""
        if not self.tails:
            return model
        from sentence_transformers import SentenceTransformer

        bare = SentenceTransformer(modules=list(model)[: self.tails[-1].kept], prompts=model.prompts, device=str(model.device))
        return bare.eval()

    def innermost(self, place: Path) -> Path:
        """Where the graph goes: a directory below ``place`` for each adapter, made here."""
        inner = place.joinpath(*[_BASE] * len(self.tails))
        inner.mkdir(parents=True, exist_ok=True)
        return inner

    def wrap(self, place: Path, spoken: Space) -> Space:
        """Write every adapter around a graph that speaks ``spoken``; the Space of the whole."""
        for depth in reversed(range(len(self.tails))):
            tail = self.tails[depth]
            spoken = write_adapter(
                place.joinpath(*[_BASE] * depth), WITHIN + _BASE, source=spoken, side=tail.side,
                matrix=read_matrix(tail.weight), probed=None,
            )  # fmt: skip
        return spoken


def taken_apart(source: Path) -> Layers:
    """The layers of the model directory ``source``; Unfit when it is damaged or not understood."""
    modules, tails = read_modules(source), list[Tail]()
    while tail := tail_of(modules):
        tails.append(tail)
        modules = modules[: tail.kept]
    return Layers(space_of_modules(source, modules), tuple(tails))
