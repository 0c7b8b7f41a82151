"""Which weights learn: the upper layers of a transformer, without dropout; what lies below keeps what the base knows.

Where nothing below learns, nothing is carried back through it either: with half of the layers frozen an update takes half the
time. It forgets less, too (figures in ``docs/training.md``).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from transvase.core.training.weights.learner import Learner

_RATES: Final = ("dropout", "attention_dropout", "hidden_dropout", "activation_dropout")
"""Names under which transformers keep a dropout rate as a plain number."""


@contextmanager
def upper_layers(learner: Learner, *, freeze: float) -> Iterator[int]:
    """Let this share of the layers, from below, and the word embeddings stay as they are; gives how many layers do.

    A model without layers to count, or a share of 0, learns whole. What learnt before learns again afterwards.
    """
    frozen, count = _below(learner.model[0], freeze), 0
    changed = [weight for module in frozen for weight in module.parameters() if weight.requires_grad]
    count = max(0, len(frozen) - 1)
    for weight in changed:
        weight.requires_grad_(False)
    try:
        yield count
    finally:
        for weight in changed:
            weight.requires_grad_(True)


@contextmanager
def without_dropout(learner: Learner) -> Iterator[None]:
    """Switch all dropout off: on short runs it costs time and gains nothing."""
    import torch

    before: list[tuple[Any, str, float]] = []
    for module in learner.model.modules():
        if isinstance(module, torch.nn.Dropout):
            before.append((module, "p", module.p))
            module.p = 0.0
        for name in _RATES:
            if isinstance(rate := vars(module).get(name), float):
                before.append((module, name, rate))
                setattr(module, name, 0.0)
    try:
        yield
    finally:
        for module, name, rate in before:
            setattr(module, name, rate)


def _below(body: Any, share: float) -> list[Any]:
    """The embeddings and the lowest layers: the longest list of modules in the body is taken for its layers."""
    import torch

    stacks = [module for module in body.modules() if isinstance(module, torch.nn.ModuleList)]
    layers: list[Any] = list(max(stacks, key=len, default=[]))
    count = int(share * len(layers))
    if not count:
        return []
    inner = getattr(body, "model", body)
    embeddings = getattr(inner, "embeddings", None) or inner.get_input_embeddings()
    return [embeddings, *layers[:count]]
