"""The collapse alarm: a model that maps everything to nearly one direction may still rank a validation set, and nothing else.

Two figures of a sample of document vectors, before and after: the mean cosine of two of them, and the effective rank (the
exponential of the entropy of their squared singular values, Roy and Vetterli 2007): in how many directions they spread.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.evaluation.ranking import unit

SAMPLE: Final = 1000
"""Vectors looked at: the first of those given."""

_NEARER: Final = 0.1
"""Alarm when what the mean cosine lacks of 1 has shrunk to this share of what it lacked …"""

_FLATTER: Final = 0.25
"""… or the effective rank to this share of what it was."""


@dataclass(frozen=True, slots=True)
class Spread:
    """How far apart vectors lie."""

    mean_cosine: float
    effective_rank: float


def spread(vectors: NDArray[np.float32]) -> Spread:
    """Both figures of at most ``SAMPLE`` rows; rows of length 0 or that are not finite count as one direction."""
    rows = unit(np.nan_to_num(vectors[:SAMPLE].astype(np.float32))).astype(np.float64)
    count = len(rows)
    if count < 2:
        return Spread(0.0, float(count))
    total = rows.sum(axis=0)
    mean_cosine = float((total @ total - (rows * rows).sum()) / (count * (count - 1)))
    energy = np.linalg.svd(rows, compute_uv=False) ** 2
    shares = energy[energy > 0] / energy.sum() if energy.sum() > 0 else np.ones(1)
    return Spread(mean_cosine, math.exp(float(-(shares * np.log(shares)).sum())))


def alarm(before: Spread, after: Spread) -> str:
    """Why the second must not be served, in words; empty where it has not collapsed."""
    if 1 - after.mean_cosine < _NEARER * (1 - before.mean_cosine):
        return f"collapsed: two documents have a mean cosine of {after.mean_cosine:.3f} (before {before.mean_cosine:.3f})"
    if after.effective_rank < _FLATTER * before.effective_rank:
        return f"collapsed: documents spread in {after.effective_rank:.0f} directions (before {before.effective_rank:.0f})"
    return ""
