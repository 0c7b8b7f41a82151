"""One fine-tuning: sentence-transformers' Trainer with its traps closed, our validation, our schedule, our checkpoints.

What the library would do otherwise: print logs to standard output, report to strangers, write checkpoints with a model card
full of training rows, shorten the saved model to the training length, and go on silently when a checkpoint cannot be read back.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from transvase.core.errors import EncoderFailed
from transvase.core.ports import Progress
from transvase.core.training.lessons.alike import look_alikes
from transvase.core.training.lessons.table import Table
from transvase.core.training.plan import Pace
from transvase.core.training.weights.learner import Learner, reading

from . import ranks
from .attention import Attention
from .batches import Plan, sampler
from .collate import Collator
from .course import Course, whole_checkpoint

_WEIGHTS: Final = "weights.pt"
_LOGGED: Final = 10
"""Updates between two entries of the loss."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """How one fine-tuning is to be made: what every process that takes part in it has to know."""

    name: str
    steps: int
    """The most updates, of all processes together."""
    seconds: float
    """What the updates may take; infinite: the steps decide."""
    batch: int
    """Answers in a batch, each with up to four of its questions."""
    aligned: bool
    """Whether the loss compares columns row by row."""
    rate: float
    length: int
    seed: int
    checkpoint_s: float
    """Seconds between checkpoints; infinite: none."""
    scratch: str
    """Directory for checkpoints."""


def fit(
    learner: Learner, table: Table, loss: Any, *, order: Order, pace: Pace, course: Course | None, progress: Progress
) -> None:
    """Make the updates, from the last whole checkpoint if there is one. ``course`` is None in processes that only compute.

    The weights in memory are those of the last update; the best lie where the course keeps them.
    """
    from sentence_transformers.base.losses.merged_forward import column_merging_disabled
    from transformers.trainer_callback import PrinterCallback

    attention = Attention(learner)
    follower = _follower(learner, attention, order=order, pace=pace, course=course, progress=progress)
    trainer = _trainer(learner, table, loss, order=order, pace=pace, callback=follower)
    trainer.remove_callback(PrinterCallback)  # it prints to standard output, where --json has its one object
    checkpoint = whole_checkpoint(Path(order.scratch))
    if course is not None:
        course.recover(checkpoint)
    pace.began = time.monotonic()
    # One forward for all columns would pad every short query to the longest document: a third of a step on a CPU.
    with reading(learner, order.length), attention.learning(), column_merging_disabled():
        trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    learner.model.eval()


def _trainer(learner: Learner, table: Table, loss: Any, *, order: Order, pace: Pace, callback: Any) -> Any:
    from datasets import Dataset

    return _trainer_class()(
        pace,
        model=learner.model,
        args=_arguments(learner, table, order=order),
        train_dataset=Dataset.from_dict({"row": list(range(len(table)))}),
        loss=loss,
        data_collator=Collator(table, learner.model.preprocess, learner.prompts, learner.router, aligned=order.aligned),
        callbacks=[callback],
    )


def _trainer_class() -> Any:
    import torch
    from sentence_transformers import SentenceTransformerTrainer

    class PacedTrainer(SentenceTransformerTrainer):  # type: ignore[misc]  # the library is not typed
        """The library's Trainer with our schedule, and with checkpoints that hold weights and nothing else."""

        def __init__(self, pace: Pace, **told: Any) -> None:
            self._pace = pace
            super().__init__(**told)

        def add_model_card_callback(self, *_: object) -> None:
            """Overridden to add nothing, as the library's documentation suggests: its card collects training rows."""

        def create_scheduler(self, num_training_steps: int, optimizer: Any = None) -> Any:
            """The learning rate follows the pace, so that it reaches zero when the time is up."""
            del num_training_steps
            self.lr_scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer or self.optimizer, self._pace.rate)
            return self.lr_scheduler

        def _save(self, output_dir: str | None = None, state_dict: Any = None) -> None:
            """The library would write a whole model with a card."""
            del state_dict
            place = Path(output_dir or self.args.output_dir)
            place.mkdir(parents=True, exist_ok=True)
            torch.save(self.model.state_dict(), place / _WEIGHTS)

        def _load_from_checkpoint(self, checkpoint_path: str) -> None:
            try:
                weights = torch.load(Path(checkpoint_path) / _WEIGHTS, map_location="cpu", weights_only=True)
                self.model.load_state_dict(weights, strict=True)
            except (OSError, RuntimeError) as error:
                raise EncoderFailed(checkpoint_path, f"the checkpoint cannot be read back ({error})") from error

    return PacedTrainer


