"""What the core needs of the world, said in keys, records and vectors. Adapters fit these shapes; they inherit nothing.

One text's way through them: a ``Corpus`` reads it as a Record, an ``Encoder`` makes Vectors of it, an ``Index`` takes
them if the text is still the same; a text that changes meanwhile leaves its key in the ``Outbox``, from which the same
three steps are made again. A ``Store`` owns all of these and the aliases; a ``Journal`` remembers the migrations.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .declaration import Alias, Declaration, Proposal, Source
from .figures import Answer, Census, Debt, Event, Lock, Outlook, Payment, Place, Stretch, Switch
from .migration import Migration
from .record import Key, Record
from .space import Role, Space, Vectors

__all__ = [
    "Alias",
    "Answer",
    "Census",
    "Corpus",
    "Debt",
    "Declaration",
    "Encoder",
    "Event",
    "Index",
    "Journal",
    "Lock",
    "Outbox",
    "Outlook",
    "Payment",
    "Place",
    "Progress",
    "Proposal",
    "Source",
    "Store",
    "Stretch",
    "Switch",
]


class Encoder(Protocol):
    """A deterministic function from texts to Vectors of exactly one Space."""

    @property
    def name(self) -> str:
        """What the operator called it (ENC): a directory, ``builtin:minilm``, a URL."""
        ...

    @property
    def space(self) -> Space:
        """The one Space of everything it returns."""
        ...

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        """One row for each text, in order, exactly ``space.dimension`` wide. EncoderFailed when the model breaks."""
        ...

    def tokens(self, texts: Sequence[str]) -> list[int]:
        """How many tokens each text has before it is cut at ``space.max_length``."""
        ...


Progress = Callable[[str, int, int], None]
"""Called with what is going on, how much is done and how much there is (0: unknown)."""


class Corpus(Protocol):
    """The records behind an alias, as the application wrote them."""

    def count(self) -> int:
        """Records, with and without a text."""
        ...

    def after(self, key: Key | None, *, limit: int) -> list[Record]:
        """Records in key order after ``key`` (None: from the start), without metadata; fewer than ``limit`` at the end only."""
        ...

    def read(self, keys: Sequence[Key]) -> list[Record]:
        """Those of the keys that are there now, in any order, without metadata."""
        ...

    def repeated(self) -> NDArray[np.int64] | None:
        """Sorted tokens (``Record.token``) of the texts that several records have; None where nobody can tell cheaply."""
        ...

    def sample(self, size: int, *, seed: int) -> list[Record]:
        """Up to ``size`` records with a text, at random but the same for the same seed and rows."""
        ...


class Index(Protocol):
    """One physical place that holds vectors of one Space."""

    @property
    def declaration(self) -> Declaration:
        """What it is; it does not change while the index lives."""
        ...

    def place(self) -> Place:
        """How far the fill of this index has come."""
        ...

    def fill(self, records: Sequence[Record], vectors: Vectors, *, place: Place, lacking: Sequence[Key] = ()) -> int:
        """Write vectors where the index has none yet and the text is still that of the record; keep the place with them.

        ``records`` are those with a text; the keys of ``lacking`` have one too, and are left owed to this index alone. Returns
        how many were written. All or nothing; SpaceMismatch for foreign vectors, NotReady for a site that was there before it.
        """
        ...

    def stretch(self, after: Key | None, *, limit: int) -> Stretch:
        """The next ``limit`` records in key order with the vectors held for them; fewer at the end only.

        NotReady where nobody knows the index' Space.
        """
        ...

    def owe(self) -> int:
        """Leave owed, to this site alone, every key whose vector it lacks: missing, zero, or known to be of another text.

        What is owed already stays as it is. Returns how many keys were added; NotReady while nothing is captured.
        """
        ...

    def build(self, progress: Progress) -> None:
        """Make the approximate index over what is held, with its statistics; nothing happens when a valid one is there."""
        ...

    def warm(self, queries: Vectors) -> None:
        """Bring the index into memory before readers arrive."""
        ...

    def vectors(self, keys: Sequence[Key]) -> tuple[list[Key], Vectors | None]:
        """The stored vectors of those keys that have one; None for the matrix when the Space is unknown."""
        ...

    def census(self) -> Census:
        """Counts over all rows, read where the rows are."""
        ...

    def search(self, query: Vectors, k: int, *, where: Mapping[str, object] | None = None, exact: bool = False) -> Answer:
        """The ``k`` nearest to the one row of ``query``, best first. SpaceMismatch; Superseded when the index is gone."""
        ...

    def scans(self) -> int:
        """How often the approximate index has been used since the database began to count."""
        ...


class Outbox(Protocol):
    """Keys whose vectors are owed to some index. Appending is the application's; paying is ours."""

    def owed(self) -> int:
        """Keys that are owed now, each counted once."""
        ...

    def read(self, *, limit: int) -> list[Debt]:
        """Some debts, the oldest entries first."""
        ...

    def pay(self, debts: Sequence[Debt], payments: Sequence[Payment]) -> int:
        """Write each payment where the text is still that of its record and remove vectors of keys that are gone or have no text.

        A debt is settled in the transaction that wrote its vectors. Whose record changed since it was read stays owed by
        its newer entry; an index that cannot be written just now stays owed alone. Returns how many were settled whole.
        """
        ...

    def beat(self) -> None:
        """Say that a worker is alive."""
        ...

    def quiet_s(self) -> float | None:
        """Seconds since a worker was last alive; None: never."""
        ...


