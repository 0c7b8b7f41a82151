"""What a store counts, measures and owes: the answers that cross the ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from .record import Hit, Key, Record
from .space import Vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """Counts over all rows of an index and its corpus, all from one snapshot.

    A key that stands in the outbox is owed, and counts as nothing else: what is missing, orphaned or stale here was lost.
    """

    records: int
    """Records whose text is not NULL: each owes one vector."""
    held: int
    """Vectors in the index."""
    missing: int
    """Records with a text and no vector."""
    orphaned: int
    """Vectors whose record is gone or has no text any more."""
    stale: int
    """Vectors whose recorded text digest is not the digest of the text now (always 0 where no digests are kept)."""
    owed: int
    """Keys in the outbox."""
    zero: int
    """Vectors of length zero: invisible to a cosine index."""
    broken: int
    """Vectors that are not finite or not of the declared width."""
    examples: tuple[Key, ...] = ()
    """A few of the keys that are missing, orphaned, stale, zero or broken."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a fill has come: everything up to and including ``after`` is done; ``finished`` when the end was reached."""

    after: Key | None = None
    finished: bool = False
    done: int = 0
    """Records passed so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A stretch of records in key order with the vectors that one index holds for them, from one snapshot.

    ``records`` have a text that was not read, and a vector that is the text's own as far as the store can tell: row i of
    ``vectors``. ``lacking`` have a text and no such vector: it is owed, missing, zero, not finite or of another text.
    """

    records: tuple[Record, ...]
    vectors: Vectors
    lacking: tuple[Key, ...]
    after: Key | None
    """The last key of the stretch; None where nothing was left."""
    passed: int
    """Records in it, those without a text among them."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search gave, with the alias' generation that the same statement saw."""

    hits: tuple[Hit, ...]
    generation: int


@dataclass(frozen=True, slots=True)
class Debt:
    """Entries of the outbox about one key. ``only`` names the one site it is still owed to; None: every kept site."""

    key: Key
    entries: tuple[int, ...]
    only: str | None = None


@dataclass(frozen=True, slots=True)
class Payment:
    """Vectors for one index that settle debts: row i of ``vectors`` belongs to ``records[i]``."""

    index: str
    records: tuple[Record, ...]
    vectors: Vectors


@dataclass(frozen=True, slots=True)
class Switch:
    """What a move of the alias cost."""

    seconds: float
    """Wall time of the transaction."""
    owed: int
    """Rows that were owed when it switched."""
    waited_s: float
    """The longest that any session of the database was seen waiting for us while it ran."""


@dataclass(frozen=True, slots=True)
class Lock:
    """One lock that a move needs: what it waits for, what waits for it, and at most how long."""

    move: str
    mode: str
    on: str
    waits_for: str
    budget_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """What the store can say before anything is done: for ``plan``."""

    records: int
    table_bytes: int
    index_bytes: int
    locks: tuple[Lock, ...]
    warnings: tuple[str, ...]
    refusals: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Event:
    """One line of the audit log. ``facts`` are what was measured or wished."""

    at: str
    who: str
    what: str
    facts: Mapping[str, object] = field(default_factory=dict)
