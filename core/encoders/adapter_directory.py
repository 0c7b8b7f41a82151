"""A linear adapter in a directory of its own, for a base that has no modules to put it behind: an ONNX export, an endpoint.

``adapter.json``: the base (ENC; one that begins with ``./`` lies within the directory), the side, the facts of the base's
Space. ``adapter.safetensors``: the matrix, as sentence-transformers' Dense keeps it. ``probes.safetensors``: only where the
base's content cannot be seen (an endpoint), the vectors it gave for the probe texts. ``space.json`` vouches for them all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from ..errors import BadValue
from ..space import Side, Space
from .json_file import damaged, read_object
from .matrix_file import digest_of_matrix, read_matrix, write_matrix
from .space_file import NAME, read_space, write_space

ADAPTER: Final = "adapter.json"
MATRIX: Final = "adapter.safetensors"
PROBED: Final = "probes.safetensors"
WITHIN: Final = "./"
_PROBED_NAME: Final = "vectors"


@dataclass(frozen=True, slots=True, eq=False)
class Adapter:
    """What an adapter directory says."""

    base: str
    """ENC of the base, ready to load."""
    source: Space
    """The Space of the base when the adapter was made."""
    space: Space
    side: Side
    matrix: NDArray[np.float32]
    """(source dimension, dimension)."""
    probed: NDArray[np.float32] | None
    """What the base gave for the probe texts, as documents, where that was recorded."""


def is_adapter(directory: Path) -> bool:
    """True when ``directory`` is an adapter, be it whole or damaged."""
    return (directory / ADAPTER).exists() and not (directory / "modules.json").exists()


def read_adapter(directory: Path) -> Adapter:
    """The adapter in ``directory``, its files found as recorded; Unfit when one is missing, damaged or does not fit."""
    path = directory / ADAPTER
    facts = read_object(path)
    space = read_space(directory, files=(ADAPTER, MATRIX))
    base, source, side = _base(directory, facts), _source(path, facts), _side(path, facts)
    matrix = read_matrix(directory / MATRIX)
    if matrix.shape[0] != source.dimension or space != adapted(source, matrix, side=side):
        raise damaged(directory / NAME, f"its space is not that of {ADAPTER} and {MATRIX}")
    probed = read_matrix(directory / PROBED, _PROBED_NAME).T if (directory / PROBED).exists() else None
    return Adapter(base, source, space, side, matrix, probed)


def write_adapter(
    directory: Path, base: str, *, source: Space, side: Side, matrix: NDArray[np.float32], probed: NDArray[np.float32] | None
) -> Space:
    """Write an adapter of ``base`` (ENC) into the directory, which is there, and give its Space.

    ``probed``: rows that the base gave for the probe texts, for a base whose content cannot be seen. BadValue when the
    matrix does not fit the base.
    """
    space = adapted(source, matrix, side=side)
    write_matrix(directory / MATRIX, matrix)
    files = [ADAPTER, MATRIX]
    if probed is not None:
        write_matrix(directory / PROBED, np.ascontiguousarray(probed.T), _PROBED_NAME)
        files.append(PROBED)
    facts = {"base": base, "side": str(side), "dimension": space.dimension, "source": source.as_json()}
    (directory / ADAPTER).write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    write_space(directory, space, files=files)
    return space


def adapted(source: Space, matrix: NDArray[np.float32], *, side: Side) -> Space:
    """The Space that the matrix leads to; BadValue when it does not take the vectors of ``source``."""
    if matrix.ndim != 2 or matrix.shape[0] != source.dimension:
        raise BadValue("matrix", matrix.shape, why=f"vectors of {source.id} have {source.dimension} dimensions")
    return source.adapted(digest_of_matrix(matrix), dimension=matrix.shape[1], side=side)


def _base(directory: Path, facts: Mapping[str, object]) -> str:
    base = facts.get("base")
    if not isinstance(base, str) or not base:
        raise damaged(directory / ADAPTER, "'base' must name a model")
    if not base.startswith(WITHIN):
        return base
    if ".." in Path(base).parts:
        raise damaged(directory / ADAPTER, f"{base!r} leads out of the directory")
    return str(directory / base)


def _source(path: Path, facts: Mapping[str, object]) -> Space:
    source = facts.get("source")
    if not isinstance(source, dict):
        raise damaged(path, "'source' must be the facts of a space")
    try:
        return Space.from_json(source)
    except BadValue as error:
        raise damaged(path, str(error)) from error


def _side(path: Path, facts: Mapping[str, object]) -> Side:
    try:
        return Side(str(facts.get("side")))
    except ValueError as error:
        raise damaged(path, f"'side' must be {' or '.join(Side)}") from error
