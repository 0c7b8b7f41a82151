"""What is owed: the port through which keys leave it. Payments themselves are made of what the other ports read and encode."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from .figures import Debt, Payment
from .record import Key


class Outbox(Protocol):
    """Keys whose vectors are owed to some index. Appending is the application's; paying is ours."""

    def owed(self, *, underway: bool = True) -> int:
        """Keys that are owed now, each counted once; without ``underway`` those not that a living writer is just writing."""
        ...

    def read(self, *, limit: int) -> list[Debt]:
        """Some debts that may be paid now, the oldest entries first; what somebody is just writing may be held back."""
        ...

    def unsettled(self, keys: Sequence[Key]) -> set[Key]:
        """Those of the keys whose sides may differ just now: owed, or held back from ``read`` while somebody writes them."""
        ...

    def pay(self, debts: Sequence[Debt], payments: Sequence[Payment]) -> int:
        """Write each payment where the text is still that of its record and remove vectors of keys that are gone or have no text.

        A debt is settled by what every site that it is owed to is seen to hold: in the transaction that wrote the vectors, or
        in a look after the writes where there is none. Whose record changed since it was read stays owed by its newer entry;
        an index that cannot be written just now stays owed alone, and what is in doubt stays owed. Every kept site is paid,
        the live one included. Returns how many were settled whole.
        """
        ...

    def writers_held(self, *, most_s: float) -> AbstractContextManager[None]:
        """Have whoever writes through us begin nothing new meanwhile, for ``most_s`` at most, even of a holder that dies.

        Then the debts of rows that are written all the time can be paid to the last. What is under way goes on, and no write is
        lost. Where writers go past us nobody is held back: that would take a lock on what is theirs.
        """
        ...

    def beat(self) -> None:
        """Say that a worker is alive."""
        ...

    def quiet_s(self) -> float | None:
        """Seconds since a worker was last alive; None: never."""
        ...
