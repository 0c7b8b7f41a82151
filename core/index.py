"""The port of one index: what can be asked of a physical place that holds vectors, and done to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from .declaration import Declaration
from .figures import Answer, Census, Place, Reads, Round, Stretch
from .record import Key, Record
from .space import Vectors

Progress = Callable[[str, int, int], None]
"""Called with what is going on, how much is done and how much there is (0: unknown)."""


class Index(Protocol):
    """One physical place that holds vectors of one Space."""

    @property
    def declaration(self) -> Declaration:
        """What it is; it does not change while the index lives."""
        ...

    def place(self) -> Place:
        """How far the fill of this index has come."""
        ...

    def fill(
        self,
        records: Sequence[Record],
        vectors: Vectors,
        *,
        place: Place,
        lacking: Sequence[Key] = (),
        bare: Sequence[Record] = (),
    ) -> int:
        """Write vectors where the index has none yet and the text is still that of the record; keep the place once all is there.

        ``records`` are those with a text; the keys of ``lacking`` have one too, and are left owed to this index alone; those of
        ``bare`` have none: a store that keeps vectors beside the records ignores them, one that keeps both as one thing writes
        them too. Returns how many vectors were written. The place is kept only when all of it is written; written again,
        nothing changes. SpaceMismatch for foreign vectors, NotReady for a site that was there before it.
        """
        ...

    def stretch(self, after: Key | None, *, limit: int) -> Stretch:
        """The next ``limit`` records in key order with the vectors held for them; fewer at the end only.

        NotReady where nobody knows the index' Space.
        """
        ...

    def owe(self, before: Round | None = None) -> Round:
        """Compare with the corpus in key order, and leave owed, to this site alone, every key in which the two differ.

        That is a vector that is missing, zero, or known to be of another text; what the site has too much; and, where whole
        things move, anything else of them. What is owed already stays as it is. ``before`` is what the comparison before this
        one found, which has been paid since: what somebody wrote only after that one began is not ``lasting``. NotReady while
        nothing is captured.
        """
        ...

    def unseen(self, keys: Sequence[Key]) -> set[Key]:
        """Those of the keys that differ by a write to the corpus that passed unseen since the last comparison; owed then.

        None where every write is captured, or nobody can tell when a record was written.
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

    def census(self, *, deep: bool = True, pay: Callable[[], object] | None = None) -> Census:
        """Counts over all rows, read where the rows are. With ``deep=False`` no vector need be read: zero and broken are 0.

        Where a write may pass unseen and ``pay`` is given, which pays what is owed: what is ``unseen`` counts only if it is
        wrong still when that was called, and nobody has written it again.
        """
        ...

    def search(
        self,
        query: Vectors,
        k: int,
        *,
        where: Mapping[str, object] | None = None,
        exact: bool = False,
        text: str | None = None,
        lexical: float | None = None,
    ) -> Answer:
        """The ``k`` nearest to the one row of ``query``, best first; with ``lexical`` the words of ``text`` weigh beside it.

        ``transvase.core.hybrid`` says what that weight means. SpaceMismatch; BadValue; Superseded when the index is gone.
        """
        ...

    def nearest(self, queries: Vectors, k: int, *, where: Mapping[str, object] | None = None) -> list[Answer]:
        """The ``k`` nearest to each row of ``queries``, best first, by comparing all vectors: one answer for each, in order.

        What ``search`` gives with ``exact=True``, for many queries at the price of as few walks as the store can make do with.
        """
        ...

    def parts(self, *, asleep: bool = False) -> tuple[Mapping[str, object], ...]:
        """What a search has to be confined to, a condition for each part that can be searched now; ``({},)`` where to none.

        With ``asleep`` those instead that cannot be searched before they are ``opened``.
        """
        ...

    def opened(self, *parts: Mapping[str, object]) -> AbstractContextManager[None]:
        """The parts can be searched meanwhile, and are left as they were; nothing happens where none sleeps."""
        ...

    def reads(self) -> Reads:
        """How often the approximate index has been used, when last, and by whom, as far as the store can tell."""
        ...
