"""Both fine-tuning rungs: the first with negatives mined by the base, the second with those the first still takes for right."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.evaluation.metrics import Scores
from transvase.core.evaluation.ranking import unit
from transvase.core.space import Role
from transvase.core.training.ladder import Rung, Standing
from transvase.core.training.lessons.table import Table
from transvase.core.training.lessons.teacher import taught
from transvase.core.training.plan import SHORT_S, Pace, batch_size
from transvase.core.training.weights.forgetting import best_of, between, sweep
from transvase.core.training.weights.memory import halving
from transvase.core.training.workshop import Workshop

from . import ranks
from .batches import count
from .course import Course, weights_in
from .fit import Order
from .learn import FINAL, Extras, learn
from .loss import Guide
from .rows import rows_of

EXAM_LIMIT: Final = 15
"""Validations may take one part in so many of a fine-tuning's time: better one of something than three of nothing."""

SECOND_RATE: Final = 0.6
"""The second pass's learning rate, as a share of the first's: it goes on from weights that are nearly where they belong."""


def tune(
    shop: Workshop, *, rung: Rung, start: dict[str, Any], seconds: float, replayed: list[tuple[str, str]], last: bool
) -> Standing:
    """Fine-tune from the weights ``start`` for at most ``seconds``, sweep towards the base, and give the best standing.

    Under a short budget, or where it is not the ``last`` under any, the sweep ends at the first point that holds.
    The weights as trained lie in ``trained_weights``; those in memory are undefined afterwards.
    """
    settings, began = shop.settings, shop.clock.elapsed
    shop.learner.restore(start)
    table = rows_of(shop, rung=rung, seconds=seconds, replayed=replayed)
    stakes = table.stakes()
    epochs = settings.epochs if rung is Rung.TUNE else math.ceil(settings.epochs / 2)

    def attempt(batch: int) -> Course:
        steps = epochs * count(stakes, size=batch)
        left = seconds - (shop.clock.elapsed - began)
        shop.facts[f"{rung} batch"] = batch  # that of the last attempt, which had memory enough
        exams = _exams(left, settings.evaluations, exam_s=shop.exam_s)
        order = Order(
            name=rung.value,
            steps=max(1, steps // ranks.count()),
            seconds=max(1.0, left - exams * shop.exam_s),
            batch=batch,
            aligned=settings.loss == "triplet",
            rate=settings.rate * (1.0 if rung is Rung.TUNE else SECOND_RATE),
            length=settings.train_length,
            seed=settings.seed + list(Rung).index(rung),
            checkpoint_s=math.inf if settings.minutes else settings.checkpoint_s,
            scratch=str(shop.run.stage(f"{rung}/{batch}")),
        )
        return _taught(shop, order, table, start=start, exams=exams)

    def again(batch: int) -> None:
        shop.notes.append(f"out of memory: {rung} began again with batches of {batch}")
        shop.learner.restore(start)

    answers = count(stakes, size=1)
    batch = batch_of(shop, rung, epochs * answers, asked=len(table) / answers, seconds=seconds - (shop.clock.elapsed - began))
    course = halving(batch, attempt, least=2, advice="shorten --length, or take a smaller model", again=again)
    shop.curve += course.curve
    steps = course.curve[-1].step
    seen = steps / course.pace.steps * epochs * len(table)
    shop.facts |= {f"{rung} steps": steps, f"{rung} rows": len(table), f"{rung} seen": round(seen)}
    return _swept(shop, rung, course, further=(last or shop.clock.budget_s is None) and shop.clock.share(1) >= SHORT_S)


def batch_of(shop: Workshop, rung: Rung, answers: int, *, asked: float, seconds: float) -> int:
    """Answers in a batch: as told, else by how many of so many, ``asked`` for by so many questions each, there is time for.

    Decided once in a run: one that goes on has less time left, and must find what it finished under the same number.
    """
    if shop.settings.batch is not None:
        return shop.settings.batch
    return int(shop.run.decided(f"{rung}-batch", measure=lambda: batch_size(min(answers, shop.answers_in(seconds, asked=asked)))))


def trained_weights(shop: Workshop, rung: Rung) -> dict[str, Any]:
    """The rung's best weights, as trained."""
    return dict(weights_in(next((shop.run.stages / rung.value).glob(f"*/{FINAL}"))))


def _taught(shop: Workshop, order: Order, table: Table, *, start: dict[str, Any], exams: int) -> Course:
    """The course of one fine-tuning, made now or found finished."""
    course = Course(
        directory=Path(order.scratch),
        rung=order.name,
        examine=shop.examine,
        log=shop.run.log,
        clock=shop.clock,
        pace=Pace(steps=order.steps, seconds=order.seconds),
        evaluations=exams,
        patience=shop.settings.patience,
        best=shop.base.scores,
        families=shop.exam.families,
    )
    if not course.recover(None):
        extras = Extras(guide=_guide(shop, table), teacher=_taught_by(shop, table))
        shop.learner.restore(start)
        ranks.told((order, table, extras, start))
        learn(
            shop.learner,
            table,
            order=order,
            settings=shop.settings,
            extras=extras,
            course=course,
            progress=shop.progress,
        )
        course.finish()
    return course


def _guide(shop: Workshop, table: Table) -> Guide | None:
    """The base's vectors of everything in the table, where the filter was asked for; leaves the base's weights in memory."""
    if shop.settings.guided is None:
        return None
    shop.learner.restore(shop.weights)
    asked = shop.from_base(table.queries, Role.QUERY)
    used = np.unique(table.rows[:, 1:])
    held = np.zeros((len(table.documents), asked.shape[1]), dtype=np.float32)
    held[used] = shop.from_base([table.documents[number] for number in used], Role.DOCUMENT)
    return Guide(unit(asked), unit(held), shop.settings.guided)


def _taught_by(shop: Workshop, table: Table) -> NDArray[np.float32] | None:
    """The teacher's scores, where one is given."""
    if shop.settings.teacher is None:
        return None
    return taught(
        table, shop.settings.teacher, directory=shop.run.stages, device=str(shop.learner.model.device), progress=shop.progress
    )


def _exams(seconds: float, wanted: int, *, exam_s: float) -> int:
    exams = wanted
    while exams > 1 and exams * exam_s > seconds / EXAM_LIMIT:
        exams -= 1
    return exams


def _swept(shop: Workshop, rung: Rung, course: Course, *, further: bool) -> Standing:
    """Standings on the way back to the base; the best of them."""
    tuned, faults = trained_weights(shop, rung), dict[float, str]()

    def ask_guard(alpha: float) -> float | None:
        shop.learner.restore(between(shop.weights, tuned, alpha=alpha))
        return shop.ask_guard()

    def ask(alpha: float) -> Scores:
        shop.learner.restore(between(shop.weights, tuned, alpha=alpha))
        if alpha == 1.0:
            faults[alpha] = shop.collapsed(shop.seen(course.best))
            return course.best
        scores, spread = shop.ask(label=f"validate at {alpha:g}")
        faults[alpha] = shop.collapsed(spread)
        return scores

    tried = sweep(
        rung,
        step=course.best_step,
        ask=ask,
        ask_guard=ask_guard,
        fault=lambda alpha: faults[alpha],
        before=shop.base.guard,
        room=lambda: shop.left / (shop.exam_s + shop.guard_s),
        further=further,
    )
    for standing in tried:
        shop.run.log("standing", standing.as_json())
    return best_of(tried, families=shop.exam.families)
