"""What a training run is told and what it returns: plain values, so that both can be written beside the model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from transvase.core.errors import BadValue
from transvase.core.evaluation.comparison import Comparison

_BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    "seed": (0, 2**32 - 1),
    "epochs": (1, 1000),
    "batch": (2, 65536),
    "rate": (1e-8, 1.0),
    "train_length": (8, 8192),
    "negatives": (0, 16),
    "evaluations": (1, 100),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """One run. The defaults suit short runs of small models on a CPU.

    Measured on command-line pages, NDCG@10 gained with equal tokens (90,000) over all-MiniLM-L6-v2: batch 32 at 1e-4
    +0.056, with one mined negative and half the pairs +0.054; batch 16 +0.035; batch 32 at 2e-4 +0.033.
    """

    data: Path
    base: str
    out: Path
    minutes: float | None = None
    """Wall-clock budget of the whole run; None: the epochs decide."""
    seed: int = 1
    epochs: int = 3
    batch: int = 32
    rate: float = 1e-4
    train_length: int = 64
    """Tokens read of each text while training; the model keeps its own length for serving."""
    negatives: int = 1
    """Mined hard negatives a pair."""
    evaluations: int = 3
    """Validations while training, evenly spaced, the last at its end."""

    def __post_init__(self) -> None:
        for name, (low, high) in _BOUNDS.items():
            if not low <= getattr(self, name) <= high:
                raise BadValue(name, getattr(self, name), why=f"choose a value from {low:g} to {high:g}")
        if self.minutes is not None and not 0 < self.minutes <= 60 * 24 * 30:
            raise BadValue("minutes", self.minutes, why="a budget is above 0 and at most a month")

    def as_json(self) -> dict[str, object]:
        """The settings with names in place of paths: a model travels, and its card must not tell where it was made."""
        return {**asdict(self), "data": self.data.resolve().name, "out": self.out.resolve().name, "base": base_name(self.base)}


def base_name(base: str) -> str:
    """A hub name or a builtin as it is, a directory by its last part."""
    return Path(base).resolve().name if Path(base).is_dir() else base


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """The state after ``step`` updates: mean training loss since the point before (None at the start) and validation NDCG@10."""

    step: int
    loss: float | None
    ndcg: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A finished run. ``promote`` is False where no checkpoint beat the base; the directory then holds the base's weights."""

    out: Path
    space: str
    promote: bool
    note: str
    best_step: int
    comparison: Comparison
    """Kept checkpoint against base, on validation."""
    base_ndcg: float
    best_ndcg: float
    curve: tuple[CurvePoint, ...]
    facts: Mapping[str, object]
    """Counts and measured speeds of the run."""
    notes: tuple[str, ...]
    """What was changed or left out on the way, loudly."""
    seconds: float

    def as_json(self) -> dict[str, object]:
        """The form that ``train --json`` prints and ``training.json`` keeps."""
        return {
            "out": self.out.name,
            "space": self.space,
            "promote": self.promote,
            "note": self.note,
            "best_step": self.best_step,
            "validation": {"base": self.base_ndcg, "best": self.best_ndcg, "comparison": self.comparison.as_json()},
            "curve": [asdict(point) for point in self.curve],
            "facts": dict(self.facts),
            "notes": list(self.notes),
            "seconds": round(self.seconds, 1),
        }
