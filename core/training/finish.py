"""Writing what was kept: weights between base and tuned, or the base with a matrix behind it; always a whole model."""

from __future__ import annotations

import shutil
from pathlib import Path

from transvase.core.encoders import directory_of, is_remote

from .dimensions import by_dimension
from .frozen.adapting import SIDES, fitted_matrix
from .frozen.graft import graft_into
from .ladder import Standing
from .tuning.tune import trained_weights
from .weights.fixed import Fixed
from .weights.forgetting import between
from .weights.learner import save
from .workshop import Workshop


def write_model(shop: Workshop, kept: Standing, directory: Path) -> str:
    """Write the model into the empty ``directory`` in sentence-transformers layout; the id of its Space."""
    if kept.rung in SIDES:
        matrix = fitted_matrix(shop, kept)
        return graft_into(directory, shop.settings.base, matrix=matrix, side=SIDES[kept.rung]).id
    if isinstance(shop.learner, Fixed):
        return _same(shop, directory)
    weights = shop.weights if kept.rung is None else between(shop.weights, trained_weights(shop, kept.rung), alpha=kept.alpha)
    shop.learner.restore(weights)
    shop.facts |= by_dimension(shop)
    return save(shop.learner, directory)


def _same(shop: Workshop, directory: Path) -> str:
    """The base as it is; behind an endpoint there is nothing that could be written."""
    base = shop.settings.base
    if is_remote(base):
        shop.notes.append(f"nothing but these papers was written: the model stays behind its endpoint; go on with {base}")
    else:
        shutil.copytree(directory_of(base), directory, dirs_exist_ok=True)
    return shop.learner.digest()
