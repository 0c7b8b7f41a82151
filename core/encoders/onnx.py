"""Runs an exported model with onnxruntime and tokenizers alone: what a serving machine needs, and no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from ..errors import EncoderFailed
from ..space import Role, Space, Vectors
from .batching import BUDGET, in_batches
from .json_file import damaged
from .processors import processors
from .space_file import NAME, read_space, runs_alone
from .tokens import Tokens, tokens_of_file

MODEL: Final = "model.onnx"
TOKENIZER: Final = "tokenizer.json"
OUTPUT: Final = "sentence_embedding"


def is_export(directory: Path) -> bool:
    """True when ``directory`` is one of our exports, be it whole or damaged."""
    return not (directory / "modules.json").exists() and ((directory / MODEL).exists() or (directory / NAME).exists())


def space_of_export(directory: Path) -> Space:
    """The Space that an export speaks, its files verified; Unfit when one is missing or not as recorded."""
    return read_space(directory, files=(MODEL, TOKENIZER))


class OnnxEncoder:
    """One open graph. It may be used from several threads."""

    def __init__(self, session: Any, *, name: str, space: Space, tokens: Tokens, budget: int) -> None:
        self._session, self._name, self._space, self._tokens, self._budget = session, name, space, tokens, budget
        self._inputs = frozenset(port.name for port in session.get_inputs())
        self._prompts = {Role.QUERY: space.query_prompt, Role.DOCUMENT: space.document_prompt}

    @property
    def name(self) -> str:
        """ENC as the operator gave it."""
        return self._name

    @property
    def space(self) -> Space:
        """The Space of the model that was exported."""
        return self._space

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """Shape (len(texts), dimension). EncoderFailed when the runtime breaks or a value is not finite."""
        encodings = self._tokens.cut([self._prompts[role] + text for text in texts])

        def run(positions: NDArray[np.intp]) -> NDArray[np.float32]:
            arrays = self._tokens.arrays([encodings[position] for position in positions])
            fed = {name: array for name, array in arrays.items() if name in self._inputs}
            result: NDArray[np.float32] = self._session.run([OUTPUT], fed)[0]
            return result

        try:
            matrix = in_batches([len(e) for e in encodings], run, dimension=self._space.dimension, budget=self._budget)
        except Exception as error:  # the runtime's exceptions have no common root
            raise EncoderFailed(self._name, f"encoding failed ({error})") from error
        if not np.isfinite(matrix).all():
            raise EncoderFailed(self._name, "the model gave values that are not finite")
        return Vectors(self._space, matrix)

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text before it is cut, special ones included, the prompt not."""
        return self._tokens.count(texts)


def load_onnx(directory: Path, *, name: str, threads: int | None = None, budget: int = BUDGET) -> OnnxEncoder:
    """The encoder of an exported directory, after its files were found as recorded.

    ``threads``: None for as many as this process has processors (or ``OMP_NUM_THREADS`` says). Unfit when a file is damaged.
    """
    space = space_of_export(directory)
    tokens = tokens_of_file(directory / TOKENIZER)
    room = 1 if runs_alone(directory) else budget
    return OnnxEncoder(_session(directory / MODEL, threads), name=name, space=space, tokens=tokens, budget=room)


def _session(path: Path, threads: int | None) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads or processors()
    options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # the runtime's exceptions have no common root
        raise damaged(path, f"not a graph that runs ({error})") from error
    if OUTPUT not in {port.name for port in session.get_outputs()}:
        raise damaged(path, f"the graph has no output {OUTPUT!r}")
    return session
