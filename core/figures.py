"""What a store counts, measures and owes: the answers that cross the ports."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from .record import Hit, Key, Record
from .space import Vectors


@dataclass(frozen=True, slots=True, kw_only=True)
class Census:
    """Counts over all rows of an index and its corpus, all from one snapshot, or looked at twice where there is none.

    A key that stands in the outbox is owed, and counts as nothing else: what is missing, orphaned or stale here was lost.
    Without a snapshot, what the first look found and the second sees owed or changed counts as nothing either.
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
    """Vectors whose recorded text digest is not the digest of the text now (always 0 where no digests are kept); where whole
    things move, those whose content is not that of the live side."""
    owed: int
    """Keys in the outbox."""
    zero: int
    """Vectors of length zero: invisible to a cosine index. 0 where no vector was to be read."""
    broken: int
    """Vectors that are not finite or not of the declared width. 0 where no vector was to be read."""
    examples: tuple[Key, ...] = ()
    """A few of the keys that are missing, orphaned, stale, zero or broken."""
    remarks: tuple[str, ...] = ()
    """What somebody who judges the counts should know: parts that hold nothing, or had to be woken to be looked at."""


@dataclass(frozen=True, slots=True)
class Round:
    """What one comparison of an index with its corpus made owed. The next one is given it, and tells what is new since."""

    added: int
    """Keys that it made owed."""
    lasting: int
    """Those among them that nobody is known to have written since the comparison before it began: all, where nobody can tell."""
    examples: tuple[Key, ...] = ()
    """A few of these."""
    begun: int = 0
    """When it began, by the store's clock."""
    written: Mapping[Key, int] = field(default_factory=dict)
    """Of what it made owed, when the record was written last by the same clock; 0: there is no record any more."""


@dataclass(frozen=True, slots=True)
class Place:
    """How far a fill has come: everything up to and including ``after`` is done; ``finished`` when the end was reached."""

    after: Key | None = None
    finished: bool = False
    done: int = 0
    """Records passed so far."""


@dataclass(frozen=True, slots=True)
class Likeness:
    """What sets a place of an index apart from one that would be made for the live side now, beside its vectors."""

    differences: tuple[str, ...] = ()
    """What the application would meet after a switch: a sentence each."""
    remarks: tuple[str, ...] = ()
    """What is the place's own affair and judged otherwise (how vectors are indexed), or passes by itself."""


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
    bare: tuple[Record, ...] = ()
    """Those without a text, where whole things move; none where they would only be ignored."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a search gave, with the alias' generation that the store had seen when it answered, a second old as a rule.

    Where the alias lies in the database that is searched, it is what the same statement saw.
    """

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
    agreed_s: float = 0.0
    """From the step until every node answered with the new side; 0 where one database answers for all."""


@dataclass(frozen=True, slots=True)
class Reads:
    """Searches of one index that the store has noticed. Ours count too: what proves an index also searches it."""

    count: int | None
    """Since the store began to count; None: it counts none."""
    last_s: float | None
    """Seconds since the last one; None: the store has noticed none."""
    by: tuple[str, ...] = ()
    """Who reads, where readers give a name; the latest first."""
    watched_s: float | None = inf
    """For how long the store has been noticing them, in seconds; None: it cannot tell when one was."""

    @property
    def quiet_s(self) -> float | None:
        """For so long, at least, nobody is known to have read; None: nobody can tell."""
        return self.watched_s if self.last_s is None else self.last_s


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
