"""What a cross-encoder thinks of every row's documents: it reads query and document together, and so knows more than vectors can.

It is asked once, before the fine-tuning; listwise distillation from it was reported to hold where mined negatives alone hurt
(arXiv 2502.19712).
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from transvase.core.errors import BadValue, EncoderFailed, UnknownName
from transvase.core.ports import Progress

from .table import Table

_BATCH = 32
_BLOCK = 1024


def scores_of(directory: Path, table: Table, *, device: str, progress: Progress) -> NDArray[np.float32]:
    """Scores of each row's answer and negatives, shape (rows, 1 + negatives), in the teacher's own units (logits).

    UnknownName without such a directory, EncoderFailed when it cannot be loaded or run, BadValue for a classifier.
    """
    if not directory.is_dir():
        raise UnknownName("teacher", str(directory), hint="name the directory of a cross-encoder")
    pairs = [(table.queries[row[0]], table.documents[number]) for row in table.rows for number in row[1:]]
    blocks = []
    try:
        import torch
        from sentence_transformers import CrossEncoder

        teacher = CrossEncoder(str(directory), device=device, local_files_only=True)
        for start in range(0, len(pairs), _BLOCK):
            block = pairs[start : start + _BLOCK]
            scored = teacher.predict(block, batch_size=_BATCH, show_progress_bar=False, activation_fn=torch.nn.Identity())
            blocks.append(np.asarray(scored, dtype=np.float32))
            progress("ask the teacher", start + len(block), len(pairs))
    except Exception as error:  # torch, transformers and safetensors have no common root
        raise EncoderFailed(str(directory), f"the teacher cannot be asked ({error})") from error
    scores = np.concatenate(blocks)
    if scores.ndim != 1:
        raise BadValue("teacher", str(directory), why=f"it gives {scores.shape[1]} figures a pair; one score is needed")
    return scores.reshape(len(table), -1)
