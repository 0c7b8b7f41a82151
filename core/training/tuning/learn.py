"""Teaching one table to one model, in this process alone or among others: the loss, LoRA around it, the best weights after it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.ports import Progress
from transvase.core.training.lessons.table import Table
from transvase.core.training.plan import Pace
from transvase.core.training.settings import TrainSettings
from transvase.core.training.weights.learner import Learner
from transvase.core.training.weights.memory import let_go

from . import ranks
from .course import BEST, Course, weights_in, write_weights
from .fit import Order, fit
from .freezing import upper_layers, without_dropout
from .lora import attach, detach, merge
from .loss import Guide, loss_for

FINAL: Final = "weights.pt"
"""The best weights of a finished fine-tuning, in the model's own names."""


@dataclass(frozen=True, slots=True, eq=False)
class Extras:
    """What the loss is given beside the batch; None: it does without."""

    guide: Guide | None = None
    teacher: NDArray[np.float32] | None = None
    """A cross-encoder's scores of each row's answer and negatives, shape (rows, 1 + negatives)."""


def learn(
    learner: Learner,
    table: Table,
    *,
    order: Order,
    settings: TrainSettings,
    extras: Extras,
    course: Course | None,
    progress: Progress,
) -> None:
    """Fit, and leave the best weights in ``FINAL`` of the order's directory; ``course`` is None where others decide.

    Of several processes all come through, or all raise: what ran out of memory in one did so in all.
    """
    with ranks.together(device=learner.model.device):
        _learnt(learner, table, order=order, settings=settings, extras=extras, course=course, progress=progress)


def _learnt(
    learner: Learner,
    table: Table,
    *,
    order: Order,
    settings: TrainSettings,
    extras: Extras,
    course: Course | None,
    progress: Progress,
) -> None:
    if settings.lora:
        attach(learner, rank=settings.lora, seed=order.seed)
    try:
        _fitted(learner, table, order=order, settings=settings, extras=extras, course=course, progress=progress)
    except BaseException:
        if settings.lora:
            detach(learner)  # memory ran out, perhaps: the next attempt needs the model as it was
        raise
    if settings.lora:
        merge(learner)
    if course is not None:
        write_weights(learner.weights(), course.directory / FINAL)


def _fitted(
    learner: Learner,
    table: Table,
    *,
    order: Order,
    settings: TrainSettings,
    extras: Extras,
    course: Course | None,
    progress: Progress,
) -> None:
    """Fit, and leave the best weights in memory, a low-rank update still beside them."""
    pace = course.pace if course else Pace(steps=order.steps, seconds=order.seconds)
    loss = loss_for(
        learner.model,
        table,
        form=settings.loss,
        scale=settings.scale,
        guide=extras.guide,
        teacher=extras.teacher,
        matryoshka=_dimensions(learner, settings),
    )
    with upper_layers(learner, freeze=0 if settings.lora else settings.freeze), without_dropout(learner):
        fit(learner, table, loss, order=order, pace=pace, course=course, progress=progress)
    if course is not None:
        learner.restore(weights_in(course.directory / BEST))


def follow(learner: Learner, settings: TrainSettings) -> Any:
    """What a process does that is not the first: compute each task with the others until there is none; the first's last word."""
    while True:
        said = ranks.told(None)
        if isinstance(said, bool):  # whether all compute in bf16
            learner = replace(learner, fast=said)
            continue
        if not isinstance(said, tuple):
            return said
        order, table, extras, start = said
        learner.restore(start)
        try:
            learn(learner, table, order=order, settings=settings, extras=extras, course=None, progress=_nobody)
        except Exception:
            if not ranks.met():
                raise
            # else the first process has heard of it, and says what comes next: the same with smaller batches, or an end
        let_go()


def _dimensions(learner: Learner, settings: TrainSettings) -> dict[int, float] | None:
    """All dimensions that are trained for, the whole one first; every one counts the same."""
    if not settings.matryoshka:
        return None
    return dict.fromkeys((learner.model.get_embedding_dimension(), *sorted(settings.matryoshka, reverse=True)), 1.0)


def _nobody(_: str, __: int, ___: int) -> None:
    """Progress is told by the first process."""
