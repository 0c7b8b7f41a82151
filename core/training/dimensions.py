"""Matryoshka: what a model is worth at fewer dimensions, beside their bytes, and the cut models as Spaces of their own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.encoders import space_of
from transvase.core.errors import BadValue, TransvaseError
from transvase.core.outdir import complete_or_absent
from transvase.core.space import Role, Side

from .frozen.graft import cutting, graft_into
from .records.rundir import RunDirectory
from .settings import TrainSettings
from .weights.learner import encode
from .workshop import Workshop

_NOTE: Final = "cuts.json"


def check_dimensions(settings: TrainSettings, *, width: int) -> None:
    """BadValue unless every cut is smaller than the base's own width."""
    for dimension in settings.matryoshka:
        if dimension >= width:
            raise BadValue("matryoshka", dimension, why=f"the base has {width} dimensions; cuts are smaller")


def check_places(settings: TrainSettings, run: RunDirectory) -> None:
    """BadValue unless the directory of every cut is free; one that an earlier process of this run had finished is taken away."""
    noted = _noted(run)
    for dimension in settings.matryoshka:
        place = cut_directory(settings.out, dimension)
        if place.exists() and noted.get(place.name) is not None and noted.get(place.name) == _id(place):
            shutil.rmtree(place)
        if place.exists():
            raise BadValue("matryoshka", str(place), why="it exists already; remove it first")


def cut_directory(out: Path, dimension: int) -> Path:
    """Where a cut of the model in ``out`` lies."""
    return out.with_name(f"{out.name}-{dimension}")


def write_cuts(model: Path, out: Path, dimensions: Sequence[int], *, run: RunDirectory) -> None:
    """Write ``OUT-256`` and so on of the ``model`` that is to become ``out``: each a model and a Space of its own, unit length.

    All of them appear, or none. What a kill leaves before ``out`` itself has appeared is known by the run's note.
    """
    width = space_of(str(model)).dimension
    with ExitStack() as places:
        spaces: dict[str, str] = {}
        for dimension in sorted(dimensions, reverse=True):
            place = cut_directory(out, dimension)
            partial = places.enter_context(complete_or_absent(place))
            cut = graft_into(partial, str(model), matrix=cutting(width, dimension), side=Side.BOTH)
            spaces[place.name] = cut.id
        (run.stages / _NOTE).write_text(json.dumps(spaces), encoding="utf-8")


def _noted(run: RunDirectory) -> dict[str, str]:
    """Names and Spaces of the cuts that an earlier process of the run was about to put into their places."""
    try:
        return dict(json.loads((run.stages / _NOTE).read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def _id(place: Path) -> str | None:
    try:
        return space_of(str(place)).id
    except TransvaseError:
        return None


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
