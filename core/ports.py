"""What the core needs of the world, said in keys, records and vectors. Adapters fit these shapes; they inherit nothing.

One text's way through them: a ``Corpus`` reads it as a Record, an ``Encoder`` makes Vectors of it, an ``Index`` takes
them if the text is still the same; a text that changes meanwhile leaves its key in the ``Outbox``, from which the same
three steps are made again. A ``Store`` owns all of these and the aliases; a ``Journal`` remembers the migrations.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from .declaration import Alias, Declaration, Proposal, Source
from .encoder import Encoder
from .figures import Answer, Census, Debt, Event, Likeness, Lock, Outlook, Payment, Place, Reads, Round, Stretch, Switch
from .index import Index, Progress
from .journal import Journal
from .outbox import Outbox
from .record import Key, Record

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
    "Likeness",
    "Lock",
    "Outbox",
    "Outlook",
    "Payment",
    "Place",
    "Preview",
    "Progress",
    "Proposal",
    "Reads",
    "Round",
    "Source",
    "Store",
    "Stretch",
    "Switch",
]


class Corpus(Protocol):
    """The records behind an alias, as the application wrote them."""

    def count(self) -> int:
        """Records, with and without a text."""
        ...

    def after(self, key: Key | None, *, limit: int) -> list[Record]:
        """Records in key order after ``key`` (None: from the start), without metadata; fewer than ``limit`` at the end only.

        Where whole things move, each carries its ``cargo``.
        """
        ...

    def read(self, keys: Sequence[Key]) -> list[Record]:
        """Those of the keys that are there now, in any order, without metadata.

        Where a write may have reached one side alone, its newest state is read where it lies.
        """
        ...

    def repeated(self) -> NDArray[np.int64] | None:
        """Sorted tokens (``Record.token``) of the texts that several records have; None where nobody can tell cheaply."""
        ...

    def sample(self, size: int, *, seed: int) -> list[Record]:
        """Up to ``size`` records with a text, at random but the same for the same seed and rows."""
        ...


@dataclass(frozen=True, slots=True)
class Preview:
    """What was inspected and is not adopted yet."""

    corpus: Corpus
    index: Index
    made: str = ""
    """Where the store itself makes the vectors, of another text than the one proposed: a sentence on that. Empty otherwise."""


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

    def serving(self, alias: str) -> tuple[Alias, Index]:
        """The alias and its live index, for searches: as it is, or as it was seen last; one that is gone is looked for anew."""
        ...

    def inspect(self, proposal: Proposal) -> Declaration:
        """Look at what is to be adopted, changing nothing; Misuse and Unfit for all that stands against it."""
        ...

    def preview(self, proposal: Proposal, declaration: Declaration) -> Preview:
        """The records and the vectors of what was inspected, for reading, before it is adopted: nothing unproven is taken."""
        ...

    def adopt(self, proposal: Proposal, declaration: Declaration) -> None:
        """Put the place that was inspected under the alias; the same again is no error."""
        ...

    def widest(self, form: str) -> int | None:
        """Dimensions that an approximate index over elements of ``form`` takes at most; None where no limit is met.

        A ``form`` that the store does not know has none either: the store itself refuses what does not fit.
        """
        ...

    def form_for(self, live: str, dimension: int) -> str:
        """The element type of a target of ``dimension`` dimensions beside a live index of the type ``live``."""
        ...

    def physical(self, stem: str) -> str:
        """The physical name that an index made for ``stem`` (alias, attempt and Space) gets; BadValue where none can be made."""
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
        """True while every write to the records leaves its key in the outbox, as far as it is made in the way that is asked for.

        What may escape all the same is said by ``blind``.
        """
        ...

    def blind(self, alias: str) -> str | None:
        """Why a write to the records may pass unseen just now, in a sentence for the operator.

        None: every write is captured in its own transaction, and nobody need compare the two sides.
        """
        ...

    def there(self, index: str) -> bool:
        """True while the index exists under its physical name."""
        ...

    def built(self, index: str) -> bool:
        """True while the index has a valid approximate index."""
        ...

    def liken(self, alias: str, index: str) -> Likeness:
        """Give the place of an index that is not live what one that was made now would have, and tell what differs still.

        Where whole things move that is how they are kept: settings, properties, tenants and their states. A place that holds
        nothing but vectors differs in nothing, nor does one that the live index shares. Superseded when the index is gone.
        """
        ...

    def point(self, alias: str, index: str, *, expect: int, allow_owed: int) -> Switch:
        """Make the alias name ``index`` in one step if its generation is ``expect`` and at most ``allow_owed`` keys are owed.

        Moved when the generation is another, NotReady when more is owed; nothing remains armed then. Where several nodes
        answer, it waits within a budget of its own until they agree; which do not by then is told by ``behind``.
        """
        ...

    def behind(self, alias: str) -> tuple[str, ...]:
        """Names of the nodes that do not answer with the alias' live index, sorted; empty where all do, or where there is one.

        Where the store has such nodes it waits for them for a while: what is named has not caught up within its budget.
        """
        ...

    def discard(self, alias: str, index: str) -> None:
        """Remove an index that is not live, and the capture if nothing else needs it; idempotent.

        A site that the live index serves too stays whole: only the name goes.
        """
        ...

    def retire(self, alias: str, index: str, *, drop: bool, take_name: bool = False) -> str:
        """End an index that was live: remove what is ours, rename (or ``drop``) what was the user's. Says what was done.

        A site that the live index serves too stays whole: only the name goes. Where nothing can be renamed, what was the user's
        stays as it stands, or with ``take_name`` is removed, and its name stands for the live index from then on; for how long
        the name stood for nothing is said. BadValue for ``take_name`` where a table keeps its name anyhow.
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
