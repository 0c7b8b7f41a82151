"""The one place where the exceptions of the two drivers become Transvase's."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from transvase.core.errors import LockNotGained, StoreFailed, TransvaseError, Unfit

from .statements import EDITION

OPENING: Final = "opening it"
BUSY_S: Final = 5.0
"""How long one writer of a file waits for the others."""


@contextmanager
def sqlite_translated(where: str, doing: str) -> Iterator[None]:
    """Raise our own error for what SQLite raises inside, naming the file; ``doing`` completes "while …"."""
    try:
        yield
    except sqlite3.Error as error:
        raise _of_sqlite(error, where, doing) from error


def _of_sqlite(error: sqlite3.Error, where: str, doing: str) -> TransvaseError:
    name = getattr(error, "sqlite_errorname", "") or type(error).__name__
    match "_".join(name.split("_")[:2]):
        case "SQLITE_FULL":
            what = f"the disk of the ledger {where} is full: nothing was written while {doing}; make room and do it again"
        case "SQLITE_READONLY" | "SQLITE_PERM" | "SQLITE_AUTH":
            remedy = "give this user the right to write the file and its directory"
            return Unfit(f"the ledger {where} cannot be written while {doing} ({error})", remedy=remedy)
        case "SQLITE_CORRUPT" | "SQLITE_NOTADB":
            return damaged(where, str(error))
        case "SQLITE_ERROR" if doing == OPENING:  # a header that no edition of SQLite has written
            return damaged(where, str(error))
        case "SQLITE_BUSY" | "SQLITE_LOCKED":
            return LockNotGained(f"the ledger {where}", waited_s=BUSY_S, blockers="another process that writes it")
        case "SQLITE_CANTOPEN":
            what = (
                f"the ledger {where} cannot be opened while {doing} ({error}); see that its directory is there and may be written"
            )
        case _:
            what = f"the ledger {where} failed while {doing}: {error}; nothing of it was kept"
    return StoreFailed(what, code=name)


def damaged(where: str, said: str) -> StoreFailed:
    """What is said of a file that is a ledger no longer; it is never overwritten."""
    return StoreFailed(
        f"the ledger {where} is damaged ({said}) and was left as it is: put a copy of it back (with its -wal file), "
        "or move it away and reconcile with a new one"
    )


def of_another_edition(where: str, edition: int) -> Unfit:
    """What is said of a ledger that another Transvase made; it is left as it is."""
    what = f"the ledger {where} is of edition {edition}, and this Transvase knows edition {EDITION} alone"
    if edition > EDITION:
        return Unfit(what, remedy="use the newer Transvase everywhere")
    made = "it was made before the first release"
    return Unfit(what, remedy=f"{made}: end what is under way with the Transvase that made it, then name a new ledger")


@contextmanager
def postgres_translated(where: str, doing: str) -> Iterator[None]:
    """The same for psycopg."""
    import psycopg

    try:
        yield
    except (psycopg.Error, psycopg.Warning) as error:
        raise _of_postgres(error, where, doing) from error


def _of_postgres(error: Exception, where: str, doing: str) -> TransvaseError:
    import psycopg
    from psycopg import errors

    said = (str(error).strip() or type(error).__name__).splitlines()[0]
    match error:
        case errors.InsufficientPrivilege() | errors.ReadOnlySqlTransaction():
            remedy = "grant it (CREATE on the database, once; then everything in the schema transvase_ledger), on a primary"
            return Unfit(f"the ledger {where} cannot be written while {doing} ({said})", remedy=remedy)
        case errors.LockNotAvailable() | errors.QueryCanceled():
            return LockNotGained(f"the ledger {where}", waited_s=BUSY_S, blockers="")
        case errors.DiskFull():
            what = f"the disk of the ledger {where} is full: nothing was written while {doing}"
        case _:
            what = f"the ledger {where} failed while {doing}: {said}"
    code = getattr(error, "sqlstate", None)
    lost = isinstance(error, psycopg.OperationalError | psycopg.InterfaceError) and (code or "08").startswith(("08", "57P"))
    return StoreFailed(what, code=code, anew=lost and doing != OPENING)
