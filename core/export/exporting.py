"""Writes a model as a graph that needs no torch, and measures what that costs before anything appears under the name asked for.

In fp32 the graph must speak the model's own Space, or it is refused. With 8-bit weights it becomes faster and smaller and,
below a cosine of ``FLOOR`` anywhere, a Space of its own: an index must then be filled and searched by the same variant.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.encoders import directory_of, load
from transvase.core.encoders.adapter_directory import is_adapter
from transvase.core.encoders.batching import BUDGET
from transvase.core.encoders.model_directory import space_of_directory
from transvase.core.encoders.onnx import MODEL, TOKENIZER, is_export, load_onnx
from transvase.core.encoders.space_file import digest_of_file, write_space
from transvase.core.encoders.torch import TorchEncoder, load_model, tokenizer_json
from transvase.core.errors import Unfit
from transvase.core.outdir import complete_or_absent
from transvase.core.ports import Progress
from transvase.core.space import FLOOR, Space

from .agreement import agreement
from .graph import quantise, write_graph
from .layers import Layers, taken_apart
from .trial import Trial
from .worth import Worth, hold, worth

PROOF: Final = 0.9999
"""The least cosine with torch of an fp32 graph, on every text; measured: 1.000000."""

REPORT: Final = "export.json"
_SAMPLE: Final = 100
"""Documents of the user's own whose cosines are looked at beside the proving texts."""


class Precision(StrEnum):
    """What the graph computes with."""

    FP32 = "fp32"
    INT8 = "int8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export made, and what was measured of it."""

    directory: str
    precision: Precision
    space: str
    same_space: bool
    """True where the export may write into, and search, an index that the model itself filled."""
    least_cosine: float
    mean_cosine: float
    compared: int
    """Pairs of vectors that were compared with torch's."""
    worth: Worth | None
    """None where no questions were at hand."""
    size: int
    """Bytes of the graph."""

    def as_json(self) -> dict[str, object]:
        """The same, by name."""
        return {
            "directory": self.directory,
            "precision": str(self.precision),
            "space": self.space,
            "same_space": self.same_space,
            "least_cosine": self.least_cosine,
            "mean_cosine": self.mean_cosine,
            "compared": self.compared,
            "worth": self.worth.as_json() if self.worth else None,
            "size": self.size,
        }


def export(
    enc: str, out: Path, *, precision: Precision = Precision.FP32, trial: Trial | None = None, progress: Progress
) -> Exported:
    """Export the model ``enc`` to the new directory ``out``.

    Nothing appears at ``out`` unless what was measured allows it. BadValue when ``out`` is taken, Unfit when the model cannot be
    exported, when an fp32 graph does not agree with torch, or when a variant loses more NDCG@10 than ``trial`` allows;
    UnknownName, ExtraMissing and EncoderFailed as for loading a model.
    """
    source = directory_of(enc)
    _exportable(source, name=enc)
    layers = taken_apart(source)
    own = [] if trial is None else list(trial.exam.documents[:_SAMPLE])
    with complete_or_absent(out) as place:
        progress("loading", 0, 0)
        model = load_model(source, device="cpu")
        model.max_seq_length = layers.base.max_length
        inner = layers.innermost(place)
        core = _written(model, layers, inner, precision=precision, name=enc, progress=progress)
        cosine, spoken = _spoken(core, inner, layers.base, precision=precision, texts=own, name=enc, progress=progress)
        space = layers.wrap(place, spoken)
        original = TorchEncoder(model, name=enc, space=space_of_directory(source), fast=False)
        if layers.tails:  # what matters then is the whole: graph and matrices together
            cosine = agreement(model, original.space, [load(str(place))], own, progress=progress)
        found = Exported(
            directory=str(out),
            precision=precision,
            space=space.id,
            same_space=space == original.space,
            least_cosine=float(cosine.min()),
            mean_cosine=float(cosine.mean()),
            compared=len(cosine),
            worth=_tried(original, place, trial=trial, progress=progress),
            size=(inner / MODEL).stat().st_size,
        )
        _write_report(found, place, name=out.name)
    return found


def _exportable(source: Path, *, name: str) -> None:
    if is_export(source) or is_adapter(source):
        raise Unfit(f"{name} is an export already", remedy="name the model that it was made from")
    space = space_of_directory(source)
    if space.pooling.endswith("without prompt") and (space.query_prompt or space.document_prompt):
        raise Unfit(f"{name} leaves its prompt out of pooling, which a graph cannot express", remedy="serve it with torch")


def _written(model: Any, layers: Layers, inner: Path, *, precision: Precision, name: str, progress: Progress) -> Any:
    """Write graph and tokenizer of the model without its adapters into ``inner``; that model, to compare the graph with."""
    core = layers.base_of(model)
    progress("writing the graph", 0, 0)
    write_graph(core, inner / MODEL, name=name)
    (inner / TOKENIZER).write_text(tokenizer_json(model, layers.base), encoding="utf-8")
    if precision is Precision.INT8:
        progress("making 8-bit weights", 0, 0)
        quantise(inner / MODEL, name=name)
    return core


def _spoken(
    model: Any, place: Path, space: Space, *, precision: Precision, texts: Sequence[str], name: str, progress: Progress
) -> tuple[NDArray[np.float64], Space]:
    """Compare the graph in ``place`` with the model, decide its Space and write that beside it; the cosines, and the Space."""
    alone = precision is Precision.INT8
    write_space(place, space, files=(MODEL, TOKENIZER), alone=alone)
    budgets = (1,) if alone else (BUDGET, 1, 2 * space.max_length)  # whole batches, one text at a time, in twos
    shapes = [load_onnx(place, name=name, budget=budget) for budget in budgets]
    cosine = agreement(model, space, shapes, texts, progress=progress)
    if precision is Precision.FP32 and not (cosine >= PROOF).all():
        raise Unfit(
            f"the graph of {name} does not agree with torch: least cosine {cosine.min():.6f}, needed {PROOF}",
            remedy="nothing was exported; serve it with torch",
        )
    if not (cosine >= FLOOR).all():
        space = replace(space, weights=digest_of_file(place / MODEL))
        write_space(place, space, files=(MODEL, TOKENIZER), alone=alone)
    return cosine, space


def _tried(original: TorchEncoder, place: Path, *, trial: Trial | None, progress: Progress) -> Worth | None:
    """What the export in ``place`` is worth beside the model; Unfit when it loses more than the trial allows."""
    if trial is None:
        return None
    found = worth(trial.exam, original, load(str(place)), asked_of=trial.asked_of, progress=progress)
    hold(found, most_loss=trial.most_loss)
    return found


def _write_report(found: Exported, place: Path, *, name: str) -> None:
    """What was measured, beside the graph; under the directory's own name, so that it stays true where it is moved whole."""
    facts = {**found.as_json(), "directory": name}
    (place / REPORT).write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")
