"""The model while it learns: loading it, encoding with the weights of this moment, and the length it reads.

Loading is the encoders' own, so that threads and precision are set up in one place.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.encoders import directory_of, write_space
from transvase.core.encoders import load as load_encoder
from transvase.core.encoders.onnx import is_export
from transvase.core.encoders.torch import bf16_pays, import_torch, load_model
from transvase.core.errors import BadValue, EncoderFailed
from transvase.core.space import FLOOR, Role, Vectors, cosines
from transvase.core.training.settings import check_device_name

from .memory import halving

_PROMPT_NAMES: Final = {Role.QUERY: ("query",), Role.DOCUMENT: ("document", "passage", "corpus")}
"""The names under which sentence-transformers looks for each role's prompt, in its order."""

_BLOCK: Final = 256
_ADVICE: Final = "free some, take a smaller model, or let it read less (max_seq_length in its sentence_bert_config.json)"


@dataclass(slots=True)
class Portion:
    """How many texts are encoded at a time: fewer for the rest of a run once memory has run out."""

    size: int = 32


@dataclass(frozen=True, slots=True, eq=False)
class Learner:
    """A sentence-transformers model in memory. ``serving_length`` is what it reads outside training, and what is saved."""

    model: Any
    name: str
    serving_length: int
    fast: bool = False
    """Whether it computes in bf16 where that is safe: measured to be faster on this machine."""
    portion: Portion = field(default_factory=Portion)

    @property
    def prompts(self) -> dict[Role, str]:
        """The model's own prompts: training uses exactly these, so that what is saved is what was trained."""
        return {role: self._prompt(role) for role in Role}

    @property
    def router(self) -> bool:
        """Whether queries and documents go through different modules."""
        return type(self.model[0]).__name__ == "Router"

    def _prompt(self, role: Role) -> str:
        prompts = self.model.prompts or {}
        fallback = getattr(self.model, "default_prompt_name", None)
        name = next((name for name in _PROMPT_NAMES[role] if name in prompts), fallback)
        return str(prompts.get(name) or "") if name else ""

    def weights(self) -> dict[str, Any]:
        """A copy of all weights, on the processor: what ``restore`` takes back."""
        return {name: tensor.detach().cpu().clone() for name, tensor in self.model.state_dict().items()}

    def restore(self, weights: Mapping[str, Any]) -> None:
        """Put weights back that ``weights`` gave; EncoderFailed when they are not this model's."""
        try:
            self.model.load_state_dict(dict(weights), strict=True)
        except RuntimeError as error:
            raise EncoderFailed(self.name, f"weights of another model ({error})") from error
        self.model.eval()

    def digest(self) -> str:
        """SHA-256 over names and bytes of the weights of this moment, and over what else changes a vector: the cache key."""
        facts = hashlib.sha256(repr((self.serving_length, sorted(self.prompts.items()))).encode())
        for name, tensor in sorted(self.model.state_dict().items()):
            facts.update(name.encode())
            facts.update(np.ascontiguousarray(tensor.detach().float().cpu().numpy()).tobytes())
        return facts.hexdigest()


def load(base: str, *, device: str | None = None, prompt_query: str | None = None, prompt_document: str | None = None) -> Learner:
    """The base model with float32 weights, on the GPU where there is one; ExtraMissing, UnknownName, BadValue, EncoderFailed.

    Prompts that are given take the place of the base's: they are trained with, saved, and part of the new Space.
    """
    check_device(device)
    model = load_model(_directory(base), device=device)
    model.model_card_data.local_files_only = True  # the library would look for the base on a hub
    for role, prompt in ((Role.QUERY, prompt_query), (Role.DOCUMENT, prompt_document)):
        if prompt is not None:
            model.prompts = {**(model.prompts or {}), role.value: prompt}
    return Learner(model, base, int(model.max_seq_length), fast=bf16_pays(model.device.type))


def check_device(device: str | None) -> None:
    """BadValue when a device was asked for that this machine, or this build of torch, does not have."""
    check_device_name(device)
    if device is None or device == "cpu":
        return
    torch = import_torch()
    number = device.partition(":")[2]
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(number or 0) >= there:
        raise BadValue("device", device, why=f"torch sees {there} such cards here; leave --device out, or choose cpu")


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
    """Rows for the texts with the weights of this moment, at most ``length`` tokens each; ``passed`` hears how many are done.

    Where memory runs out, fewer are encoded at a time, from then on. EncoderFailed when one is too many, or the model breaks.
    """
    blocks = []
    with reading(learner, length), _precision(learner):
        for start in range(0, len(texts), _BLOCK):
            blocks.append(_rows(learner, list(texts[start : start + _BLOCK]), role))
            passed(min(len(texts), start + _BLOCK))
    return np.concatenate(blocks) if blocks else np.empty((0, learner.model.get_embedding_dimension()), dtype=np.float32)


def _rows(learner: Learner, texts: list[str], role: Role) -> NDArray[np.float32]:
    way = learner.model.encode_query if role is Role.QUERY else learner.model.encode_document

    def attempt(size: int) -> NDArray[np.float32]:
        return np.asarray(way(texts, batch_size=size, show_progress_bar=False, convert_to_numpy=True), dtype=np.float32)

    def again(size: int) -> None:
        learner.portion.size = size

    try:
        return halving(learner.portion.size, attempt, least=1, advice=_ADVICE, again=again)
    except EncoderFailed:
        raise
    except Exception as error:  # torch and the tokenizers have no common root
        raise EncoderFailed(learner.name, f"encoding failed ({error})") from error


def _precision(learner: Learner) -> Any:
    """bf16 where it is faster: the vectors' cosine to float32's was measured at 0.99997."""
    if not learner.fast:
        return nullcontext()
    import torch

    return torch.autocast(learner.model.device.type, dtype=torch.bfloat16)


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
