"""The one place where the driver's exceptions become Transvase's; a test walks psycopg's tree to see that none escapes."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import psycopg_pool
from psycopg import errors
from transvase.core.errors import BadValue, LockNotGained, StoreFailed, Superseded, TransvaseError, Unfit

LOST = (psycopg.OperationalError, psycopg.InterfaceError, psycopg_pool.PoolTimeout, psycopg_pool.PoolClosed)
"""What a connection that is gone looks like (lock timeouts and cancelled statements are OperationalErrors too)."""

PASSING = (errors.DeadlockDetected, errors.SerializationFailure, errors.TooManyConnections)
"""What the same statement may escape later. Not a connection that is gone: the operator's lock went with it."""

ASKS_TO_WAIT = re.compile(
    r"the database system is (starting up|shutting down|in recovery mode|not yet accepting connections)"
    r"|too many clients already|remaining connection slots"
)
"""What a server that is there says to whoever connects; the driver gives no code with it."""

FAILED = (
    (errors.DiskFull, "the database's disk is full"),
    ((psycopg_pool.PoolTimeout, psycopg_pool.PoolClosed), "no connection to the database"),
    ((psycopg.OperationalError, psycopg.InterfaceError), "the database went away or refused"),
)
"""What a failure of the world is called, the narrower kinds first."""


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise Transvase's own error for whatever the driver raises inside; ``doing`` completes "while …"."""
    try:
        yield
    except (psycopg.Error, psycopg.Warning) as error:
        raise translation(error, doing) from error


@contextmanager
def translated_reading(index: str, doing: str) -> Iterator[None]:
    """The same for reads of one index: a table or column that is no longer there means that the index is gone."""
    try:
        yield
    except (errors.UndefinedTable, errors.UndefinedColumn) as error:
        raise Superseded(index) from error
    except (psycopg.Error, psycopg.Warning) as error:
        raise translation(error, doing) from error


def translation(error: Exception, doing: str) -> TransvaseError:
    """The error that a caller should see for ``error``."""
    said = _first_line(error)
    code = getattr(error, "sqlstate", None)
    match error:
        case errors.LockNotAvailable():
            return LockNotGained(doing, waited_s=0.0, blockers="")
        case errors.InsufficientPrivilege():
            return Unfit(f"the role may not do what {doing} needs ({said})", remedy="grant it, or connect as the table's owner")
        case psycopg.DataError() if code is None:  # the driver's own: the value never reached the server
            return BadValue("the value given for", doing, why=said)
    what = next((words for kind, words in FAILED if isinstance(error, kind)), "the database refused")
    return StoreFailed(f"{what} while {doing}: {said}", code=code, passing=isinstance(error, PASSING), anew=_anew(error))


def first_contact(error: StoreFailed) -> StoreFailed:
    """The same of a connection that was the first: nothing is known of its address but what a server answered there."""
    return error if ASKS_TO_WAIT.search(error.what) else StoreFailed(error.what, code=error.code)


def _anew(error: Exception) -> bool:
    """True where a session has gone that another one may take the place of, once the server has been started again."""
    code = getattr(error, "sqlstate", None)
    return isinstance(error, LOST) and (code is None or code.startswith(("08", "57P")))


def _first_line(error: Exception) -> str:
    text = str(error).strip()
    return text.splitlines()[0] if text else type(error).__name__
