"""The model while it learns: loading it, encoding with the weights of this moment, and the length it reads.

Loading is the encoders' own, so that threads and precision are set up in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.encoders import directory_of, write_space
from transvase.core.encoders import load as load_encoder
from transvase.core.encoders.onnx import is_export
from transvase.core.encoders.torch import load_model
from transvase.core.errors import BadValue, EncoderFailed
from transvase.core.space import FLOOR, Role, Vectors, cosines

_PROMPT_NAMES: Final = {Role.QUERY: ("query",), Role.DOCUMENT: ("document", "passage", "corpus")}
"""The names under which sentence-transformers looks for each role's prompt, in its order."""

_BATCH: Final = 32
_BLOCK: Final = 256


@dataclass(frozen=True, slots=True, eq=False)
class Learner:
    """A sentence-transformers model in memory. ``serving_length`` is what it reads outside training, and what is saved."""

    model: Any
    name: str
    serving_length: int

    @property
    def prompts(self) -> dict[Role, str]:
        """The model's own prompts: training uses exactly these, so that what is saved is what was trained."""
        return {role: self._prompt(role) for role in Role}

    def _prompt(self, role: Role) -> str:
        prompts = self.model.prompts or {}
        fallback = getattr(self.model, "default_prompt_name", None)
        name = next((name for name in _PROMPT_NAMES[role] if name in prompts), fallback)
        return str(prompts.get(name) or "") if name else ""


def load(base: str) -> Learner:
    """The base model with float32 weights, on the GPU where there is one; ExtraMissing, UnknownName, BadValue, EncoderFailed."""
    model = load_model(_directory(base))
    model.model_card_data.local_files_only = True  # the library would look for the base on a hub
    return Learner(model, base, int(model.max_seq_length))


def _directory(base: str) -> Path:
    directory = directory_of(base)
    if is_export(directory):
        raise BadValue("base", base, why="an ONNX export cannot be trained; name the model that it was made from")
    return directory


def encode(
    learner: Learner,
    texts: Sequence[str],
    role: Role,
    *,
    length: int,
    passed: Callable[[int], None] = lambda _: None,
) -> NDArray[np.float32]:
    """Rows for the texts with the weights of this moment, at most ``length`` tokens each; ``passed`` hears how many are done."""
    way = learner.model.encode_query if role is Role.QUERY else learner.model.encode_document
    blocks = []
    with reading(learner, length):
        for start in range(0, len(texts), _BLOCK):
            block = list(texts[start : start + _BLOCK])
            blocks.append(
                np.asarray(way(block, batch_size=_BATCH, show_progress_bar=False, convert_to_numpy=True), dtype=np.float32)
            )
            passed(min(len(texts), start + _BLOCK))
    return np.concatenate(blocks)


@contextmanager
def reading(learner: Learner, length: int) -> Iterator[None]:
    """Let the model read ``length`` tokens for a while; what it read before comes back whatever happens."""
    before = learner.model.max_seq_length
    learner.model.max_seq_length = min(length, learner.serving_length)
    try:
        yield
    finally:
        learner.model.max_seq_length = before


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the library's own progress bars off the terminal: ours are enough."""
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def save(learner: Learner, directory: Path) -> str:
    """Write the model in sentence-transformers layout with its Space beside it, read it back, compare; the Space's id.

    The library's own model card quotes training rows, so it is not written. EncoderFailed when what was written does not
    encode as the model in memory does.
    """
    learner.model.max_seq_length = learner.serving_length
    with quiet():
        learner.model.save_pretrained(str(directory), create_model_card=False)
        written = load_encoder(str(directory))
    write_space(directory, written.space)
    texts = ["a short text", "How are vectors of two spaces told apart?", "def area(radius): return 3.14159 * radius ** 2"]
    for role in Role:
        ours = Vectors(written.space, encode(learner, texts, role, length=learner.serving_length))
        least = float(cosines(ours, written.encode(texts, role)).min())
        if least < FLOOR:
            raise EncoderFailed(str(directory), f"it encodes another way than the model that was trained (cosine {least:.4f})")
    return written.space.id
