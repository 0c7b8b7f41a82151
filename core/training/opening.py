"""Setting up a run: the model, the exams in a size that the time allows, and what the base reaches before anything is taught."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from transvase.core.encoders import space_of
from transvase.core.encoders.torch import import_torch
from transvase.core.errors import BadValue
from transvase.core.evaluation.exam import Exam, draw, whole
from transvase.core.evaluation.guard import CROWD, LEAST, general_pairs, guard_set
from transvase.core.evaluation.judged import read
from transvase.core.ports import Progress
from transvase.core.space import Role

from .dimensions import check_dimensions, check_places
from .ladder import ADAPTERS, Rung, Standing
from .lessons.lesson import Lesson, prepare
from .lessons.pairs import answers_read, pairs_of
from .lessons.teacher import check_teacher
from .plan import QUESTION, RESERVE_S, Clock, exam_size, guard_size
from .records.rundir import RunDirectory, open_run
from .settings import AUTO, INSTALLED, CurvePoint, TrainSettings
from .tuning import ranks
from .tuning.lora import check_extra
from .weights.collapse import spread
from .weights.fixed import Fixed, encoded, is_fixed, load_fixed
from .weights.learner import Learner, load
from .weights.paid import Paid
from .weights.shelf import Shelf
from .workshop import Workshop

_TEXTS: Final = 16
"""Texts that a speed is measured on, after as many to warm up."""


_READ: Final = 1200
"""Characters of a text that count for how long its encoding takes: some 256 tokens."""


def set_up(settings: TrainSettings, *, clock: Clock, device: str | None, progress: Progress) -> Workshop:
    """Read the data, load the base, and measure what it reaches. Misuse for what is faulty, EncoderFailed for a model."""
    lesson = prepare(settings.data, seed=settings.seed)
    _look_ahead(settings)
    asked, settings = settings.rungs, _within_reach(settings)
    progress("load", 0, 1)
    _imported(settings)
    began = time.perf_counter()
    learner = load_base(settings, device=device)
    loading = time.perf_counter() - began
    progress("load", 1, 1)
    run = _opened(settings, learner)
    if not isinstance(learner, Fixed):
        # Whether bf16 pays is measured, and a busy machine measures otherwise: a run that goes on must compute as it began.
        pays = learner.fast
        learner = replace(learner, fast=bool(run.decided(f"bf16-{learner.model.device.type}", measure=lambda: pays)))
    ranks.told(learner.fast)
    # The exam's size follows from it, and what an earlier process of this run was marked with must be what this one asks.
    speed = 0.0
    if clock.budget_s:
        speed = run.decided("texts-per-s", measure=lambda: _texts_per_s(learner, lesson, seed=settings.seed))
    exam = draw(lesson.validation, size=exam_size(clock, texts_per_s=speed), seed=settings.seed)
    guard, notes = _guard(settings, clock, lesson, speed=speed)
    shelf, bought = _shelf(learner, run)
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
        notes=[*lesson.notes, *notes, *_beyond(settings, asked), *bought],
    )
    _measure_base(shop)
    return shop


def _imported(settings: TrainSettings) -> None:
    """What is imported once takes longer than loading a small model, and is no measure of reading the trained one back."""
    import_torch()
    if not is_fixed(settings.base):
        import sentence_transformers  # noqa: F401 - for its effect on the next import


def _look_ahead(settings: TrainSettings) -> None:
    """What is needed late is looked for at once: nobody wants to hear after an hour that a name was wrong."""
    if settings.teacher is not None:
        check_teacher(settings.teacher)
    if settings.replay not in (None, AUTO) and not _installed(settings.replay):
        read(settings.replay, split="train")
    if settings.guard is not None:
        guard_set(settings.guard, size=LEAST, seed=settings.seed)
    if settings.lora:
        check_extra()


def _installed(replay: Path) -> bool:
    return replay == INSTALLED and not INSTALLED.exists()


def _within_reach(settings: TrainSettings) -> TrainSettings:
    """Of a base that only encodes, the adapter rungs alone; BadValue where something else was asked for."""
    if not is_fixed(settings.base):
        return settings
    rungs = tuple(rung for rung in settings.rungs if rung in ADAPTERS)
    if not rungs:
        why = f"its weights cannot be tuned here; only {' and '.join(ADAPTERS)} can be trained on it"
        raise BadValue("base", settings.base, why=why)
    wanted = {
        "prompts": settings.prompt_query if settings.prompt_query is not None else settings.prompt_document,
        "matryoshka": settings.matryoshka or None,
        "lora": settings.lora or None,
        "teacher": settings.teacher,
        "device": settings.device,
    }
    for name, value in wanted.items():
        if value is not None:
            raise BadValue(name, value, why=f"the weights of {settings.base} cannot be tuned here: leave it out")
    return replace(settings, rungs=rungs)


def _beyond(settings: TrainSettings, asked: tuple[Rung, ...]) -> list[str]:
    left = [rung for rung in asked if rung not in settings.rungs]
    return [f"{' and '.join(left)} left out: the weights of {settings.base} cannot be tuned here"] if left else []


def _opened(settings: TrainSettings, learner: Learner) -> RunDirectory:
    if isinstance(learner, Fixed):
        return open_run(settings, space=learner.digest())
    check_dimensions(settings, width=learner.model.get_embedding_dimension())
    run = open_run(settings, space=space_of(settings.base).id)
    try:
        check_places(settings, run)
    except BadValue:
        run.give_up()
        raise
    return run


def _shelf(learner: Learner, run: RunDirectory) -> tuple[Shelf, list[str]]:
    """The base's shelf. What was paid for outlives the process, and what an earlier one left is not asked for again."""
    if not isinstance(learner, Fixed):
        return Shelf(learner), []
    paid = Paid(run.stages / f"vectors-{learner.digest()}.bin", width=learner.model.space.dimension)
    return Shelf(learner, paid=paid), [f"{paid.found} vectors were kept by an earlier process of this run"] if paid.found else []


