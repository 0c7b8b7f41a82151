"""Writing what was kept: weights between base and tuned, or the base with a matrix behind it; always a whole model."""

from __future__ import annotations

from pathlib import Path

from .adapting import SIDES, fitted_matrix
from .dimensions import by_dimension
from .forgetting import between
from .graft import graft_into
from .ladder import Standing
from .learner import save
from .tune import trained_weights
from .workshop import Workshop


def write_model(shop: Workshop, kept: Standing, directory: Path) -> str:
    """Write the model into the empty ``directory`` in sentence-transformers layout; the id of its Space."""
    if kept.rung in SIDES:
        matrix = fitted_matrix(shop, kept)
        return graft_into(directory, shop.settings.base, matrix=matrix, side=SIDES[kept.rung]).id
    weights = shop.weights if kept.rung is None else between(shop.weights, trained_weights(shop, kept.rung), alpha=kept.alpha)
    shop.learner.restore(weights)
    shop.facts |= by_dimension(shop)
    return save(shop.learner, directory)
