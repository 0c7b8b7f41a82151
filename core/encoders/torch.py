"""Runs a sentence-transformers model with torch: the only file of the encoders that imports it, and how it is made to behave.

Measured on two cores with AVX-512 BF16: autocast to bf16 encoded 1.7 times as fast on one processor and 0.6 times as fast on
another, at a least cosine of 0.9999 on both: so its speed is measured and not read off the processor's name. Threads that
spin while they wait train five times slower than one thread beside a busy neighbour.
"""

from __future__ import annotations

import os
import time
import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import EncoderFailed, ExtraMissing
from ..space import FLOOR, Role, Space, Vectors, cosines
from .batching import BUDGET, in_batches
from .model_directory import space_of_directory
from .probes import PROBES
from .processors import processors
from .tokens import Tokens, tokens_of

_BUDGET_ON_CARD: Final = 65536
_FAST_FLAGS: Final = frozenset({"avx512_bf16", "amx_bf16"})
_GAIN: Final = 1.3
"""How much faster a bf16 matrix product must be before bf16 pays: what lies between the products gains nothing."""


def import_torch() -> Any:
    """torch, set up for a machine that others use too. Call this before anything else that imports torch.

    Waiting threads sleep instead of spinning, and there are no more of them than processors given to this process.
    ExtraMissing without the extra ``train``.
    """
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    try:
        import torch
    except ImportError as error:
        raise ExtraMissing("train", needed_for="running a model with torch") from error
    torch.set_num_threads(max(1, min(torch.get_num_threads(), processors())))
    return torch


def load_model(directory: Path, *, device: str | None = None) -> Any:
    """The SentenceTransformer in ``directory``, float32, ready to encode. Nothing is fetched, no code of the model's own is run.

    ``device``: ``cpu``, ``cuda``…; None takes the card where there is one. EncoderFailed when it cannot be loaded.
    """
    torch = import_torch()
    try:
        from sentence_transformers import SentenceTransformer
        from transformers.utils import logging
    except ImportError as error:
        raise ExtraMissing("train", needed_for="running a model with torch") from error
    logging.disable_progress_bar()
    place = device or ("cuda" if torch.cuda.is_available() else "cpu")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = SentenceTransformer(str(directory), device=place, local_files_only=True)
            return model.float().eval()
    except Exception as error:  # torch, transformers and safetensors have no common root
        raise EncoderFailed(str(directory), f"cannot be loaded ({error})") from error


