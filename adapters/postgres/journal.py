"""The journal in PostgreSQL: beside the indexes, so that both are backed up and restored together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from psycopg import errors
from psycopg.types.json import Jsonb
from transvase.core.errors import Moved
from transvase.core.migration import Migration
from transvase.core.ports import Event

from . import aliases
from .connections import Connections
from .sql import statement


@dataclass(frozen=True, slots=True)
class PostgresJournal:
    """Fits the port ``Journal``."""

    connections: Connections

    def load(self, alias: str) -> Migration | None:
        """The latest migration of the alias."""
        with self.connections.use("reading the journal") as c:
            if not aliases.installed(c):
                return None
            row = c.execute(statement("journal", "load"), {"alias": alias}).fetchone()
        if row is None:
            return None
        attempt, version, phase, facts = row
        return Migration.from_facts(alias, attempt, version=version, phase=phase, facts=facts)

    def save(self, migration: Migration, *, expect: int | None) -> None:
        """Keep it under the version that was read; Moved when another was saved in between."""
        values: dict[str, object] = {
            "alias": migration.alias,
            "attempt": migration.attempt,
            "version": migration.version,
            "phase": migration.phase.value,
            "expect": expect,
            "facts": Jsonb(migration.facts()),
        }
        with self.connections.use("writing the journal") as c:
            try:
                done = c.execute(statement("journal", "begin" if expect is None else "save"), values).rowcount
            except errors.UniqueViolation:
                done = 0
        if done != 1:
            found = self.load(migration.alias)
            raise Moved(f"the migration of {migration.alias!r}", expected=expect, found=found.version if found else None)

    def note(self, alias: str, what: str, facts: Mapping[str, object]) -> None:
        """Append to the audit log under the session's own user and address."""
        with self.connections.use("writing the audit log") as c:
            c.execute(statement("journal", "note"), {"alias": alias, "what": what, "facts": Jsonb(dict(facts))})

    def history(self, alias: str) -> list[Event]:
        """The audit log, oldest first."""
        with self.connections.use("reading the audit log") as c:
            if not aliases.installed(c):
                return []
            return [Event(*row) for row in c.execute(statement("journal", "history"), {"alias": alias})]
