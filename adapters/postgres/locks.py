"""Locks: the operator's, the pen of whoever writes vectors, and the ladder on which strong locks are asked for.

A statement that waits for a strong lock makes every later statement on the table wait behind it. So the time we wait is the
longest time that we can stall an application, and it is short: 100 ms at first and 1 s at most, with pauses in which
everybody else gets through, until a total deadline.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from psycopg import errors
from transvase.core.errors import Busy, LockNotGained

from .connections import Connection, Connections
from .failures import translated

OPERATOR: Final = 0x5456_0001
PEN: Final = 0x5456_0002
FIRST_S: Final = 0.1
MOST_S: Final = 1.0
"""The longest that a statement of the application can be made to wait for one of our locks."""
DEADLINE_S: Final = 30.0


@contextmanager
def hold(connections: Connections, alias: str, *, patience_s: float = 2.0) -> Iterator[None]:
    """Be the only operator of an alias; Busy names the other one. The lock ends with the connection, so a dead holder lets go."""
    connection = connections.alone()
    try:
        with translated("taking the operator's lock"):
            give_up = time.monotonic() + patience_s
            while not _try(connection, alias):
                if time.monotonic() > give_up:
                    raise Busy(alias, _holder(connection, alias))
                time.sleep(0.05)
        yield
    finally:
        connection.close()


def take_pen(connection: Connection, number: int) -> None:
    """Wait until nobody else writes vectors of this alias, until the end of the transaction.

    Without it a fill that has looked at a row, and a worker that finds that row deleted, could each finish without seeing
    the other, and a deleted row's vector would come back for good.
    """
    connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (PEN, number))


def climb(connection: Connection, what: str, act: Callable[[], None], *, deadline_s: float = DEADLINE_S) -> float:
    """Run ``act`` in a transaction whose locks are waited for on the ladder; the longest single wait in seconds.

    LockNotGained after ``deadline_s``, with nothing done.
    """
    started, patience, longest = time.monotonic(), FIRST_S, 0.0
    while True:
        asked = time.monotonic()
        try:
            with connection.transaction():
                connection.execute("SELECT set_config('lock_timeout', %s, true)", (f"{round(patience * 1000)}ms",))
                act()
            return max(longest, 0.0)
        except errors.LockNotAvailable as error:
            longest = max(longest, time.monotonic() - asked)
            waited = time.monotonic() - started
            if waited > deadline_s:
                raise LockNotGained(what, waited_s=waited, blockers=_elders(connection)) from error
        # A pause of random length, so that those who queued behind us get through and two of us do not keep step.
        time.sleep(patience * random.uniform(0.5, 1.5))  # noqa: S311 -- jitter, not a secret
        patience = min(MOST_S, patience * 1.5)


def _try(connection: Connection, alias: str) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (OPERATOR, alias)).fetchone()
    return bool(row and row[0])


def _holder(connection: Connection, alias: str) -> str:
    row = connection.execute(
        "SELECT format('%%s as %%s, pid %%s, since %%s', coalesce(host(a.client_addr), 'a local socket'), a.usename, a.pid,"
        " to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS'))"
        " FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE l.locktype = 'advisory' AND l.classid::bigint = %s AND l.granted"
        " AND l.objid::bigint = hashtext(%s)::bigint & 4294967295",
        (OPERATOR, alias),
    ).fetchone()
    return str(row[0]) if row else "it has just let go"


def _elders(connection: Connection) -> str:
    rows = connection.execute(
        "SELECT format('pid %s (%s, %s for %s s)', pid, usename, state,"
        " round(extract(epoch FROM clock_timestamp() - xact_start)))"
        " FROM pg_stat_activity WHERE xact_start < clock_timestamp() - interval '1 second' AND pid <> pg_backend_pid()"
        " AND datname = current_database() ORDER BY xact_start LIMIT 3"
    ).fetchall()
    return ", ".join(str(row[0]) for row in rows)
