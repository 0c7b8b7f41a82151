"""Turns texts into padded arrays of token ids, alike for every runtime; knows what to do with text that is hardly text."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from ..errors import BadValue
from .json_file import damaged, read_bytes

Arrays = dict[str, NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Tokens:
    """Two copies of one tokenizer (one cuts at the maximum length, one only counts), never changed after they were made."""

    cutting: Tokenizer
    counting: Tokenizer
    pad_id: int
    pad_type: int
    left: bool

    def cut(self, texts: Sequence[str]) -> list[Encoding]:
        """Each text's tokens, cut at the maximum length."""
        return self.cutting.encode_batch([legible(text) for text in texts])

    def count(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has, uncut."""
        return [len(encoding) for encoding in self.counting.encode_batch([legible(text) for text in texts])]

    def arrays(self, encodings: Sequence[Encoding]) -> Arrays:
        """``input_ids``, ``attention_mask`` and ``token_type_ids``, each (texts, longest)."""
        shape = (len(encodings), max(1, *(len(encoding) for encoding in encodings)))
        ids, mask = np.full(shape, self.pad_id, dtype=np.int64), np.zeros(shape, dtype=np.int64)
        types = np.full(shape, self.pad_type, dtype=np.int64)
        for row, encoding in enumerate(encodings):
            place = slice(shape[1] - len(encoding), None) if self.left else slice(0, len(encoding))
            ids[row, place], mask[row, place], types[row, place] = encoding.ids, 1, encoding.type_ids
        return {"input_ids": ids, "attention_mask": mask, "token_type_ids": types}


def tokens_of(content: str) -> Tokens:
    """From tokenizer.json text whose truncation and padding say how the model is to be fed."""
    cutting, counting = Tokenizer.from_str(content), Tokenizer.from_str(content)
    padding: dict[str, Any] = cutting.padding or {}
    for tokenizer in (cutting, counting):
        tokenizer.no_padding()
    counting.no_truncation()
    return Tokens(
        cutting,
        counting,
        pad_id=padding.get("pad_id", 0),
        pad_type=padding.get("pad_type_id", 0),
        left=padding.get("direction") == "left",
    )


def tokens_of_file(path: Path) -> Tokens:
    """From a tokenizer.json; Unfit when it is damaged."""
    try:
        return tokens_of(read_bytes(path).decode("utf-8"))
    except Exception as error:
        if type(error).__module__.startswith("transvase"):
            raise
        raise damaged(path, f"not a tokenizer ({error})") from error  # the library raises bare Exception


def legible(text: str) -> str:
    """The text with every lone surrogate (half a character, which no encoding can write) replaced by U+FFFD."""
    if not isinstance(text, str):
        raise BadValue("text", text, why=f"texts are encoded, and this is {type(text).__name__}")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
