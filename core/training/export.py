"""Writes a model as an ONNX graph that needs no torch, and proves that it still speaks the same Space.

The whole pipeline (transformer, pooling, normalisation) becomes one graph, through torch's own exporter. The proof runs
before anything appears under the name asked for: texts of all sorts, in batches of several shapes, in both roles, against
sentence-transformers itself in float32.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from transvase.core.encoders import directory_of
from transvase.core.encoders.batching import BUDGET
from transvase.core.encoders.model_directory import space_of_directory
from transvase.core.encoders.onnx import MODEL, OUTPUT, TOKENIZER, is_export, load_onnx
from transvase.core.encoders.probes import proving_texts
from transvase.core.encoders.space_file import write_space
from transvase.core.encoders.tokens import legible
from transvase.core.encoders.torch import import_torch, load_model, tokenizer_json
from transvase.core.errors import EncoderFailed, Unfit
from transvase.core.ports import Progress
from transvase.core.space import Role, Space, Vectors, cosines

PROOF: Final = 0.9999
"""The least cosine with torch on every text; measured: 1.000000."""
TEXTS: Final = 200
_SINGLES: Final = 24
"""Texts that are also encoded alone."""
_OPSET: Final = 17


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """What an export made, and how well it agreed."""

    directory: str
    space: str
    least_cosine: float
    compared: int
    """Pairs of vectors that were compared."""
    size: int
    """Bytes of the graph."""

    def as_json(self) -> dict[str, object]:
        """The same, by name."""
        return asdict(self)


def export(enc: str, out: Path, *, progress: Progress) -> Exported:
    """Export the model ``enc`` to the new directory ``out``.

    Nothing appears at ``out`` unless every proving text agrees. Unfit when ``out`` is taken, when the model cannot be
    exported or when it does not agree; UnknownName, ExtraMissing and EncoderFailed as for loading a model.
    """
    source = directory_of(enc)
    if is_export(source):
        raise Unfit(f"{enc} is an export already", remedy="name the model that it was made from")
    space = space_of_directory(source)
    if space.pooling.endswith("without prompt") and (space.query_prompt or space.document_prompt):
        raise Unfit(f"{enc} leaves its prompt out of pooling, which a graph cannot express", remedy="serve it with torch")
    with _beside(out) as place:
        progress("loading", 0, 0)
        model = load_model(source, device="cpu")
        model.max_seq_length = space.max_length
        progress("writing the graph", 0, 0)
        _write_graph(model, place / MODEL, name=enc)
        (place / TOKENIZER).write_text(tokenizer_json(model, space), encoding="utf-8")
        write_space(place, space, files=(MODEL, TOKENIZER))
        figures = _prove(model, place, space, name=enc, progress=progress)
    least, compared = float(figures.min()), len(figures)
    size = (out / MODEL).stat().st_size
    return Exported(directory=str(out), space=space.id, least_cosine=least, compared=compared, size=size)


@contextmanager
def _beside(out: Path) -> Iterator[Path]:
    """A new directory on the same disk that becomes ``out`` if all goes well and vanishes if not."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise Unfit(f"{out} is there already", remedy="name a directory that does not exist yet")
    place: Path | None = None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        place = Path(tempfile.mkdtemp(prefix=f".{out.name}.", dir=out.parent))
        yield place
        place.chmod(0o755)
        os.replace(place, out)  # noqa: PTH105  # replaces an empty directory, refuses any other
    except OSError as error:
        raise Unfit(
            f"{out} cannot be written ({error.strerror or error})", remedy="choose another place or free the disk"
        ) from error
    finally:
        if place is not None:
            shutil.rmtree(place, ignore_errors=True)


def _write_graph(model: Any, path: Path, *, name: str) -> None:
    """One graph of the whole pipeline; batch and length stay free."""
    torch = import_torch()
    inputs = [port for port in ("input_ids", "attention_mask", "token_type_ids") if port in model.tokenizer.model_input_names]
    sample = tuple(
        torch.ones((2, 7), dtype=torch.int64) if n < 2 else torch.zeros((2, 7), dtype=torch.int64) for n in range(len(inputs))
    )
    free = {port: {0: "batch", 1: "length"} for port in inputs} | {OUTPUT: {0: "batch"}}

    class Pipeline(torch.nn.Module):  # type: ignore[misc, name-defined]  # torch is seen as Any
        """The modules in order, from named inputs to the one vector."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *tensors: Any) -> Any:
            return self.model(dict(zip(inputs, tensors, strict=True)))["sentence_embedding"]

    try:
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")  # the exporter that needs no further package is on its way out, and says so
            torch.onnx.export(
                Pipeline().eval(), sample, str(path), input_names=inputs, output_names=[OUTPUT],
                dynamic_axes=free, dynamo=False, opset_version=_OPSET,
            )  # fmt: skip
    except Exception as error:  # the exporter's exceptions have no common root
        raise Unfit(f"{name} cannot be written as a graph ({error})", remedy="serve it with torch") from error


def _prove(
    model: Any, place: Path, space: Space, *, name: str, progress: Progress
) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Cosines of the graph with torch on all proving texts; Unfit unless each reaches the bar."""
    texts = proving_texts(TEXTS)
    whole, alone, in_pairs = (load_onnx(place, name=name, budget=budget) for budget in (BUDGET, 1, 2 * space.max_length))
    found: list[np.ndarray[tuple[int], np.dtype[np.float64]]] = []
    wanted: dict[str, Vectors] = {}
    prompts = {Role.DOCUMENT: space.document_prompt, Role.QUERY: space.query_prompt}
    for done, (role, prompt) in enumerate(prompts.items()):
        progress("proving", done * TEXTS, 2 * TEXTS)
        count = _SINGLES if prompt in wanted else TEXTS  # a role with the same prompt is the same computation
        if prompt not in wanted:
            wanted[prompt] = _by_torch(model, space, texts, prompt=prompt)
        for graph, some in ((whole, count), (alone, _SINGLES), (in_pairs, min(count, 4 * _SINGLES))):
            found.append(_close(graph.encode(texts[:some], role), wanted[prompt].take(range(some))))
    progress("proving", 2 * TEXTS, 2 * TEXTS)
    cosine = np.concatenate(found)
    if not (cosine >= PROOF).all():
        raise Unfit(
            f"the graph of {name} does not agree with torch: least cosine {cosine.min():.6f}, needed {PROOF}",
            remedy="nothing was exported; serve it with torch",
        )
    return cosine


def _by_torch(model: Any, space: Space, texts: Sequence[str], *, prompt: str) -> Vectors:
    """The same texts through sentence-transformers itself, float32."""
    try:
        rows = model.encode([legible(text) for text in texts], prompt=prompt, batch_size=16, show_progress_bar=False)
    except Exception as error:  # torch has no common root of exceptions
        raise EncoderFailed(str(space.id), f"encoding failed ({error})") from error
    return Vectors(space, np.asarray(rows, dtype=np.float32))


def _close(one: Vectors, other: Vectors) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Row by row cosine; two equal rows agree even where both are zero."""
    same = (one.matrix == other.matrix).all(axis=1)
    return np.asarray(np.where(same, 1.0, cosines(one, other)))
