"""What a training run is told and what it returns: plain values, so that both can be written beside the model."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

from transvase.core.errors import BadValue
from transvase.core.evaluation.comparison import Comparison

from .ladder import Rung

_BOUNDS: Final[Mapping[str, tuple[float, float]]] = {
    "seed": (0, 2**32 - 1),
    "epochs": (1, 1000),
    "batch": (2, 65536),
    "rate": (1e-8, 1.0),
    "freeze": (0, 0.95),
    "scale": (1, 200),
    "train_length": (8, 8192),
    "negatives": (0, 16),
    "evaluations": (1, 100),
    "patience": (1, 100),
    "replay_share": (0.01, 1.0),
    "crops": (0, 10),
    "lora": (0, 1024),
    "checkpoint_s": (0, 86400),
}
INSTALLED: Final = Path("installed")
"""In the place of a collection to replay: general pairs from the documentation of installed packages."""
AUTO: Final = Path("auto")
"""In its place too: those of installed documentation, where there is time for them."""
_DEVICE: Final = re.compile(r"cpu|cuda(:[0-9]{1,4})?")
LOSSES: Final = ("ranking", "cached", "triplet")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSettings:
    """One run. The defaults suit short runs of small models on a CPU; ``docs/training.md`` has what they were chosen by."""

    data: Path
    base: str
    out: Path
    minutes: float | None = None
    """Wall-clock budget of the whole run; None: the epochs decide."""
    seed: int = 1
    epochs: int = 3
    """Passes over the pairs in the first fine-tuning; the second, with mined negatives, has half as many (rounded up)."""
    batch: int | None = None
    """Answers in a batch, each with up to four of its questions and the others for negatives; None: 64 where that leaves 30
    updates, else 32.

    Measured on command-line pages with 8,000 pairs: 64 gained 0.022 over the plain script, 128 as much, 32 gained 0.016.
    """
    rate: float = 1e-4
    freeze: float = 0.5
    """Share of a transformer's layers, from below, that stay as they are, the word embeddings with them; 0: all are trained.

    Measured on command-line pages with all-MiniLM-L6-v2 and 2,000 pairs: half of them frozen took half the time, gained as
    much (NDCG@10 0.638 beside 0.635) and forgot less (guard 0.557 beside 0.543).
    """
    scale: float = 20.0
    """What cosines are multiplied by in the loss: one over the temperature."""
    train_length: int = 64
    """Tokens read of each text while training; the model keeps its own length for serving."""
    negatives: int = 1
    """Mined hard negatives a pair."""
    crops: float = 1.0
    """Queries cut out of records that no pair asks for, to each pair at most so many, one a record; 0: none."""
    evaluations: int = 3
    """Validations in one fine-tuning, evenly spaced, the last at its end."""
    patience: int = 2
    """Validations without a new best after which a fine-tuning ends early."""
    rungs: tuple[Rung, ...] = tuple(Rung)
    """What may be tried, cheapest first."""
    loss: str = "ranking"
    """``ranking``; ``cached`` for batches that do not fit into memory at once; ``triplet``."""
    guided: float | None = None
    """Leave out in-batch negatives that the base scores above the pair's own answer plus this margin; None: none."""
    guard: Path | None = None
    """A collection that must not get worse; None: passages from installed documentation."""
    replay: Path | None = AUTO
    """A collection whose train pairs are mixed in, in batches of their own; ``installed``: installed documentation; ``auto``:
    that, where all passes over the pairs fit into a third of the time beside it; None: nothing.

    Measured in three minutes each: 1,816 intents gained 0.089 with it and 0.042 without, 1,500 German messages 0.247 and 0.175,
    because without it the guard held only for weights nearer to the base.
    """
    replay_share: float = 0.2
    """Replayed pairs to each pair of the domain."""
    matryoshka: tuple[int, ...] = ()
    """Smaller dimensions to train for and to report on."""
    lora: int = 0
    """Rank of the low-rank update that is trained in place of all weights, merged when saved; 0: all weights."""
    teacher: Path | None = None
    """A cross-encoder's directory to learn the differences of scores from."""
    prompt_query: str | None = None
    prompt_document: str | None = None
    """Prompts to train with and to save; None: the base's own."""
    device: str | None = None
    """``cpu``, ``cuda``, ``cuda:1`` …; None: the card where there is one."""
    checkpoint_s: float = 120.0
    """Seconds between checkpoints of a run without a budget; 0: after every step."""

    def __post_init__(self) -> None:
        for name, (low, high) in _BOUNDS.items():
            value = getattr(self, name)
            if value is not None and not low <= value <= high:
                raise BadValue(name, value, why=f"choose a value from {low:g} to {high:g}")
        if self.minutes is not None and not 0 < self.minutes <= 60 * 24 * 30:
            raise BadValue("minutes", self.minutes, why="a budget is above 0 and at most a month")
        if not self.rungs:
            raise BadValue("rungs", "", why=f"name at least one of {', '.join(Rung)}")
        if self.loss not in LOSSES:
            raise BadValue("loss", self.loss, why=f"choose one of {', '.join(LOSSES)}")
        if self.guided is not None and not -1 <= self.guided <= 1:
            raise BadValue("guided", self.guided, why="a margin between cosines lies between -1 and 1")
        if any(dimension < 1 for dimension in self.matryoshka):
            raise BadValue("matryoshka", self.matryoshka, why="dimensions are above 0")
        check_device_name(self.device)
        self._agree()

    def _agree(self) -> None:
        """BadValue for settings that contradict each other: one of them would be passed over in silence."""
        if Rung.SECOND in self.rungs and Rung.TUNE not in self.rungs:
            raise BadValue("rungs", ",".join(self.rungs), why=f"{Rung.SECOND} mines with what {Rung.TUNE} made; name both")
        if self.loss == "triplet" and self.negatives != 1:
            raise BadValue("negatives", self.negatives, why="a triplet has exactly one")
        if self.loss == "triplet" and (self.teacher or self.guided is not None):
            named = "teacher" if self.teacher else "guided"
            raise BadValue(named, "triplet", why="a triplet has no other documents to weigh; take --loss ranking or cached")
        if self.teacher is not None and not self.negatives:
            raise BadValue("negatives", 0, why="a teacher weighs an answer against mined negatives; ask for at least one")

    def as_json(self) -> dict[str, object]:
        """The settings with names in place of paths: a model travels, and its card must not tell where it was made."""
        paths = {
            name: path.resolve().name for name in ("data", "out", "guard", "replay", "teacher") if (path := getattr(self, name))
        }
        return {**asdict(self), **paths, "base": base_name(self.base)}


