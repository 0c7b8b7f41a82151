"""Matryoshka: what a model is worth at fewer dimensions, beside their bytes, and the cut models as Spaces of their own."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transvase.core.errors import BadValue
from transvase.core.space import Role

from .frozen.graft import cut
from .settings import TrainSettings
from .weights.learner import encode
from .workshop import Workshop


def check_dimensions(settings: TrainSettings, *, width: int) -> None:
    """BadValue unless every cut is smaller than the base's own width and its directory is free."""
    for dimension in settings.matryoshka:
        if dimension >= width:
            raise BadValue("matryoshka", dimension, why=f"the base has {width} dimensions; cuts are smaller")
        if cut_directory(settings.out, dimension).exists():
            raise BadValue("matryoshka", str(cut_directory(settings.out, dimension)), why="it exists already; remove it first")


def cut_directory(out: Path, dimension: int) -> Path:
    """Where a cut of the model in ``out`` lies."""
    return out.with_name(f"{out.name}-{dimension}")


def write_cuts(out: Path, dimensions: Sequence[int]) -> None:
    """Write ``OUT-256`` and so on beside the finished model: each a model and a Space of its own, of unit length."""
    for dimension in sorted(dimensions, reverse=True):
        cut(str(out), cut_directory(out, dimension), dimension=dimension)


def by_dimension(shop: Workshop) -> dict[str, object]:
    """Validation NDCG@10 at each dimension that was trained for, against the bytes of a stored vector."""
    if not shop.settings.matryoshka:
        return {}
    length = shop.learner.serving_length
    asked = encode(shop.learner, shop.exam.queries, Role.QUERY, length=length)
    held = encode(shop.learner, shop.exam.documents, Role.DOCUMENT, length=length)

    def mean(width: int) -> float:
        def vectors(_: Sequence[str], role: Role) -> NDArray[np.float32]:
            return (asked if role is Role.QUERY else held)[:, :width]

        return float(shop.exam.mark(vectors).mean())

    widths = (asked.shape[1], *sorted(shop.settings.matryoshka, reverse=True))
    return {"dimensions": {str(width): {"ndcg": mean(width), "bytes": 4 * width} for width in widths}}
