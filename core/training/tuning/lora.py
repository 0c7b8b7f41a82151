"""Low-rank updates for bases too large to be trained whole: attached before a fine-tuning, merged into the weights after it.

What is saved is a plain model: nothing that serves it has to know that peft was there (Hu et al. 2021).
"""

from __future__ import annotations

from typing import Any

from transvase.core.errors import BadValue, ExtraMissing
from transvase.core.training.weights.learner import Learner


def check_extra() -> None:
    """ExtraMissing without peft."""
    try:
        import peft  # noqa: F401  # asked for, not used
    except ImportError as error:
        raise ExtraMissing("lora", needed_for="training a low-rank update") from error


def attach(learner: Learner, *, rank: int, seed: int) -> None:
    """Freeze the transformer and give all its linear layers an update of this rank; ExtraMissing without peft."""
    check_extra()
    import torch
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(seed)  # the update's first half is drawn
    body = _body(learner)
    config = LoraConfig(r=rank, lora_alpha=2 * rank, lora_dropout=0.0, target_modules="all-linear", bias="none")
    body.model = get_peft_model(body.model, config)
    body.model.to(learner.model.device)


def merge(learner: Learner) -> None:
    """Add the update to the weights and let go of peft: the model has its own names again."""
    body = _body(learner)
    body.model = body.model.merge_and_unload()
    _learns_whole(learner)


def detach(learner: Learner) -> None:
    """Let go of peft and of the update: of a fine-tuning that broke off, whose next attempt begins with the model's own names."""
    body = _body(learner)
    body.model = body.model.unload()
    _learns_whole(learner)


def _learns_whole(learner: Learner) -> None:
    for weight in learner.model.parameters():
        weight.requires_grad_(True)


def _body(learner: Learner) -> Any:
    body = learner.model[0]
    if not hasattr(body, "model"):
        raise BadValue("lora", type(body).__name__, why="the base's first module is no transformer; leave --lora out")
    return body
