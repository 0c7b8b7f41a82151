"""The journal of the memory store: migrations with their versions, and the audit log, for as long as the process lives."""

from __future__ import annotations

import getpass
import json
import os
import socket
from collections.abc import Mapping
from datetime import UTC, datetime
from threading import RLock

from transvase.core.errors import Moved
from transvase.core.migration import Migration
from transvase.core.ports import Event


class MemoryJournal:
    """The Journal port. An alias has at most one migration that has not ended."""

    def __init__(self, *, lock: RLock) -> None:
        self._lock = lock
        self._migrations: dict[str, dict[int, Migration]] = {}
        self._events: dict[str, list[Event]] = {}

    def load(self, alias: str) -> Migration | None:
        """The migration of the highest attempt."""
        with self._lock:
            attempts = self._migrations.get(alias, {})
            return attempts[max(attempts)] if attempts else None

    def save(self, migration: Migration, *, expect: int | None) -> None:
        """Keep it if the stored version is ``expect``; Moved otherwise, and Moved for a new one beside one that has not ended."""
        with self._lock:
            attempts = self._migrations.setdefault(migration.alias, {})
            stored = attempts.get(migration.attempt)
            found = stored.version if stored else None
            if found != expect:
                raise Moved(f"the migration of {migration.alias!r}", expected=expect, found=found)
            others = [other.attempt for other in attempts.values() if not other.ended and other.attempt != migration.attempt]
            if others and not migration.ended:
                raise Moved(f"the migration of {migration.alias!r}", expected="none open", found=f"attempt {others[0]}")
            attempts[migration.attempt] = migration

    def note(self, alias: str, what: str, facts: Mapping[str, object]) -> None:
        """Append to the audit log. The facts are kept as JSON: what cannot be written down cannot be noted."""
        event = Event(datetime.now(UTC).isoformat(), _who(), what, json.loads(json.dumps(dict(facts))))
        with self._lock:
            self._events.setdefault(alias, []).append(event)

    def history(self, alias: str) -> list[Event]:
        """The audit log of the alias, oldest first."""
        with self._lock:
            return list(self._events.get(alias, []))


def _who() -> str:
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a process without an account
        user = str(os.getuid())
    return f"{user}@{socket.gethostname()}"
