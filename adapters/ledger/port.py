"""What a store without transactions needs of its ledger, said once for both places where one may lie."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from transvase.core.figures import Debt, Place
from transvase.core.ports import Journal
from transvase.core.record import Key

from .figures import Doubt, Epoch, Fact, Mark


class Ledger(Protocol):
    """Notes that outlive every process, written by many of them at once.

    An *entry* is a note that a key's two sides may differ. It is born in one of two ways. ``intend`` makes it before a write,
    *in flight* while its writer lives and neither settles nor leaves it; ``owe`` makes it *open* at once. A payer is handed
    open entries alone, and never those of a key that has another one in flight: it would settle by what it sees what is
    just about to change. Entries have no content: who pays looks at the sides as they are, so the order of one key's
    entries cannot be got wrong.

    Keys are ``(UUID,)`` or ``(tenant, UUID)``; anything else is BadValue. Every method raises StoreFailed or LockNotGained
    when the ledger cannot be read or written, and then nothing of that call may be taken for kept; an entry of which its
    caller never heard becomes open.
    """

    @property
    def journal(self) -> Journal:
        """The migrations and the audit log."""
        ...

    @property
    def identity(self) -> str:
        """A UUID given when the ledger was made: another file in its place has another one."""
        ...

    @property
    def where(self) -> str:
        """What it is called in messages; no password in it."""
        ...

    def hold(self, alias: str) -> AbstractContextManager[None]:
        """Be the only operator of the alias for a while; Busy names the other one. A holder that dies lets go."""
        ...

    def intend(self, alias: str, keys: Sequence[Key], *, first: str, by: str = "") -> tuple[int, ...]:
        """Note that these keys are about to be written, first at the site ``first``; item i is the entry of ``keys[i]``.

        Durable when it returns (while nothing is captured: against the death of the process, not of the machine). A key that
        is named twice has one entry. ``by`` says in messages who it is. Which sites are to be written is asked *afterwards*,
        of ``capture``: a capture that begins later waits for this entry.
        """
        ...

    def writers_held(self, alias: str, *, most_s: float) -> AbstractContextManager[None]:
        """Whoever intends a write meanwhile waits in ``intend``, for ``most_s`` at most, even of a holder that dies.

        What is in flight goes on, and so does a payment, which names no first site.
        """
        ...

    def overlapped(self, alias: str, entries: Sequence[int]) -> set[Key]:
        """Those keys of the entries that somebody else had an entry for in the meantime; asked when both sides are written.

        Their order on the two sides is unknown: ``leave`` them, the payer compares. Settling the others is safe.
        """
        ...

    def settle(self, alias: str, entries: Sequence[int]) -> int:
        """The entries' keys were seen to agree, or written on both sides without an overlap; how many it settled.

        A writer's own entry that somebody settled meanwhile, taking the writer for dead, is owed again: its writes came later.
        So it is with ``leave``. Both may be called again after an error.
        """
        ...

    def leave(self, alias: str, entries: Sequence[int], *, only: str | None = None) -> None:
        """The writer has done what it could, and the entries stay owed: to the site ``only``, or as before."""
        ...

    def owe(self, alias: str, keys: Sequence[Key], *, only: str | None = None, first: str = "") -> int:
        """Leave the keys owed to the site ``only`` (None: to every one); durable. Returns how many were not owed to it yet.

        What somebody is just paying is owed again by it. ``first`` names the site that has the newest state, if one is known;
        after an ``@`` it may say when, which ``firsts`` gives back as it stands.
        """
        ...

    def owed(self, alias: str, *, underway: bool = True) -> int:
        """Keys with an entry that is not settled, in flight or open, each counted once.

        Without ``underway`` those are left out whose entries are all in flight, of living writers who said where they write
        first: whoever switches meanwhile need not wait for them, for their entries say where the newest state will lie. One
        that has been in flight for minutes counts all the same: its writer has lost sight of it.
        """
        ...

    def lying(self, alias: str, site: str) -> int:
        """Keys whose newest state lies at ``site``, as their newest unsettled entry says that names one: what is lost with it."""
        ...

    def flying(self, alias: str) -> int:
        """Keys of those that ``debts`` holds back: in flight, or their writer's death is too fresh."""
        ...

    def debts(self, alias: str, *, limit: int, grace_s: float = 2.0) -> list[Debt]:
        """Up to ``limit`` keys that may be paid now, the oldest entries first.

        The entry of a writer that died is open once it is ``grace_s`` old: what it had sent may arrive a moment after its death.
        """
        ...

    def firsts(self, alias: str, keys: Sequence[Key]) -> Mapping[Key, str]:
        """The site that the newest unsettled entry of a key names as the first to be written; keys without one are left out."""
        ...

    def watch(self, alias: str) -> int:
        """Begin to watch the keys, for ``since``: a fill asks before it reads. Ends with ``unwatch``, or the process."""
        ...

    def since(self, alias: str, watched: int, *, among: Sequence[Key] | None = None, site: str | None = None) -> set[Key]:
        """Keys of which an entry was unsettled at any moment since ``watched``; of those in ``among`` where it is given.

        With ``site`` only entries count that are owed to it, or to every one.
        """
        ...

    def unwatch(self, alias: str, watched: int) -> None:
        """Watch no longer: what had been kept for it may go."""
        ...

    def paid(self, alias: str, index: str, times: Mapping[Key, int]) -> None:
        """Note how a payment left these keys there, with every side seen to agree: by when each was written last.

        Milliseconds, the server's clock. What is lost of it with the machine makes nobody's work wrong.
        """
        ...

    def as_paid(self, alias: str, index: str, times: Mapping[Key, int]) -> set[Key]:
        """Those of the keys that a payment left there as they are now, by when they were written last."""
        ...

    def paid_long_ago(self, alias: str, *, before: int) -> None:
        """What was left by payments before that moment is of no use any more."""
        ...

    def capture(self, alias: str) -> Epoch:
        """What is captured now."""
        ...

    def begin_capture(self, alias: str, *, live: str, shadow: str, patience_s: float = 30.0) -> Epoch:
        """Have every write mirrored between these sites from now on, and return when no write is under way that is not.

        Idempotent. LockNotGained names the writers that were waited for in vain: the capture stays on, call again.
        """
        ...

    def end_capture(self, alias: str) -> None:
        """Mirror no longer; what is owed stays."""
        ...

    def outlast(self, alias: str, *, patience_s: float) -> None:
        """Return when every write that is under way now has ended; LockNotGained names those who were waited for in vain."""
        ...

    def forget(self, alias: str, index: str) -> None:
        """An index is gone: its place, its mark, and what is owed to it alone."""
        ...

    def place(self, index: str) -> Place:
        """How far the fill of the index has come."""
        ...

    def advance(self, index: str, place: Place) -> None:
        """Keep the place of a fill, when all of it up to there is written."""
        ...

    def doubt(self, alias: str, why: str, *, facts: Mapping[str, Fact] | None = None, own: bool = False) -> int:
        """Note something of unknown outcome, durably: ``why`` for people, ``facts`` for whoever finishes it. Its number.

        ``own``: it is ours to finish for as long as we live, and is told as ``owned`` until then.
        """
        ...

    def doubts(self, alias: str) -> list[Doubt]:
        """Every doubt that was not cleared, oldest first."""
        ...

    def clear(self, alias: str, doubt: int) -> bool:
        """The doubt has been looked into; False where somebody had cleared it before."""
        ...

    def mark(self, alias: str, index: str, mark: Mark) -> None:
        """Keep how far the index has been compared."""
        ...

    def marked(self, alias: str, index: str) -> Mark:
        """How far the index has been compared; an empty Mark if never."""
        ...

    def beat(self, alias: str, *, who: str = "worker") -> None:
        """Say that ``who`` is alive."""
        ...

    def quiet_s(self, alias: str, *, who: str = "worker") -> float | None:
        """Seconds since ``who`` was last alive, by the ledger's clock; None: never."""
        ...

    def close(self) -> None:
        """Let go of everything. What was in flight is owed from then on."""
        ...
