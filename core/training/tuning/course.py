"""What one fine-tuning has seen so far: its curve, its best weights on disk, and what a checkpoint needs to be gone on from."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from transvase.core.errors import EncoderFailed
from transvase.core.evaluation.metrics import Scores
from transvase.core.training.ladder import ahead
from transvase.core.training.plan import Clock, Pace
from transvase.core.training.settings import CurvePoint
from transvase.core.training.weights.learner import Learner
from transvase.core.training.weights.memory import out_of_memory

BEST: Final = "best.pt"
COURSE: Final = "course.json"
"""Written into a checkpoint's directory last of all: a checkpoint without it is not whole."""

_DONE: Final = "done.json"


@dataclass(slots=True, eq=False)
class Course:
    """Grows with every validation. ``best`` and ``best_step`` begin with the weights that the fine-tuning starts from."""

    directory: Path
    rung: str
    examine: Callable[[], Scores]
    log: Callable[[str, Mapping[str, object]], None]
    clock: Clock
    pace: Pace
    evaluations: int
    patience: int
    best: Scores
    families: tuple[str, ...] | None
    """Of the validation queries, of which marks within noise of each other are told."""
    curve: list[CurvePoint] = field(default_factory=list)
    best_step: int = 0
    asked: int = 0
    """Validations so far."""
    losses: list[float] = field(default_factory=list)
    """Logged since the last validation."""
    peak: Scores | None = None
    """The highest marks so far: the weights kept are the latest that are within noise of them."""

    @property
    def bar(self) -> float:
        """The highest mean so far."""
        return -math.inf if self.peak is None else float(self.peak.mean())

    def due(self) -> bool:
        """Whether a validation belongs here: evenly spaced over the course, the last at its end."""
        return self.pace.share >= (self.asked + 1) / self.evaluations - 1e-9

    def validate(self, learner: Learner, *, step: int) -> bool:
        """Mark the weights of this moment and keep them if none before are better; False when patience has run out.

        A mark within one standard error of the highest counts as equal to it, and of equals the latest is kept: its learning
        rate had fallen further, and it saw more pairs. Keeping the highest of several noisy marks was seen to keep the weights
        of a third of a course on command-line pages (100 queries: 0.8527 at step 50, 0.8523 at step 149).
        """
        with self.pace.pausing():
            scores = self._examined()
            loss = float(np.mean(self.losses)) if self.losses else None
            self.losses.clear()
            while self.due() and self.asked < self.evaluations:
                self.asked += 1
            point = CurvePoint(step, loss, float(scores.mean()), round(self.clock.elapsed, 1), self.rung)
            self.curve.append(point)
            self.log("validation", asdict(point))
            if self.peak is None or scores.mean() > self.bar:
                self.peak = scores
            if not ahead(self.peak, scores, families=self.families):
                write_weights(learner.weights(), self.directory / BEST)
                self.best, self.best_step = scores, step
        since = [earlier.ndcg for earlier in self.curve[-self.patience :]]
        return len(since) < self.patience or max(since) >= self.bar

    def _examined(self) -> Scores:
        """Memory that runs out here is none that smaller batches in training would free."""
        try:
            return self.examine()
        except Exception as error:
            if out_of_memory(error):
                why = f"out of memory in its validation ({error}); take fewer records or queries, or free memory"
                raise EncoderFailed("the model in training", why) from error
            raise

    def keep(self, checkpoint: Path) -> None:
        """Write the state beside a checkpoint, whole or not at all."""
        _write_json({**self._state(), "asked": self.asked, "losses": self.losses}, checkpoint / COURSE)

    def finish(self) -> None:
        """Say that this fine-tuning is over and need not be made again."""
        _write_json(self._state(), self.directory / _DONE)

    def recover(self, checkpoint: Path | None) -> bool:
        """Take up what an earlier process left: True when the fine-tuning was over already."""
        done = self.directory / _DONE
        place = done if done.exists() else checkpoint / COURSE if checkpoint else None
        if place is None:
            return False
        state = json.loads(place.read_text(encoding="utf-8"))
        self.best, self.best_step = np.asarray(state["best"]), state["best_step"]
        self.peak = None if state["peak"] is None else np.asarray(state["peak"])
        self.curve = [CurvePoint(**point) for point in state["curve"]]
        self.asked, self.losses = state.get("asked", 0), state.get("losses", [])
        return place == done

    def _state(self) -> dict[str, object]:
        peak = None if self.peak is None else self.peak.tolist()
        facts: dict[str, object] = {"best": self.best.tolist(), "best_step": self.best_step, "peak": peak}
        return facts | {"curve": [asdict(point) for point in self.curve]}


def whole_checkpoint(directory: Path) -> Path | None:
    """The latest checkpoint that was written to its end; None without one."""
    places = [place for place in directory.glob("checkpoint-*") if (place / COURSE).exists()]
    return max(places, key=lambda place: int(place.name.rpartition("-")[2]), default=None)


def weights_in(path: Path) -> Mapping[str, Any]:
    """Weights that a course kept; EncoderFailed when they cannot be read back."""
    import torch

    try:
        weights: Mapping[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, EOFError) as error:
        raise EncoderFailed(str(path), f"the best weights cannot be read back ({error})") from error
    return weights


def write_weights(weights: Mapping[str, Any], path: Path) -> None:
    """Write weights whole or not at all."""
    import torch

    partial = path.with_suffix(".partial")
    torch.save(dict(weights), partial)
    os.replace(partial, path)  # noqa: PTH105  # the atomic one on every platform


def _write_json(facts: Mapping[str, object], path: Path) -> None:
    partial = path.with_suffix(".partial")
    partial.write_text(json.dumps(facts), encoding="utf-8")
    os.replace(partial, path)  # noqa: PTH105  # the atomic one on every platform