def _arguments(learner: Learner, table: Table, *, order: Order) -> Any:
    from sentence_transformers import SentenceTransformerTrainingArguments

    device = learner.model.device.type
    return SentenceTransformerTrainingArguments(
        output_dir=order.scratch,
        max_steps=order.steps,
        per_device_train_batch_size=order.batch,
        learning_rate=order.rate,
        weight_decay=0.01,
        batch_sampler=sampler(_plan(table, order=order), seed=order.seed, multiple=ranks.count()),
        accelerator_config={"even_batches": False},  # they are even, and have no size in rows
        remove_unused_columns=False,
        eval_strategy="no",
        save_strategy="no",  # the follower says when
        save_total_limit=2,
        logging_strategy="steps",
        logging_steps=_LOGGED,
        report_to="none",
        disable_tqdm=True,
        use_cpu=device == "cpu",
        bf16=learner.fast,
        seed=order.seed,
        data_seed=order.seed,
        dataloader_pin_memory=device != "cpu",
        ddp_find_unused_parameters=ranks.count() > 1 or None,  # many encoders carry a pooler that nothing reads
    )


def _plan(table: Table, *, order: Order) -> Plan:
    return Plan(table.stakes(), look_alikes(table, seed=order.seed))


def _follower(
    learner: Learner, attention: Attention, *, order: Order, pace: Pace, course: Course | None, progress: Progress
) -> Any:
    """Keeps the pace, validates when it is time, asks for checkpoints, and ends the training when all is done."""
    from transformers import TrainerCallback

    saved = time.monotonic()

    class Follower(TrainerCallback):  # type: ignore[misc]  # the library is not typed
        """The Trainer calls these by name with the same leading arguments."""

        def on_step_end(self, _: object, state: Any, control: Any, **__: object) -> Any:
            wish = (pace.look(state.global_step), 0.0, 0.0)
            if course is not None:
                progress("train", state.global_step if order.seconds == float("inf") else int(1000 * wish[0]), _total(order))
                pace.share = wish[0]
                goes_on = True
                if course.due():
                    with attention.looking():
                        goes_on = course.validate(learner, step=state.global_step)
                keep = time.monotonic() - saved >= order.checkpoint_s
                wish = (wish[0], float(not goes_on or wish[0] >= 1), float(keep))
            pace.share, ends, keeps = ranks.agreed(wish, device=learner.model.device)
            control.should_training_stop = control.should_training_stop or bool(ends)
            control.should_save = bool(keeps) and not ends
            return control

        def on_save(self, _: object, state: Any, *__: object, **___: object) -> None:
            nonlocal saved
            saved = time.monotonic()
            if course is not None:
                course.keep(Path(order.scratch) / f"checkpoint-{state.global_step}")

        def on_log(self, _: object, state: Any, __: object, logs: Mapping[str, float] | None = None, **___: object) -> None:
            if course is not None and logs and "loss" in logs:
                course.losses.append(float(logs["loss"]))
                facts = {name: logs[name] for name in ("loss", "learning_rate", "grad_norm") if name in logs}
                course.log("training", {"rung": order.name, "step": state.global_step, **facts})

    return Follower()


def _total(order: Order) -> int:
    return order.steps if order.seconds == float("inf") else 1000
