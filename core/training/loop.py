"""The fine-tuning itself: sentence-transformers' Trainer with its traps closed, our validation, and the best weights kept.

What the library would do otherwise: print logs to standard output, report to strangers, write checkpoints with a model
card full of training rows, and go on silently when the best checkpoint cannot be read back.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from transvase.core.errors import EncoderFailed
from transvase.core.evaluation.metrics import Scores
from transvase.core.ports import Progress
from transvase.core.space import Role

from .exam import Exam
from .learner import Learner, encode, reading
from .plan import Clock, Plan
from .settings import CurvePoint, TrainSettings

_WARMUP: Final = 0.1

Rows = Mapping[str, Sequence[str]]
"""Columns in the order that the loss reads: anchor, positive, negative_1 …"""


@dataclass(slots=True, eq=False)
class Course:
    """What a run has seen so far: grows with every validation, and keeps the best weights on disk, not in memory."""

    best_weights: Path
    best: Scores
    clock: Clock
    curve: list[CurvePoint]
    best_step: int = 0
    loss: float | None = None
    spent_s: list[float] = field(default_factory=list)

    def take(self, learner: Learner, scores: Scores, *, step: int) -> None:
        """Add a validation; its weights are kept when its mean is above every earlier one, the base's included."""
        import torch

        self.curve.append(CurvePoint(step, self.loss, float(scores.mean()), round(self.clock.elapsed, 1)))
        if scores.mean() > self.best.mean():
            torch.save(learner.model.state_dict(), self.best_weights)
            self.best, self.best_step = scores, step


def mark(exam: Exam, learner: Learner, *, progress: Progress, label: str) -> Scores:
    """NDCG@10 of each validation query with the weights of this moment, at serving length."""
    total, done = len(exam.queries) + len(exam.documents), {Role.QUERY: 0, Role.DOCUMENT: 0}

    def vectors(texts: Sequence[str], role: Role) -> Any:
        def passed(count: int) -> None:
            done[role] = count
            progress(label, sum(done.values()), total)

        return encode(learner, texts, role, length=learner.serving_length, passed=passed)

    return exam.mark(vectors)


def step_seconds(learner: Learner, rows: Rows, *, length: int, bf16: bool) -> float:
    """Seconds of one update on these rows as one batch, measured without one being made: the second of two counts."""
    import torch
    from sentence_transformers.base.losses.merged_forward import column_merging_disabled
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss

    loss, model, taken = MultipleNegativesRankingLoss(learner.model), learner.model, math.inf
    model.train()
    with reading(learner, length), column_merging_disabled():
        for _ in range(2):
            began = time.perf_counter()
            features = [_on_device(model.preprocess(list(column)), model.device) for column in rows.values()]
            with torch.autocast(model.device.type, dtype=torch.bfloat16, enabled=bf16):
                value = loss(features, torch.empty(0))
            value.backward()
            float(value.detach())
            taken = time.perf_counter() - began
            model.zero_grad(set_to_none=True)
    return taken


def fit(
    learner: Learner,
    rows: Rows,
    *,
    plan: Plan,
    settings: TrainSettings,
    exam: Exam,
    course: Course,
    bf16: bool,
    progress: Progress,
) -> None:
    """Make the plan's updates, validate as planned, and leave the best weights in ``learner``; stops early when time is up."""
    from datasets import Dataset
    from sentence_transformers.base.losses.merged_forward import column_merging_disabled
    from sentence_transformers.sentence_transformer.losses import MultipleNegativesRankingLoss
    from transformers.trainer_callback import PrinterCallback

    trainer = _trainer_class()(
        model=learner.model,
        args=_arguments(learner, rows, plan=plan, settings=settings, scratch=course.best_weights.parent, bf16=bf16),
        train_dataset=Dataset.from_dict({name: list(column) for name, column in rows.items()}),
        loss=MultipleNegativesRankingLoss(learner.model),
        evaluator=_examiner(learner, exam, course=course, progress=progress),
        callbacks=[_follower(course, planned=plan.steps, progress=progress)],
    )
    trainer.remove_callback(PrinterCallback)  # it prints to standard output, where --json has its one object
    # One forward for all columns would pad every short query to the longest document: a third of a step on a CPU.
    with reading(learner, settings.train_length), column_merging_disabled():
        trainer.train()
    _return_to_best(learner, course)