class Journal(Protocol):
    """The durable memory of migrations, and the audit log."""

    def load(self, alias: str) -> Migration | None:
        """The latest migration of the alias, ended or not."""
        ...

    def save(self, migration: Migration, *, expect: int | None) -> None:
        """Keep it if the stored version is ``expect`` (None: no such attempt yet); Moved otherwise."""
        ...

    def note(self, alias: str, what: str, facts: Mapping[str, object]) -> None:
        """Append to the audit log: who (the journal knows), what, with which facts."""
        ...

    def history(self, alias: str) -> list[Event]:
        """The audit log, oldest first."""
        ...


class Store(Protocol):
    """One database: it owns indexes and aliases."""

    @property
    def journal(self) -> Journal:
        """The memory that goes with this store."""
        ...

    def hold(self, alias: str) -> AbstractContextManager[None]:
        """Be the only operator of the alias for a while; Busy if there is another. A holder that dies lets go."""
        ...

    def aliases(self) -> list[str]:
        """Names of all aliases, sorted."""
        ...

    def alias(self, name: str) -> Alias:
        """The alias as it is now; UnknownName."""
        ...

    def inspect(self, proposal: Proposal) -> Declaration:
        """Look at what is to be adopted, changing nothing; Misuse and Unfit for all that stands against it."""
        ...

    def preview(self, proposal: Proposal, declaration: Declaration) -> tuple[Corpus, Index]:
        """The records and the vectors of what was inspected, for reading, before it is adopted: nothing unproven is taken."""
        ...

    def adopt(self, proposal: Proposal, declaration: Declaration) -> None:
        """Put the place that was inspected under the alias; the same again is no error."""
        ...

    def outlook(self, alias: str, target: Declaration) -> Outlook:
        """What moving the alias to ``target`` would cost and meet."""
        ...

    def create(self, alias: str, target: Declaration) -> None:
        """Make the empty target, or a second name for the site that it shares, and capture every write from now on; idempotent.

        SpaceMismatch where the site holds document vectors of another Space than the target's.
        """
        ...

    def captures(self, alias: str) -> bool:
        """True while every write to the records leaves its key in the outbox."""
        ...

    def there(self, index: str) -> bool:
        """True while the index exists under its physical name."""
        ...

    def built(self, index: str) -> bool:
        """True while the index has a valid approximate index."""
        ...

    def point(self, alias: str, index: str, *, expect: int, allow_owed: int) -> Switch:
        """Make the alias name ``index`` in one step if its generation is ``expect`` and at most ``allow_owed`` keys are owed.

        Moved when the generation is another, NotReady when more is owed; nothing remains armed then.
        """
        ...

    def discard(self, alias: str, index: str) -> None:
        """Remove an index that is not live, and the capture if nothing else needs it; idempotent.

        A site that the live index serves too stays whole: only the name goes.
        """
        ...

    def retire(self, alias: str, index: str, *, drop: bool) -> str:
        """End an index that was live: remove what is ours, rename (or ``drop``) what was the user's. Says what was done.

        A site that the live index serves too stays whole: only the name goes.
        """
        ...

    def witness(self, alias: str, index: str) -> str:
        """A digest of the identity of both indexes, their settings and declarations: it changes when a verdict must lapse."""
        ...

    def corpus(self, alias: str) -> Corpus:
        """The records behind the alias."""
        ...

    def index(self, alias: str, index: str) -> Index:
        """One of the alias' indexes, by physical name; Superseded when it is gone."""
        ...

    def outbox(self, alias: str) -> Outbox:
        """The debts of the alias."""
        ...

    def pressure(self, alias: str) -> str | None:
        """Why a fill should wait now (a replica that lags, sessions waiting for a lock), or None."""
        ...

    def close(self) -> None:
        """Let go of every connection."""
        ...
