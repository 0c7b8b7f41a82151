"""Vectors of a base that only encodes, kept on disk as they arrive: an endpoint wants to be paid again for what was lost.

One file of records of one length: a digest of role and text, and the row. What a kill cut short at its end is cut off. No text
lies in it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.errors import Unfit
from transvase.core.space import Role

_DIGEST: Final = 16


class Paid:
    """What one file holds; ``found`` is how many rows an earlier process had left there."""

    def __init__(self, path: Path, *, width: int) -> None:
        """``width``: values of a row. Unfit when the file cannot be read or made."""
        self._path, self._size = path, _DIGEST + 4 * width
        try:
            content = path.read_bytes() if path.exists() else b""
            whole = len(content) - len(content) % self._size
            if whole < len(content):
                os.truncate(path, whole)
        except OSError as error:
            raise self._unfit(error.strerror) from error
        starts = range(0, whole, self._size)
        self._rows = {content[at : at + _DIGEST]: _row(content[at + _DIGEST : at + self._size]) for at in starts}
        self.found = len(self._rows)

    def get(self, text: str, role: Role) -> NDArray[np.float32] | None:
        """The row of a text; None where it was not kept."""
        return self._rows.get(_digest(text, role))

    def add(self, texts: Sequence[str], role: Role, rows: NDArray[np.float32]) -> None:
        """Keep these rows, one a text: they survive this process. Unfit when they cannot be written."""
        digests = [_digest(text, role) for text in texts]
        records = b"".join(digest + row.astype("<f4").tobytes() for digest, row in zip(digests, rows, strict=True))
        try:
            with self._path.open("ab", buffering=0) as file:
                written = file.write(records)
        except OSError as error:
            raise self._unfit(error.strerror) from error
        if written != len(records):
            raise self._unfit("it took only a part")
        self._rows.update(zip(digests, rows, strict=True))

    def _unfit(self, why: str | None) -> Unfit:
        told = f"{self._path} cannot be read or written ({why or 'no reason given'})"
        return Unfit(told, remedy="free the disk; the same command goes on with what it has paid for")


def _digest(text: str, role: Role) -> bytes:
    return blake2b(f"{role.value}\0{text}".encode("utf-8", "surrogatepass"), digest_size=_DIGEST).digest()


def _row(content: bytes) -> NDArray[np.float32]:
    return np.frombuffer(content, dtype="<f4").astype(np.float32)