def _trainer_class() -> Any:
    from sentence_transformers import SentenceTransformerTrainer

    class CardlessTrainer(SentenceTransformerTrainer):  # type: ignore[misc]  # the library is not typed
        """The library's Trainer without the callback that collects training rows for its model card."""

        def add_model_card_callback(self, *_: object) -> None:
            """Overridden to add nothing, as the library's documentation suggests."""

    return CardlessTrainer


def _arguments(learner: Learner, rows: Rows, *, plan: Plan, settings: TrainSettings, scratch: Path, bf16: bool) -> Any:
    from sentence_transformers import SentenceTransformerTrainingArguments

    prompts = learner.prompts
    by_column = {name: prompts[Role.QUERY if name == "anchor" else Role.DOCUMENT] for name in rows}
    return SentenceTransformerTrainingArguments(
        output_dir=str(scratch / "trainer"),
        max_steps=plan.steps,
        per_device_train_batch_size=settings.batch,
        learning_rate=settings.rate,
        lr_scheduler_type="linear",
        warmup_steps=math.ceil(_WARMUP * plan.steps),
        weight_decay=0.01,
        batch_sampler="no_duplicates",
        prompts={name: prompt for name, prompt in by_column.items() if prompt} or None,
        eval_strategy="steps",
        eval_steps=plan.every,
        logging_strategy="steps",
        logging_steps=plan.every,
        save_strategy="no",
        report_to="none",
        disable_tqdm=True,
        use_cpu=learner.model.device.type == "cpu",
        bf16=bf16,
        seed=settings.seed,
        data_seed=settings.seed,
        dataloader_pin_memory=learner.model.device.type != "cpu",
    )


def _examiner(learner: Learner, exam: Exam, *, course: Course, progress: Progress) -> Any:
    """Our validation in the shape the Trainer drives. The class is made here because its base is imported late."""
    from sentence_transformers.base.evaluation import BaseEvaluator

    class Examiner(BaseEvaluator):  # type: ignore[misc]  # the library is not typed
        """Marks the weights of this moment, whatever model object the Trainer passes: it is the same one."""

        primary_metric = "ndcg@10"

        def __call__(self, *_: object, steps: int = -1, **__: object) -> dict[str, float]:
            began = time.perf_counter()
            scores = mark(exam, learner, progress=progress, label="validate")
            course.take(learner, scores, step=steps)
            course.spent_s.append(time.perf_counter() - began)
            return {"ndcg@10": float(scores.mean())}

    return Examiner()


def _follower(course: Course, *, planned: int, progress: Progress) -> Any:
    """Reports progress, hears the loss, and ends training when what is left of the budget is needed for the last validation."""
    from transformers import TrainerCallback

    class Follower(TrainerCallback):  # type: ignore[misc]  # the library is not typed
        """The Trainer calls these by name with the same leading arguments."""

        def on_step_end(self, _: object, state: Any, control: Any, **__: object) -> Any:
            progress("train", state.global_step, planned)
            if course.clock.left < max(course.spent_s, default=0.0) and state.global_step < planned:
                control.should_log = control.should_evaluate = control.should_training_stop = True
            return control

        def on_log(self, *_: object, logs: Mapping[str, float] | None = None, **__: object) -> None:
            if logs and "loss" in logs:
                course.loss = float(logs["loss"])

    return Follower()


def _return_to_best(learner: Learner, course: Course) -> None:
    """Put the best weights back; the base's own lie there from the start, so there is always something to return to."""
    import torch

    try:
        weights = torch.load(course.best_weights, map_location=learner.model.device, weights_only=True)
        learner.model.load_state_dict(weights, strict=True)
    except (OSError, RuntimeError) as error:
        raise EncoderFailed(str(course.best_weights), f"the best checkpoint cannot be read back ({error})") from error
    learner.model.eval()


def keep_base(learner: Learner, scores: Scores, *, path: Path, clock: Clock) -> Course:
    """A course at step 0: the base's weights on disk and its validation as the mark to beat."""
    import torch

    torch.save(learner.model.state_dict(), path)
    return Course(path, scores, clock, [CurvePoint(0, None, float(np.mean(scores)), round(clock.elapsed, 1))])


def _on_device(features: Mapping[str, Any], device: Any) -> dict[str, Any]:
    return {name: value.to(device) if hasattr(value, "to") else value for name, value in features.items()}