class TorchEncoder:
    """One loaded model. It may be used from several threads."""

    def __init__(self, model: Any, *, name: str, space: Space, fast: bool) -> None:
        self._model, self._name, self._space = model, name, space
        self._tokens = _tokens(model, space)
        self._inputs = frozenset(model.tokenizer.model_input_names)
        self._prompts = {Role.QUERY: space.query_prompt, Role.DOCUMENT: space.document_prompt}
        self._routed = any(type(module).__name__ == "Router" for module in model.children())
        self.fast = fast

    @property
    def name(self) -> str:
        """ENC as the operator gave it."""
        return self._name

    @property
    def space(self) -> Space:
        """The Space of the model's directory."""
        return self._space

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """Shape (len(texts), dimension). EncoderFailed when torch breaks or a value is not finite."""
        prompt = self._prompts[role]
        encodings = self._tokens.cut([prompt + text for text in texts])
        skipped = self._skipped(prompt)

        def run(positions: NDArray[np.intp]) -> NDArray[np.float32]:
            arrays = self._tokens.arrays([encodings[position] for position in positions])
            return self._forward(arrays, skipped, role)

        budget = BUDGET if self._model.device.type == "cpu" else _BUDGET_ON_CARD
        try:
            matrix = in_batches([len(e) for e in encodings], run, dimension=self._space.dimension, budget=budget)
        except Exception as error:  # torch raises RuntimeError, the card its own
            raise EncoderFailed(self._name, f"encoding failed ({error})") from error
        if not np.isfinite(matrix).all():
            raise EncoderFailed(self._name, "the model gave values that are not finite")
        return Vectors(self._space, matrix)

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text before it is cut, special ones included, the prompt not."""
        return self._tokens.count(texts)

    def _skipped(self, prompt: str) -> int:
        """Leading tokens that pooling must leave out: those of a prompt that the model excludes."""
        if not prompt or not self._space.pooling.endswith("without prompt"):
            return 0
        encoding = self._tokens.cut([prompt])[0]
        return len(encoding) - int(encoding.special_tokens_mask[-1])

    def _forward(self, arrays: dict[str, NDArray[np.int64]], skipped: int, role: Role) -> NDArray[np.float32]:
        torch = import_torch()
        device = self._model.device
        features: dict[str, Any] = {
            name: torch.from_numpy(array).to(device)
            for name, array in arrays.items()
            if name != "token_type_ids" or name in self._inputs
        }
        if skipped:
            features["prompt_length"] = skipped
        cast = torch.autocast(device.type, dtype=torch.bfloat16) if self.fast else nullcontext()
        with torch.inference_mode(), cast:
            given = {"task": str(role)} if self._routed else {}  # without it a Router takes everything for a document
            vectors = self._model(features, **given)["sentence_embedding"]
        vectors = vectors.float()
        if self._space.normalised:
            vectors = torch.nn.functional.normalize(vectors, dim=-1)
        result: NDArray[np.float32] = vectors.cpu().numpy()
        return result


def load_torch(directory: Path, *, name: str, fast: bool | None = None, device: str | None = None) -> TorchEncoder:
    """The encoder of a model directory. ``fast`` (bf16): None decides by speed and the probe texts, once, here.

    Unfit when the directory is damaged, EncoderFailed when torch cannot load or run it.
    """
    space = space_of_directory(directory)
    model = load_model(directory, device=device)
    model.max_seq_length = space.max_length
    encoder = TorchEncoder(model, name=name, space=space, fast=bool(fast))
    if fast is None and bf16_pays(model.device.type):
        encoder.fast = agrees(encoder, TorchEncoder(model, name=name, space=space, fast=True))
    return encoder


def agrees(plain: TorchEncoder, other: TorchEncoder) -> bool:
    """True when both ways of running the model agree on every probe text to the floor within which a Space is one."""
    try:
        pairs = ((plain.encode(PROBES, role), other.encode(PROBES, role)) for role in Role)
        return all(bool((cosines(one, two) >= FLOOR).all()) for one, two in pairs)
    except EncoderFailed:
        return False


def has_bf16(kind: str) -> bool:
    """True where bf16 is arithmetic of the hardware: cards that say so, processors with AVX-512 BF16 or AMX."""
    torch = import_torch()
    if kind == "cuda":
        return bool(torch.cuda.is_bf16_supported())
    if kind != "cpu":
        return False
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return False  # not Linux: the processor does not say
    return bool(_FAST_FLAGS.intersection(flags))


def bf16_pays(kind: str) -> bool:
    """True where bf16 is arithmetic of the hardware and, on a processor, a matrix product is seen to be faster in it."""
    if kind != "cpu" or not has_bf16(kind):
        return has_bf16(kind)
    torch = import_torch()
    best = {}
    for form in (torch.float32, torch.bfloat16):
        left, right = torch.ones(1024, 384, dtype=form), torch.ones(384, 1536, dtype=form)
        best[form] = min(_seconds(partial(torch.matmul, left, right)) for _ in range(12))
    return bool(best[torch.bfloat16] * _GAIN < best[torch.float32])


def _seconds(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _tokens(model: Any, space: Space) -> Tokens:
    """The model's own tokenizer as it was loaded, told to cut and pad as the model wants."""
    return tokens_of(tokenizer_json(model, space))


def tokenizer_json(model: Any, space: Space) -> str:
    """tokenizer.json of a loaded model, with the truncation and the padding that encoding uses written into it."""
    from tokenizers import Tokenizer

    outer = model.tokenizer
    tokenizer = Tokenizer.from_str(outer.backend_tokenizer.to_str())
    tokenizer.enable_truncation(space.max_length, direction=outer.truncation_side)
    pad = outer.pad_token or outer.eos_token or "[PAD]"
    tokenizer.enable_padding(
        direction=outer.padding_side,
        pad_id=int(outer.convert_tokens_to_ids(pad) or 0),
        pad_token=pad,
        pad_type_id=outer.pad_token_type_id,
    )
    return str(tokenizer.to_str())
