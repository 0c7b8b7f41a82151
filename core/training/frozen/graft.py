"""Puts a matrix behind a model, by files alone: nothing is loaded, no weight is written anew, no prompt can be lost.

Behind a sentence-transformers model the matrix becomes modules of it (Dense without bias and Normalize; behind a Router on
the query's route alone), so that plain sentence-transformers gives the same vectors. Behind anything else (an ONNX export,
an endpoint, another adapter) it becomes an adapter directory, which only Transvase reads.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.encoders import directory_of, is_remote, load, space_of, write_space
from transvase.core.encoders.adapted import probe
from transvase.core.encoders.adapter_directory import WITHIN, is_adapter, write_adapter
from transvase.core.encoders.matrix_file import write_matrix
from transvase.core.encoders.model_directory import read_modules, space_of_directory
from transvase.core.encoders.onnx import is_export
from transvase.core.encoders.tail import DENSE, DROPOUT, NORMALIZE, PASSING, ROUTER, ROUTER_FILE, Module
from transvase.core.errors import BadValue, Unfit
from transvase.core.outdir import complete_or_absent
from transvase.core.space import Side, Space

_KEPT: Final = (".json", ".safetensors", ".txt", ".model", ".jinja")
_NOT_KEPT: Final = ("space.json", "training.json", "export.json", "data_config.json")
"""Records about the base, which would be untrue of what it becomes."""
_BASE: Final = "base"
_USUAL: Final[Mapping[str, object]] = {
    "module_input_name": "sentence_embedding",
    "module_output_name": "sentence_embedding",
}


def graft(base: str, out: Path, *, matrix: NDArray[np.float32], side: Side) -> Space:
    """Write the model ``base`` (ENC) with a matrix behind it to the new directory ``out`` and give its Space.

    It is written whole or not at all. ``matrix`` is (dimension of the base, new dimension), float32. BadValue when it does not
    fit, when it would leave the queries in another dimension than the documents, or when ``out`` is taken; else as for
    loading the base.
    """
    with complete_or_absent(out) as place:
        return graft_into(place, base, matrix=matrix, side=side)


def graft_into(place: Path, base: str, *, matrix: NDArray[np.float32], side: Side) -> Space:
    """The same into a directory that is there and empty; what was begun stays when it fails."""
    if not is_remote(base):
        directory = directory_of(base)
        if not is_adapter(directory) and not is_export(directory):
            source = space_of_directory(directory)
            return _behind(directory, place, matrix=_fitting(matrix, source, side), side=side, unit=source.normalised)
        source = space_of(base)
        matrix = _fitting(matrix, source, side)
        with _on_disk(place):
            shutil.copytree(directory, place / _BASE)
        return write_adapter(place, WITHIN + _BASE, source=source, side=side, matrix=matrix, probed=None)
    encoder = load(base)
    matrix = _fitting(matrix, encoder.space, side)
    seen = probe(encoder).matrix
    return write_adapter(place, base, source=encoder.space, side=side, matrix=matrix, probed=seen)


def cut(base: str, out: Path, *, dimension: int) -> Space:
    """Write ``base`` cut to its first dimensions (Matryoshka) to the new directory ``out``; its vectors have unit length.

    BadValue unless ``dimension`` is smaller than what the base has; else as ``graft``.
    """
    return graft(base, out, matrix=cutting(space_of(base).dimension, dimension), side=Side.BOTH)


def cutting(width: int, dimension: int) -> NDArray[np.float32]:
    """The matrix (width, dimension) that keeps the first dimensions; BadValue unless 0 < dimension < width."""
    if not 0 < dimension < width:
        raise BadValue("dimension", dimension, why=f"a cut of {width} dimensions lies between 1 and {width - 1}")
    return np.eye(width, dimension, dtype=np.float32)


def _fitting(matrix: NDArray[np.float32], source: Space, side: Side) -> NDArray[np.float32]:
    """The matrix, if it can stand behind vectors of ``source``."""
    if matrix.ndim != 2 or matrix.dtype != np.float32 or matrix.shape[0] != source.dimension:
        told = (matrix.shape, str(matrix.dtype))
        raise BadValue("matrix", told, why=f"a float32 matrix with {source.dimension} rows is needed behind {source.id}")
    source.adapted("", dimension=matrix.shape[1], side=side)  # refuses what would part queries and documents
    if not np.isfinite(matrix).all() or not np.any(matrix, axis=0).any():
        raise BadValue("matrix", matrix.shape, why="it holds values that are not finite, or nothing but zeros")
    return matrix


def _behind(directory: Path, place: Path, *, matrix: NDArray[np.float32], side: Side, unit: bool) -> Space:
    modules = read_modules(directory)
    listed = json.loads((directory / "modules.json").read_text(encoding="utf-8-sig"))
    with _on_disk(place):
        _copy(directory, place, modules)
    number = len(listed)
    if side is Side.BOTH:
        _write_moving(place / f"{number}_Dense", place / f"{number + 1}_Normalize", matrix)
        added = [(f"{number}_Dense", DENSE), (f"{number + 1}_Normalize", NORMALIZE)]
    else:
        _write_router(place / f"{number}_Router", matrix, unit=unit)
        added = [(f"{number}_Router", ROUTER)]
    for path, kind in added:
        listed.append({"idx": len(listed), "name": str(len(listed)), "path": path, "type": kind})
    _write_json(place / "modules.json", listed)
    space = space_of_directory(place)
    write_space(place, space)
    return space


@contextmanager
def _on_disk(place: Path) -> Iterator[None]:
    """The disk's own errors, in our words."""
    try:
        yield
    except OSError as error:
        why = f"{place} cannot be written ({error.strerror or error})"
        raise Unfit(why, remedy="choose another place or free the disk") from error


