"""Digests the weights of a module without a tensor library; knows the safetensors layout and what is no parameter in it.

The layout is public: eight bytes little-endian length, a JSON header of that length, then the raw tensors.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..errors import Unfit
from .json_file import damaged, read_object

_BYTES: Final = {
    "BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "U16": 2, "I16": 2, "F16": 2, "BF16": 2,
    "U32": 4, "I32": 4, "F32": 4, "U64": 8, "I64": 8, "F64": 8,
}  # fmt: skip
_HEADER_LIMIT: Final = 100_000_000
"""The format's own bound on the header."""
_CHUNK: Final = 1 << 22
_IDLE: Final = re.compile(
    r"(^|\.)(position_ids|token_type_ids|rotary_emb\.inv_freq)$|^(pooler|cls|lm_head|vocab_\w+|qa_outputs|classifier)\."
)
"""Buffers that are computed and not learnt, and heads that a sentence embedding never passes through: savers drop or add
them at will."""


@dataclass(frozen=True, slots=True)
class Tensor:
    """Where one tensor's raw bytes lie."""

    path: Path
    dtype: str
    shape: tuple[int, ...]
    start: int
    size: int


def digest_of_weights(directory: Path, *, prefix: str = "") -> str:
    """SHA-256 over names, types, shapes and bytes of the parameters in ``directory``, sorted by name.

    Names lose ``prefix`` (``bert.``), under which a model saved with a head keeps its body. Unfit when the weights are
    missing, cut short or in a form that only a pickle can read.
    """
    tensors = {_plain(name, prefix): tensor for path in _files(directory) for name, tensor in read_header(path).items()}
    kept = {name: tensor for name, tensor in tensors.items() if not _IDLE.search(name)}
    if not kept:
        raise damaged(directory, "its weight files hold no parameters")
    digest = hashlib.sha256()
    for name in sorted(kept):
        tensor = kept[name]
        digest.update(json.dumps([name, tensor.dtype, tensor.shape]).encode())
        for chunk in _content(tensor):
            digest.update(chunk)
    return digest.hexdigest()


def read_header(path: Path) -> dict[str, Tensor]:
    """The tensors of one safetensors file by name; Unfit when the header is garbled or the file shorter than it says."""
    try:
        size = path.stat().st_size
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if size < 8 or not 2 <= length <= min(_HEADER_LIMIT, size - 8):
                raise damaged(path, f"not a safetensors file, or cut short ({size} bytes)")
            header = json.loads(file.read(length))
    except FileNotFoundError as error:
        raise damaged(path, "the file is missing") from error
    except OSError as error:
        raise damaged(path, f"the file cannot be read ({error.strerror or error})") from error
    except ValueError as error:
        raise damaged(path, f"its header is not valid JSON ({error})") from error
    if not isinstance(header, dict):
        raise damaged(path, "its header is not a JSON object")
    return {name: _tensor(path, name, facts, 8 + length, size) for name, facts in header.items() if name != "__metadata__"}


def _tensor(path: Path, name: str, facts: object, base: int, file_size: int) -> Tensor:
    try:
        dtype, shape = str(facts["dtype"]), tuple(int(n) for n in facts["shape"])  # type: ignore[index]  # proved here
        start, end = (int(n) for n in facts["data_offsets"])  # type: ignore[index]
        right = end - start == math.prod(shape) * _BYTES[dtype] and start >= 0
    except (KeyError, TypeError, ValueError) as error:
        raise damaged(path, f"its header is wrong about {name!r}") from error
    if not right:
        raise damaged(path, f"its header is wrong about {name!r}")
    if base + end > file_size:
        raise damaged(path, f"cut short: {name!r} would end at byte {base + end} of {file_size}")
    return Tensor(path, dtype, shape, base + start, end - start)


def _files(directory: Path) -> list[Path]:
    """The weight files: one, or the shards that an index names."""
    single, index = directory / "model.safetensors", directory / "model.safetensors.index.json"
    if single.exists():
        return [single]
    if index.exists():
        parts = read_object(index).get("weight_map")
        if not isinstance(parts, dict) or not parts:
            raise damaged(index, "it names no shards")
        return [directory / Path(str(part)).name for part in sorted(set(parts.values()))]
    if (directory / "pytorch_model.bin").exists():
        raise Unfit(
            f"{directory / 'pytorch_model.bin'}: pickled weights are not read",
            remedy="save the model as safetensors: SentenceTransformer(DIR).save_pretrained(NEW)",
        )
    raise damaged(single, "the file is missing")


def _plain(name: str, prefix: str) -> str:
    """A tensor's name as savers of today write it."""
    short = name.removeprefix(prefix) if prefix else name
    return re.sub(r"(LayerNorm|layer_norm)\.gamma$", r"\1.weight", re.sub(r"(LayerNorm|layer_norm)\.beta$", r"\1.bias", short))


def _content(tensor: Tensor) -> Iterator[bytes]:
    with tensor.path.open("rb") as file:
        file.seek(tensor.start)
        left = tensor.size
        while left:
            chunk = file.read(min(left, _CHUNK))
            if not chunk:
                raise damaged(tensor.path, "it became shorter while it was read")
            left -= len(chunk)
            yield chunk