def check_device_name(device: str | None) -> None:
    """BadValue for what names no device that anybody can train on; whether it is there is seen later."""
    if device is not None and not _DEVICE.fullmatch(device):
        raise BadValue("device", device, why="choose cpu, cuda or cuda:N")


def base_name(base: str) -> str:
    """A hub name or a builtin as it is, a directory by its last part."""
    return Path(base).resolve().name if Path(base).is_dir() else base


@dataclass(frozen=True, slots=True)
class CurvePoint:
    """A rung after ``step`` updates: mean training loss since the point before (None at the start), validation NDCG@10."""

    step: int
    loss: float | None
    ndcg: float
    seconds: float
    rung: str = Rung.TUNE.value


@dataclass(frozen=True, slots=True, kw_only=True)
class Trained:
    """A finished run. ``promote`` is False where nothing beat the base by more than one standard error on validation.

    Where nothing beat it at all (``rung`` is None) the directory holds the base's weights.
    """

    out: Path
    space: str
    promote: bool
    note: str
    rung: str | None
    """Where the run ended on the ladder; None: at the base."""
    migration: str
    """What moving to it takes: ``none``, ``cutover``, ``derive``, ``fill``."""
    alpha: float
    """How far from the base the kept weights lie: 1 as trained, 0 the base."""
    best_step: int
    comparison: Comparison
    """Kept checkpoint against base, on validation."""
    base_ndcg: float
    best_ndcg: float
    guard: Mapping[str, float] | None
    """NDCG@10 on the general guard, ``before`` and ``after``; None where there was no time for it."""
    rungs: tuple[Mapping[str, object], ...]
    """What each rung that was tried reached."""
    curve: tuple[CurvePoint, ...]
    facts: Mapping[str, object]
    """Counts and measured speeds of the run."""
    notes: tuple[str, ...]
    """What was changed or left out on the way, loudly."""
    run: str
    """Name of the run's directory in ``runs`` beside the model."""
    seconds: float

    def as_json(self) -> dict[str, object]:
        """The form that ``train --json`` prints and ``training.json`` keeps."""
        return {
            "out": self.out.name,
            "space": self.space,
            "promote": self.promote,
            "note": self.note,
            "rung": self.rung,
            "migration": self.migration,
            "alpha": self.alpha,
            "best_step": self.best_step,
            "validation": {"base": self.base_ndcg, "best": self.best_ndcg, "comparison": self.comparison.as_json()},
            "guard": None if self.guard is None else dict(self.guard),
            "rungs": [dict(rung) for rung in self.rungs],
            "curve": [asdict(point) for point in self.curve],
            "facts": dict(self.facts),
            "notes": list(self.notes),
            "run": self.run,
            "seconds": round(self.seconds, 1),
        }
