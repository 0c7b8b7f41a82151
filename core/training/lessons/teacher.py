"""What a cross-encoder thinks of every row's documents: it reads query and document together, and so knows more than vectors can.

It is asked once, before the fine-tuning; listwise distillation from it was reported to hold where mined negatives alone hurt
(arXiv 2502.19712). Its scores are kept under a digest of the teacher's own files and of the texts, so that a run that was
killed does not ask again, and no score of another teacher is ever taken for this one's.
"""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.encoders.space_file import digest_of_file
from transvase.core.encoders.torch import import_torch
from transvase.core.errors import BadValue, EncoderFailed, UnknownName
from transvase.core.ports import Progress

from .table import Table

_BATCH: Final = 32
_BLOCK: Final = 1024
_SCORING: Final = ("ForSequenceClassification", "ForCausalLM")
"""Endings of the architectures that sentence-transformers' CrossEncoder gets a score from."""

Pairs = list[tuple[str, str]]


def taught(table: Table, teacher: Path, *, directory: Path, device: str = "cpu", progress: Progress) -> NDArray[np.float32]:
    """Scores of each row's answer and negatives, shape (rows, 1 + negatives), in the teacher's own units (logits).

    A pair that stands in several rows is scored once. ``directory`` is where scores are kept. UnknownName without such a
    teacher, EncoderFailed when it cannot be loaded or run, BadValue when it gives more than one score a pair.
    """
    check_teacher(teacher)
    numbers = [(int(row[0]), int(document)) for row in table.rows for document in row[1:]]
    distinct = list(dict.fromkeys(numbers))
    pairs = [(table.queries[query], table.documents[document]) for query, document in distinct]
    kept = directory / f"teacher-{_digest(teacher, pairs)}.npy"
    scores = np.load(kept, allow_pickle=False) if kept.exists() else _asked(teacher, pairs, device=device, progress=progress)
    if not kept.exists():
        _keep(kept, scores)
    place = {pair: number for number, pair in enumerate(distinct)}
    found: NDArray[np.float32] = scores[[place[pair] for pair in numbers]].reshape(len(table.rows), -1)
    return found


def check_teacher(teacher: Path) -> None:
    """Look whether a model under this name scores pairs; nothing is loaded.

    UnknownName without such a directory, EncoderFailed without a readable config.json. BadValue for a model without a head that
    scores: the library would give it one of random weights and go on.
    """
    if not teacher.is_dir():
        raise UnknownName("teacher", str(teacher), hint="name the directory of a cross-encoder")
    try:
        config = json.loads((teacher / "config.json").read_text(encoding="utf-8"))
        forms = config.get("architectures") or []
    except (OSError, ValueError, AttributeError) as error:
        raise EncoderFailed(str(teacher), f"it cannot be loaded as a cross-encoder (config.json: {error})") from error
    if forms and not any(str(form).endswith(_SCORING) for form in forms):
        why = f"{forms[0]} embeds texts and does not score pairs; name a cross-encoder, such as a reranker"
        raise BadValue("teacher", str(teacher), why=why)


def _asked(teacher: Path, pairs: Pairs, *, device: str, progress: Progress) -> NDArray[np.float32]:
    torch, model, blocks = import_torch(), _loaded(teacher, device=device), []
    try:
        for start in range(0, len(pairs), _BLOCK):
            block = pairs[start : start + _BLOCK]
            blocks.append(model.predict(block, batch_size=_BATCH, show_progress_bar=False, activation_fn=torch.nn.Identity()))
            progress("teacher", start + len(block), len(pairs))
    except Exception as error:  # torch has no common root
        raise EncoderFailed(str(teacher), f"the teacher cannot be asked ({error})") from error
    return np.concatenate(blocks).astype(np.float32)


def _loaded(teacher: Path, *, device: str) -> Any:
    """The cross-encoder. EncoderFailed when it cannot be loaded, BadValue when it is a classifier."""
    try:
        from sentence_transformers import CrossEncoder

        model = CrossEncoder(str(teacher), device=device, local_files_only=True)
    except Exception as error:  # torch, transformers and safetensors have no common root
        raise EncoderFailed(str(teacher), f"it cannot be loaded as a cross-encoder ({error})") from error
    if model.num_labels != 1:
        raise BadValue("teacher", str(teacher), why=f"it gives {model.num_labels} scores a pair, and one is needed")
    return model


def _digest(teacher: Path, pairs: Pairs) -> str:
    digest = hashlib.sha256()
    for path in sorted(path for path in teacher.rglob("*") if path.is_file()):
        digest.update(f"{path.relative_to(teacher)}\0{digest_of_file(path)}\0".encode())
    for pair in pairs:
        digest.update("\0".join(pair).encode("utf-8", "replace") + b"\1")
    return digest.hexdigest()[:16]


def _keep(path: Path, scores: NDArray[np.float32]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".partial")
    with partial.open("wb") as file:
        np.save(file, scores)
    os.replace(partial, path)  # noqa: PTH105  # the atomic one on every platform
