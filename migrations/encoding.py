"""How the verbs use encoders: each model once in a process, threads in fair turns, and one bad text found among many."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from transvase.core.errors import EncoderFailed, SpaceMismatch
from transvase.core.fence import Fenced
from transvase.core.ports import Declaration, Encoder
from transvase.core.space import Role, Space, Vectors

TURN: Final = 256
"""Texts of one turn: a fill may keep the model no longer than this while a worker has fresh writes to encode."""

_PLAIN: Final = "a plain sentence"
"""What every working model can encode: if it fails on this too, the model is broken and not the text."""


class Shared:
    """One encoder for several threads, which take turns in the order in which they asked.

    Tokenizers are not safe to enter twice at once; an ordinary lock would let a busy fill overtake a waiting worker for ever.
    """

    def __init__(self, encoder: Encoder) -> None:
        self._encoder = encoder
        self._guard = threading.Lock()
        self._waiting: deque[threading.Event] = deque()

    @property
    def name(self) -> str:
        """ENC of the encoder behind it."""
        return self._encoder.name

    @property
    def space(self) -> Space:
        """Space of the encoder behind it."""
        return self._encoder.space

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """As the encoder behind it, ``TURN`` texts a turn."""
        parts = []
        for start in range(0, max(len(texts), 1), TURN):
            with self._turn():
                parts.append(self._encoder.encode(texts[start : start + TURN], role))
        return parts[0] if len(parts) == 1 else Vectors(self.space, np.concatenate([part.matrix for part in parts]))

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """As the encoder behind it."""
        with self._turn():
            return self._encoder.tokens(texts)

    @contextmanager
    def _turn(self) -> Iterator[None]:
        mine = threading.Event()
        with self._guard:
            self._waiting.append(mine)
            if self._waiting[0] is mine:
                mine.set()
        try:
            mine.wait()
            yield
        finally:
            with self._guard:
                self._waiting.remove(mine)
                if self._waiting:
                    self._waiting[0].set()


def shared(load: Callable[[str], Encoder]) -> Callable[[str], Encoder]:
    """``load`` that loads each ENC once and gives every thread the same one, in turns."""
    lock, known = threading.Lock(), dict[str, Encoder]()

    def encoder_of(enc: str) -> Encoder:
        with lock:
            if enc not in known:
                known[enc] = Shared(load(enc))
            return known[enc]

    return encoder_of


def encoder_for(declaration: Declaration, encoders: Callable[[str], Encoder]) -> Encoder:
    """The encoder of an index, padding to its stored width; SpaceMismatch when the model is no longer the one declared."""
    encoder = encoders(declaration.encoder)
    if encoder.space != declaration.space:
        where = f"the index {declaration.name} (declared for {declaration.encoder}, which has changed since)"
        raise SpaceMismatch(expected=declaration.label, found=encoder.space.id, where=where)
    return Fenced(encoder, declaration.width)


@dataclass(frozen=True, slots=True)
class Encoded:
    """Vectors of the texts that could be encoded: row i is of text ``kept[i]``; and why each of the others could not."""

    kept: tuple[int, ...]
    vectors: Vectors
    failed: dict[int, str]


def encode_each(encoder: Encoder, texts: Sequence[str], role: Role) -> Encoded:
    """Encode what can be encoded, finding bad texts by halving; EncoderFailed when the model itself is broken."""
    failed: dict[int, str] = {}
    parts: list[tuple[list[int], Vectors]] = []
    heaps = [list(range(len(texts)))]
    while heaps:
        heap = heaps.pop()
        try:
            parts.append((heap, encoder.encode([texts[i] for i in heap], role)))
        except EncoderFailed as error:
            if not failed and len(heap) == len(texts):
                encoder.encode([_PLAIN], role)
            if len(heap) == 1:
                failed[heap[0]] = error.why
            else:
                heaps += [heap[: len(heap) // 2], heap[len(heap) // 2 :]]
    kept = tuple(i for heap, _ in parts for i in heap)
    matrices = [vectors.matrix for _, vectors in parts]
    matrix = np.concatenate(matrices) if matrices else encoder.encode([], role).matrix
    return Encoded(kept, Vectors(encoder.space, matrix), failed)
