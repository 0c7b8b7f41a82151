"""How fast this machine is right now at each kind of work that a run consists of."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from transvase.core.encoders.torch import bf16_pays
from transvase.core.space import Role

from .learner import Learner, encode
from .lesson import Lesson
from .loop import step_seconds
from .settings import TrainSettings

_TEXTS: Final = 16
"""Texts that a speed is measured on, after as many to warm up."""

_ROWS: Final = 8
"""Pairs in the batch that an update's time is measured on; larger batches take longer in proportion."""

_STEP_SURPLUS: Final = 1.15
"""The optimizer's own part of a step, which ``step_seconds`` leaves out, and a neighbour's next burst."""


@dataclass(frozen=True, slots=True)
class Speeds:
    """Texts a second at serving and at training length, seconds an update, and whether updates run in bf16."""

    texts_per_s: float
    short_texts_per_s: float
    step_s: float
    bf16: bool


def measure(learner: Learner, lesson: Lesson, *, settings: TrainSettings) -> Speeds:
    """Time a little of each kind of work on texts of the collection."""
    rng = random.Random(settings.seed)  # noqa: S311  the draw has to be repeatable, not secret
    texts = [rng.choice(lesson.documents).content for _ in range(_TEXTS)]
    _per_second(learner, texts, length=settings.train_length)  # the first call pays for much else
    count = min(_ROWS, settings.batch)
    sample = [rng.choice(lesson.pairs) for _ in range(count)]
    rows = {"anchor": [pair.anchor for pair in sample], "positive": [pair.positive for pair in sample]}
    for number in range(settings.negatives):
        rows[f"negative_{number + 1}"] = [rng.choice(lesson.documents).content for _ in sample]
    bf16 = bf16_pays(learner.model.device.type)
    step_s = step_seconds(learner, rows, length=settings.train_length, bf16=bf16) * settings.batch / count
    return Speeds(
        texts_per_s=_per_second(learner, texts, length=learner.serving_length),
        short_texts_per_s=_per_second(learner, texts, length=settings.train_length),
        step_s=step_s * _STEP_SURPLUS,
        bf16=bf16,
    )


def _per_second(learner: Learner, texts: Sequence[str], *, length: int) -> float:
    began = time.perf_counter()
    encode(learner, texts, Role.DOCUMENT, length=length)
    return len(texts) / (time.perf_counter() - began)
