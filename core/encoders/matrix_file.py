"""Keeps one matrix in a safetensors file, as sentence-transformers' Dense keeps it, and reads it back without torch.

Dense holds its weight as (outputs, inputs) under ``linear.weight`` and multiplies from the other side; everywhere else a
matrix is (inputs, outputs), and a row of vectors is multiplied from the left.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..errors import BadValue
from .json_file import damaged
from .weights import Tensor, read_header

WEIGHT: Final = "linear.weight"
_KINDS: Final = {"F32": "<f4", "F16": "<f2", "F64": "<f8", "BF16": "<u2"}


def read_matrix(path: Path, name: str = WEIGHT) -> NDArray[np.float32]:
    """The matrix, float32, shape (inputs, outputs). Unfit when it is missing, damaged or not finite."""
    tensor = read_header(path).get(name)
    if tensor is None or len(tensor.shape) != 2 or tensor.dtype not in _KINDS or not all(tensor.shape):
        raise damaged(path, f"it holds no matrix {name!r} of floating numbers")
    matrix = np.ascontiguousarray(_values(tensor).T)
    if not np.isfinite(matrix).all():
        raise damaged(path, f"{name!r} holds values that are not finite")
    return matrix


def write_matrix(path: Path, matrix: NDArray[np.float32], name: str = WEIGHT) -> None:
    """Write the one matrix, given as (inputs, outputs). BadValue unless it is a finite float32 matrix."""
    if matrix.ndim != 2 or matrix.dtype != np.float32 or 0 in matrix.shape or not np.isfinite(matrix).all():
        raise BadValue("matrix", (matrix.shape, str(matrix.dtype)), why="a finite float32 matrix (inputs, outputs) is needed")
    rows = np.ascontiguousarray(matrix.T, dtype="<f4")
    facts = {name: {"dtype": "F32", "shape": list(rows.shape), "data_offsets": [0, rows.nbytes]}}
    header = json.dumps(facts).encode()
    header += b" " * (-len(header) % 8)  # the published layout wants the data aligned
    path.write_bytes(len(header).to_bytes(8, "little") + header + rows.tobytes())


def digest_of_matrix(matrix: NDArray[np.float32]) -> str:
    """SHA-256 of shape and values, whatever file or precision they were kept in."""
    plain = np.ascontiguousarray(matrix, dtype="<f4")
    return hashlib.sha256(json.dumps(plain.shape).encode() + plain.tobytes()).hexdigest()


def _values(tensor: Tensor) -> NDArray[np.float32]:
    with tensor.path.open("rb") as file:
        file.seek(tensor.start)
        raw = np.frombuffer(file.read(tensor.size), dtype=_KINDS[tensor.dtype])
    if tensor.dtype == "BF16":  # the upper half of a float32
        raw = (raw.astype(np.uint32) << 16).view(np.float32)
    return raw.astype(np.float32).reshape(tensor.shape)