def _copy(directory: Path, place: Path, modules: Sequence[Module]) -> None:
    """What the modules are made of; no card, no record, no graph of the base."""
    parts = {module.path.relative_to(directory).parts[0] for module in modules if module.path != directory}
    for path in sorted(directory.rglob("*")):
        inner = path.relative_to(directory)
        wanted = len(inner.parts) == 1 or inner.parts[0] in parts
        if wanted and path.is_file() and path.suffix in _KEPT and path.name not in _NOT_KEPT:
            (place / inner).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place / inner)


def _write_moving(dense: Path, unit: Path, matrix: NDArray[np.float32]) -> None:
    """A Dense with the matrix, and the normalisation behind it."""
    dense.mkdir(parents=True)
    unit.mkdir(parents=True)
    facts = {"in_features": matrix.shape[0], "out_features": matrix.shape[1], "bias": False, "activation_function": PASSING}
    _write_json(dense / "config.json", {**facts, **_USUAL})
    write_matrix(dense / "model.safetensors", matrix)
    _write_json(unit / "config.json", dict(_USUAL))


def _write_router(place: Path, matrix: NDArray[np.float32], *, unit: bool) -> None:
    """A Router whose document route does nothing: sentence-transformers wants a module there, so one that moves no vector."""
    idle = ("document_0_Normalize", NORMALIZE) if unit else ("document_0_Dropout", DROPOUT)
    _write_moving(place / "query_0_Dense", place / "query_1_Normalize", matrix)
    (place / idle[0]).mkdir()
    _write_json(place / idle[0] / "config.json", dict(_USUAL) if unit else {"dropout": 0.0})
    _write_json(
        place / ROUTER_FILE,
        {
            "types": {"query_0_Dense": DENSE, "query_1_Normalize": NORMALIZE, idle[0]: idle[1]},
            "structure": {"query": ["query_0_Dense", "query_1_Normalize"], "document": [idle[0]]},
            "parameters": {"default_route": "document", "allow_empty_key": True, "route_mappings": {}},
        },
    )


def _write_json(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
