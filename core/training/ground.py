"""Setting up a run: the model, the exams in a size that the time allows, and what the base reaches before anything is taught."""

from __future__ import annotations

import random
import time
from typing import Final

import numpy as np
from transvase.core.encoders import space_of
from transvase.core.encoders.torch import import_torch
from transvase.core.evaluation.guard import CROWD, LEAST, guard_set
from transvase.core.evaluation.judged import read
from transvase.core.ports import Progress
from transvase.core.space import Role

from .collapse import spread
from .dimensions import check_dimensions
from .exam import Exam, draw, whole
from .ladder import Standing
from .learner import Learner, encode, load
from .lesson import Lesson, prepare
from .pairs import pairs_of
from .plan import RESERVE_S, Clock, exam_size, guard_size
from .rundir import open_run
from .settings import CurvePoint, TrainSettings
from .shelf import Shelf
from .workshop import Workshop

_TEXTS: Final = 16
"""Texts that a speed is measured on, after as many to warm up."""


def set_up(settings: TrainSettings, *, clock: Clock, device: str | None, progress: Progress) -> Workshop:
    """Read the data, load the base, and measure what it reaches. Misuse for what is faulty, EncoderFailed for a model."""
    lesson = prepare(settings.data, seed=settings.seed)
    progress("load", 0, 1)
    import_torch()
    began = time.perf_counter()
    learner = load_base(settings, device=device)
    loading = time.perf_counter() - began
    progress("load", 1, 1)
    check_dimensions(settings, width=learner.model.get_embedding_dimension())
    run = open_run(settings, space=space_of(settings.base).id)
    speed = _texts_per_s(learner, lesson, seed=settings.seed) if clock.budget_s else 0.0
    exam = draw(lesson.validation, size=exam_size(clock, texts_per_s=speed), seed=settings.seed)
    guard, notes = _guard(settings, clock, speed=speed)
    shelf = Shelf(learner)
    shop = Workshop(
        settings=settings,
        lesson=lesson,
        learner=learner,
        clock=clock,
        run=run,
        progress=progress,
        exam=exam,
        guard=guard,
        shelf=shelf,
        weights=learner.weights(),
        base=Standing(rung=None, scores=np.zeros(len(exam.queries)), guard=None, alpha=0.0, step=0),
        spread=spread(np.empty((0, 1), dtype=np.float32)),
        texts_per_s=speed,
        reserve_s=RESERVE_S + 2 * min(loading, 30.0),
        notes=[*lesson.notes, *notes],
    )
    _measure_base(shop)
    return shop


def load_base(settings: TrainSettings, *, device: str | None) -> Learner:
    """The base as this run trains it, prompts included."""
    return load(settings.base, device=device, prompt_query=settings.prompt_query, prompt_document=settings.prompt_document)


def replayed(shop: Workshop) -> list[tuple[str, str]]:
    """General pairs to mix in, as many as the share asks for: question and answer, drawn by the seed."""
    if shop.settings.replay is None:
        return []
    pairs = pairs_of(read(shop.settings.replay, split="train"))
    count = min(len(pairs), int(shop.settings.replay_share * len(shop.lesson.pairs)))
    drawn = random.Random(shop.settings.seed).sample(list(pairs), count)  # noqa: S311  repeatable, not secret
    shop.facts["replayed"] = count
    return [(pair.anchor, pair.positive) for pair in drawn]


def _measure_base(shop: Workshop) -> None:
    """Validation and guard of the base, through the shelf, so that mining and adapters find the vectors there."""
    began = time.perf_counter()
    scores = shop.exam.mark(lambda texts, role: shop.from_base(texts, role, label="validate base"))
    shop.exam_s = time.perf_counter() - began
    shop.spread = spread(shop.from_base(shop.exam.documents, Role.DOCUMENT))
    began, guard = time.perf_counter(), None
    if shop.guard is not None:
        guard = float(shop.guard.mark(lambda texts, role: shop.from_base(texts, role, label="ask the guard")).mean())
        shop.guard_s = time.perf_counter() - began
    shop.base = Standing(rung=None, scores=scores, guard=guard, alpha=0.0, step=0)
    shop.curve.append(CurvePoint(0, None, shop.base.mean, round(shop.clock.elapsed, 1), "base"))
    shop.run.log("standing", shop.base.as_json())


def _guard(settings: TrainSettings, clock: Clock, *, speed: float) -> tuple[Exam | None, list[str]]:
    """The guard in a size that the time allows; None, with a note, where that is too small to see anything."""
    size = guard_size(clock, texts_per_s=speed, crowd=CROWD)
    if size < LEAST and LEAST * (CROWD + 1) / max(speed, 1e-9) * 2 > clock.share(0.2) - RESERVE_S / 5:
        return None, ["no time to ask a general guard: what was forgotten is not known; give the run more --minutes"]
    return whole(guard_set(settings.guard, size=max(LEAST, size), seed=settings.seed)), []


def _texts_per_s(learner: Learner, lesson: Lesson, *, seed: int) -> float:
    rng = random.Random(seed)  # noqa: S311  the draw has to be repeatable, not secret
    texts = [rng.choice(lesson.documents).content for _ in range(2 * _TEXTS)]
    encode(learner, texts[:_TEXTS], Role.DOCUMENT, length=learner.serving_length)  # the first call pays for much else
    began = time.perf_counter()
    encode(learner, texts[_TEXTS:], Role.DOCUMENT, length=learner.serving_length)
    return _TEXTS / (time.perf_counter() - began)
