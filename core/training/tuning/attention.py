"""How attention is computed while a model learns: by plain matrix products where bf16 is arithmetic of the processor.

torch's fused attention is the fastest way forwards everywhere, and on a processor a slow way back: with AMX, 64 answers and 144
questions of all-MiniLM-L6-v2 took 2.8 s an update with it and 1.2 s without (one core, bf16, half of the layers frozen), since
everything around it had become matrix products; in float32 2.7 s and 3.4 s. So it is left for the time of learning in bf16, and
comes back for every validation in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from transvase.core.training.weights.learner import Learner

_FUSED: Final = "sdpa"
_PLAIN: Final = "eager"


class Attention:
    """The parts of one model whose attention is fused, and can be computed plainly for a while."""

    def __init__(self, learner: Learner) -> None:
        plainly = learner.fast and learner.model.device.type == "cpu"
        self._parts = _fused(learner.model) if plainly else []

    @contextmanager
    def learning(self) -> Iterator[None]:
        """Plain inside, fused again afterwards."""
        with self._switched(_PLAIN, _FUSED):
            yield

    @contextmanager
    def looking(self) -> Iterator[None]:
        """Fused inside, for a validation in the midst of learning; plain again afterwards."""
        with self._switched(_FUSED, _PLAIN):
            yield

    @contextmanager
    def _switched(self, inside: str, after: str) -> Iterator[None]:
        for part in self._parts:
            part.set_attn_implementation(inside)
        try:
            yield
        finally:
            for part in self._parts:
                part.set_attn_implementation(after)


def _fused(model: Any) -> list[Any]:
    from transformers import PreTrainedModel

    found = [module for module in model.modules() if isinstance(module, PreTrainedModel)]
    return [module for module in found if module.config._attn_implementation == _FUSED]  # noqa: SLF001  # there is no other way to ask
