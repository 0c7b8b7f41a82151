"""How the stored vectors of one Space become those of another without texts and without a model: by a matrix product.

Holds for linear adapters on both sides and for Matryoshka cuts. Normalisation only scales a row, so a chain of such steps
is one step with the product of their matrices: normalise(normalise(xA)·B) = normalise(x·AB).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import SpaceMismatch
from ..space import Side, Space, Vectors
from .adapter_directory import adapted, is_adapter, read_adapter
from .matrix_file import read_matrix
from .model_directory import read_modules, space_of_modules
from .onnx import is_export
from .places import directory_of, is_remote
from .tail import tail_of


@dataclass(frozen=True, slots=True, eq=False)
class Derivation:
    """The way from the document vectors of one Space to those of another."""

    source: str
    """The id of the Space whose vectors are taken."""
    target: Space
    matrix: NDArray[np.float32]
    """(source dimension, target dimension)."""

    def of(self, vectors: Vectors) -> Vectors:
        """Their rows in the target Space, in order, unit length; a zero row stays zero. A fence is left behind.

        SpaceMismatch when they are not of the source, nor of a Space that shares its documents.
        """
        if self.source not in (vectors.space.id, vectors.space.documents):
            raise SpaceMismatch(expected=self.source, found=vectors.space.id, where="the derivation")
        return Vectors(self.target, moved(vectors.matrix[:, : self.matrix.shape[0]], self.matrix))


@dataclass(frozen=True, slots=True, eq=False)
class Step:
    """One adapter: what its base is, and where it leads."""

    base: Space
    space: Space
    side: Side
    matrix: NDArray[np.float32]


def derivation_of(enc: str, *, source: str | None = None) -> Derivation | None:
    """How the document vectors of ``enc`` come from those of another Space, read from the files; None where they do not.

    ``source``: None for the Space that ``enc`` is derived from (``derived_from``), or the id of any Space further back that
    its documents come from (give ``Space.documents`` of what is stored). None is given back for a Space whose documents are
    those of another one as they stand: nothing is to be computed there. UnknownName, Unfit and BadValue as for ``space_of``.
    """
    matrix: NDArray[np.float32] | None = None
    target: Space | None = None
    for step in steps(enc):
        target = target or step.space
        if step.side is Side.BOTH:
            matrix = step.matrix if matrix is None else step.matrix @ matrix
        elif source is None:
            return None
        found = source in {step.base.id, step.base.documents}
        if matrix is not None and (source is None or found):
            return Derivation(source or step.base.id, target, matrix)
    return None


def steps(enc: str) -> Iterator[Step]:
    """The adapters of ``enc``, the outermost first; none for a model that stands for itself."""
    if is_remote(enc):
        return
    directory = directory_of(enc)
    if is_adapter(directory):
        adapter = read_adapter(directory)
        yield Step(adapter.source, adapter.space, adapter.side, adapter.matrix)
        yield from steps(adapter.base)
    elif not is_export(directory):
        yield from _grafted(directory)


def moved(rows: NDArray[np.float32], matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    """Rows (n, inputs) times the matrix, each scaled to unit length, (n, outputs) float32; a zero row stays zero."""
    product = rows @ matrix
    length = np.linalg.norm(product, axis=1, keepdims=True)
    return np.asarray(product / np.where(length > 0, length, 1), dtype=np.float32)


def _grafted(directory: Path) -> list[Step]:
    modules, tails = read_modules(directory), []
    while tail := tail_of(modules):
        tails.append(tail)
        modules = modules[: tail.kept]
    if not tails:
        return []
    found, base = [], space_of_modules(directory, modules)
    for tail in reversed(tails):
        matrix = read_matrix(tail.weight)
        space = adapted(base, matrix, side=tail.side)
        found.append(Step(base, space, tail.side, matrix))
        base = space
    return found[::-1]
