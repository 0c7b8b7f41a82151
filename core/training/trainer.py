"""One training run from files to files: measure, plan, mine, fit, keep the best, write it down."""

from __future__ import annotations

import math
import shutil
import time

from transvase.core.evaluation.comparison import Comparison, compare
from transvase.core.evaluation.metrics import NDCG, Scores
from transvase.core.ports import Progress

from .card import write_papers
from .exam import Exam, draw
from .learner import Learner, load, save
from .lesson import Lesson, prepare
from .loop import Course, fit, keep_base, mark
from .outdir import complete_or_absent
from .plan import RESERVE_S, Clock, Plan, exam_size, mining_size, plan
from .rows import Material, gather
from .settings import Trained, TrainSettings
from .speeds import Speeds, measure


def train(settings: TrainSettings, *, progress: Progress) -> Trained:
    """Fine-tune ``settings.base`` on the collection's train judgments and write the best checkpoint to ``settings.out``.

    The directory appears only when it is complete. Misuse for faulty data or settings, ExtraMissing without the training
    extra, EncoderFailed when the model cannot be loaded, trained or read back. Test judgments are never opened.
    """
    clock = Clock.start(settings.minutes)
    with complete_or_absent(settings.out) as directory:
        lesson = prepare(settings.data, seed=settings.seed)
        progress("load", 0, 1)
        learner = load(settings.base)
        progress("load", 1, 1)
        scratch = directory / "scratch"
        scratch.mkdir()
        speeds = measure(learner, lesson, settings=settings)
        exam = draw(lesson.validation, size=exam_size(clock, texts_per_s=speeds.texts_per_s), seed=settings.seed)
        began = time.perf_counter()
        base = mark(exam, learner, progress=progress, label="validate base")
        course = keep_base(learner, base, path=scratch / "best.pt", clock=clock)
        course.spent_s.append(time.perf_counter() - began)

        planned, material = _prepared(lesson, learner, settings=settings, speeds=speeds, course=course, progress=progress)
        fit(
            learner, material.rows, plan=planned, settings=settings, exam=exam, course=course, bf16=speeds.bf16, progress=progress
        )
        shutil.rmtree(scratch)
        progress("write", 0, 1)
        space = save(learner, directory)
        facts = _facts(lesson, exam, speeds=speeds, planned=planned, material=material, course=course)
        trained = _report(settings, lesson, course, base=base, space=space, facts=facts)
        write_papers(directory, trained, settings)
        progress("write", 1, 1)
    return trained


def _prepared(
    lesson: Lesson, learner: Learner, *, settings: TrainSettings, speeds: Speeds, course: Course, progress: Progress
) -> tuple[Plan, Material]:
    """Plan first, so that negatives are mined only for pairs that will be read, and again when mining has taken its time."""

    def planned(seconds: float) -> Plan:
        return plan(
            seconds=seconds - RESERVE_S,
            step_s=speeds.step_s,
            exam_s=max(course.spent_s),
            pairs=len(lesson.pairs),
            batch=settings.batch,
            epochs=settings.epochs,
            evaluations=settings.evaluations,
        )

    wanted = len(lesson.documents) + len(lesson.pairs) if settings.negatives else 0
    pool = mining_size(course.clock, texts_per_s=speeds.short_texts_per_s, wanted=wanted)
    mining_s = pool / speeds.short_texts_per_s
    most = planned(course.clock.left - mining_s).steps * settings.batch
    limit = math.inf if course.clock.budget_s is None else mining_s
    material = gather(lesson, learner, most=most, pool=pool, seconds=limit, settings=settings, progress=progress)
    return planned(course.clock.left), material


def _facts(lesson: Lesson, exam: Exam, *, speeds: Speeds, planned: Plan, material: Material, course: Course) -> dict[str, object]:
    return {
        "steps": course.curve[-1].step,
        "planned_steps": planned.steps,
        "pairs": material.pairs,
        "pairs_available": len(lesson.pairs),
        "negatives": len(material.rows) - 2,
        "mined_from": material.mined_from,
        "documents": len(lesson.documents),
        "exam_queries": len(exam.queries),
        "exam_documents": len(exam.documents),
        "bf16": speeds.bf16,
        "step_s": round(speeds.step_s, 3),
        "texts_per_s": round(speeds.texts_per_s, 1),
    }


def _report(
    settings: TrainSettings, lesson: Lesson, course: Course, *, base: Scores, space: str, facts: dict[str, object]
) -> Trained:
    comparison = compare(base, course.best, metric=NDCG, seed=settings.seed)
    return Trained(
        out=settings.out,
        space=space,
        promote=course.best_step > 0,
        note=_note(course, comparison),
        best_step=course.best_step,
        comparison=comparison,
        base_ndcg=float(base.mean()),
        best_ndcg=float(course.best.mean()),
        curve=tuple(course.curve),
        facts=facts,
        notes=lesson.notes + _slow(facts),
        seconds=course.clock.elapsed,
    )


def _note(course: Course, comparison: Comparison) -> str:
    if not course.best_step:
        return "Do not promote: no checkpoint beat the base on validation; these are the base's own weights."
    gained = f"NDCG@10 on validation {comparison.difference:+.3f} (95 % {comparison.ci_low:+.3f} … {comparison.ci_high:+.3f})"
    if comparison.ci_low <= 0:
        return f"{gained}: within noise, so evaluate on held-out queries before you promote it."
    return f"{gained}: better than the base; evaluate on held-out queries, then promote."


def _slow(facts: dict[str, object]) -> tuple[str, ...]:
    if facts["steps"] == facts["planned_steps"]:
        return ()
    return (f"the time was up after {facts['steps']} of {facts['planned_steps']} planned steps: the machine became slower",)
