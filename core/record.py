"""The things an index serves. A Record carries no vector: a vector belongs to a Space, not to a thing."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from uuid import UUID

KeyPart = int | str | UUID
Key = tuple[KeyPart, ...]
"""One item for each key column, in the declared order: a single-column key is a tuple of one.

Of an object it is ``(UUID,)``, or ``(tenant, UUID)``. Keys of one alias are of the same kinds, and are ordered as tuples are:
a UUID by its bytes, as the cursor of such a store walks.
"""


def named(keys: Iterable[Key]) -> str:
    """Keys as messages name them: ``(1), (2, a)``."""
    return ", ".join(f"({', '.join(map(str, key))})" for key in keys)


def digest_of(text: str) -> bytes:
    """SHA-256 of the UTF-8 text, 32 bytes. Each store computes the same figure where the text lies."""
    return hashlib.sha256(text.encode("utf-8")).digest()


@dataclass(frozen=True, slots=True)
class Record:
    """One thing as it was when it was read. ``text`` is None where the text expression gives NULL: it then owes no vector."""

    key: Key
    text: str | None
    metadata: Mapping[str, object] | None = None
    """The user's other columns; None where they were not read."""
    token: int | None = field(default=None, repr=False, compare=False)
    """What the store gave to recognise the text by, where that is cheaper than the digest; it means nothing elsewhere."""
    cargo: object | None = field(default=None, repr=False, compare=False)
    """What the store gave to be carried along to its index, where the whole thing moves; it means nothing elsewhere."""
    _digest: bytes | None = field(default=None, init=False, repr=False, compare=False)

    @classmethod
    def unread(cls, key: Key, *, digest: bytes, token: int | None) -> Record:
        """A record with a text of which only the digest was read: enough to see later whether it is still the same."""
        record = cls(key, None, token=token)
        object.__setattr__(record, "_digest", digest)
        return record

    @property
    def digest(self) -> bytes | None:
        """Digest of the text that was read; what is written later is compared with the text as it is then."""
        if self._digest is None and self.text is not None:
            object.__setattr__(self, "_digest", digest_of(self.text))  # remembered: a fill asks for it three times
        return self._digest


@dataclass(frozen=True, slots=True)
class Hit:
    """One answer of a search. ``score`` is the similarity of the index's metric: larger is nearer."""

    key: Key
    score: float
    text: str | None
    metadata: Mapping[str, object]
