"""The switch: one transaction that sees what is owed and moves one row, with somebody watching whether anyone waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from transvase.core.errors import Moved, NotReady, StoreFailed
from transvase.core.ports import Switch

from . import aliases, outbox, view
from .aliases import Known
from .connections import Connection, Connections
from .locks import climb
from .sql import statement


def point(connections: Connections, alias: str, index: str, *, expect: int, allow_owed: int) -> Switch:
    """Make the alias name ``index``: an UPDATE of one row. No lock on any table is taken, unless the element type changes."""
    with connections.use("switching the alias") as c:
        known = aliases.load(c, alias)
        known.declaration(index)
        with _watched(connections, c) as waits:
            started = time.perf_counter()
            owed = _switch(c, known, index, expect=expect, allow_owed=allow_owed)
            seconds = time.perf_counter() - started
        return Switch(seconds, owed, max(waits, default=0.0))


def _switch(connection: Connection, known: Known, index: str, *, expect: int, allow_owed: int) -> int:
    owed = 0

    def act() -> None:
        nonlocal owed
        owed = outbox.count(connection, known.shape)
        if owed > allow_owed:
            raise NotReady("cutover", f"{owed} rows are owed and {allow_owed} are allowed")
        values = {"alias": known.alias.name, "index": index, "expect": expect}
        if connection.execute(statement("alias", "point"), values).rowcount != 1:
            row = connection.execute(statement("alias", "generation"), {"alias": known.alias.name}).fetchone()
            raise Moved(f"alias {known.alias.name!r}", expected=expect, found=row[0] if row else None)
        if not view.follows(known):
            view.write(connection, aliases.load(connection, known.alias.name))

    if view.follows(known):
        with connection.transaction():
            act()
    else:
        # The element type changes, so the view must be replaced: this alone needs a strong lock at the switch.
        climb(connection, f"the view of {known.alias.name}", act)
    return owed


@contextmanager
def _watched(connections: Connections, switching: Connection) -> Iterator[list[float]]:
    """Sample, as fast as the server answers, how long any session has been waiting for the switching one."""
    pid = switching.info.backend_pid
    waits: list[float] = []
    ready, over = threading.Event(), threading.Event()

    def watch() -> None:
        try:
            with connections.use("watching the switch") as c:
                ready.set()
                while not over.is_set():
                    row = c.execute(
                        "SELECT extract(epoch FROM max(clock_timestamp() - state_change))::float8 FROM pg_stat_activity"
                        " WHERE wait_event_type = 'Lock' AND %s = ANY (pg_blocking_pids(pid))",
                        (pid,),
                    ).fetchone()
                    if row and row[0] is not None:
                        waits.append(float(row[0]))
        except StoreFailed:
            pass  # it only looks on: a server that has gone shows in the switch itself
        finally:
            ready.set()

    watcher = threading.Thread(target=watch, name="transvase-switch-watch", daemon=True)
    watcher.start()
    ready.wait(timeout=10)
    try:
        yield waits
    finally:
        over.set()
        watcher.join(timeout=10)