def load_base(settings: TrainSettings, *, device: str | None) -> Learner:
    """The base as this run trains it, prompts included."""
    if is_fixed(settings.base):
        return load_fixed(settings.base)
    return load(settings.base, device=device, prompt_query=settings.prompt_query, prompt_document=settings.prompt_document)


def replayed(shop: Workshop) -> list[tuple[str, str]]:
    """General pairs to mix in, as many as the share asks for: question and answer, drawn by the seed."""
    if shop.settings.replay is None or (shop.settings.replay == AUTO and not _time_to_replay(shop)):
        return []
    count = int(shop.settings.replay_share * len(shop.lesson.pairs))
    if shop.settings.replay == AUTO or _installed(shop.settings.replay):
        drawn = [(passage.question, passage.body) for passage in general_pairs(count=count, seed=shop.settings.seed)]
    else:
        pairs = [(pair.anchor, pair.positive) for pair in pairs_of(read(shop.settings.replay, split="train"))]
        draw_one = random.Random(shop.settings.seed)  # noqa: S311  the draw has to be repeatable, not secret
        drawn = draw_one.sample(pairs, min(len(pairs), count))
    shop.facts["replayed"] = len(drawn)
    return drawn


def _time_to_replay(shop: Workshop) -> bool:
    """Whether every pass over the pairs fits into a third of the time beside replayed ones; decided once in a run.

    The rest is for crops, mining and whatever is asked; where pairs are many for the time, new ones teach more.
    """
    pairs, answers = len(shop.lesson.pairs), answers_read(shop.lesson.pairs)
    beside = shop.settings.replay_share * pairs  # each with an answer of its own

    def fits() -> bool:
        return shop.answers_in(shop.left / 3, asked=0) >= shop.settings.epochs * (answers + beside + QUESTION * (pairs + beside))

    return bool(shop.run.decided("replay", measure=fits))


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


def _guard(settings: TrainSettings, clock: Clock, lesson: Lesson, *, speed: float) -> tuple[Exam | None, list[str]]:
    """The guard in a size that the time allows; None, with a note, where that is too small to see anything."""
    least = whole(guard_set(settings.guard, size=LEAST, seed=settings.seed))
    speed *= _letters([document.content for document in lesson.documents]) / _letters(least.documents)
    size = guard_size(clock, texts_per_s=speed, crowd=CROWD)
    if size < LEAST and LEAST * (CROWD + 1) / max(speed, 1e-9) * 2 > clock.share(0.2) - RESERVE_S / 5:
        return None, ["no time to ask a general guard: what was forgotten is not known; give the run more --minutes"]
    return whole(guard_set(settings.guard, size=max(LEAST, size), seed=settings.seed)), []


def _letters(texts: Sequence[str]) -> float:
    """Mean length of a text in characters, cut where most models stop reading: encoding takes about as long as that.

    A speed measured on the records of a collection of intents (15 letters) made a guard of documentation take 35 seconds.
    """
    return max(1.0, float(np.mean([min(len(text), _READ) for text in texts])))


def _texts_per_s(learner: Learner, lesson: Lesson, *, seed: int) -> float:
    rng = random.Random(seed)  # noqa: S311  the draw has to be repeatable, not secret
    texts = [rng.choice(lesson.documents).content for _ in range(2 * _TEXTS)]
    encoded(learner, texts[:_TEXTS], Role.DOCUMENT)  # the first call pays for much else
    began = time.perf_counter()
    encoded(learner, texts[_TEXTS:], Role.DOCUMENT)
    return _TEXTS / (time.perf_counter() - began)
