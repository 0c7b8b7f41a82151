"""What a ledger is written on: transactions, the lives of writers, and the operator's lock. SQLite and Postgres fit it."""

from __future__ import annotations

import getpass
import os
import socket
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol


class Run(Protocol):
    """Executes one of the statements inside a transaction; the rows it gave."""

    def __call__(self, statement: str, values: Mapping[str, object] = ..., /) -> list[tuple[Any, ...]]:
        """All rows, or none for a statement that gives none."""
        ...


class Life(Protocol):
    """A writer's sign of life: it ends with its process, and everybody can see whether it has."""

    @property
    def token(self) -> str:
        """The name by which entries say whose they are."""
        ...

    def sound(self) -> bool:
        """False when the sign is known to have gone while the process lives on (a lost session)."""
        ...

    def end(self) -> None:
        """Give the sign of life up; once more is no error."""
        ...


class Pages(Protocol):
    """One database that holds a ledger, installed and checked when the object was made. Threads share it."""

    @property
    def where(self) -> str:
        """What it is called in messages."""
        ...

    @property
    def shares_fate(self) -> bool:
        """True where whatever could lose the last commits of the database would end every writer too."""
        ...

    def read(self, doing: str) -> AbstractContextManager[Run]:
        """One statement after another, outside a transaction. Driver errors leave translated."""
        ...

    def write(self, doing: str, *, durable: bool = True) -> AbstractContextManager[Run]:
        """A transaction, kept when the block ends well. Unless ``durable``, the loss of the machine may take it back."""
        ...

    def flush(self) -> None:
        """Make everything durable that was committed before the call."""
        ...

    def enlist(self) -> Life:
        """A new sign of life of this process."""
        ...

    def living(self, tokens: Iterable[str]) -> set[str]:
        """Those of the tokens whose sign of life is there."""
        ...

    def hold(self, alias: str) -> AbstractContextManager[None]:
        """Be the only operator of the alias; Busy."""
        ...

    def anew(self) -> Pages:
        """The pages for a forked child: nothing of the parent's is used or closed."""
        ...

    def close(self) -> None:
        """Close every connection."""
        ...


def myself() -> str:
    """Who we are, for the audit log and for those who wait for us: user, host and process."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container whose user has no name
        user = f"uid {os.getuid()}"
    return f"{user}@{socket.gethostname()}, pid {os.getpid()}"
