"""The journal in the ledger: migrations under a version that nobody overwrites, and the audit log."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from transvase.core.errors import Moved
from transvase.core.migration import Migration
from transvase.core.ports import Event

from . import statements
from .pages import Pages, myself


@dataclass(frozen=True, slots=True)
class LedgerJournal:
    """Fits the port ``Journal``."""

    pages: Callable[[], Pages]

    def load(self, alias: str) -> Migration | None:
        """The latest migration of the alias."""
        with self.pages().read("reading the journal") as run:
            rows = run(statements.LOAD, {"alias": alias})
        if not rows:
            return None
        attempt, version, phase, body = rows[0]
        return Migration.from_facts(alias, attempt, version=version, phase=phase, facts=json.loads(body))

    def save(self, migration: Migration, *, expect: int | None) -> None:
        """Keep it under the version that was read; Moved when another was saved in between."""
        values: dict[str, object] = {
            "alias": migration.alias,
            "attempt": migration.attempt,
            "version": migration.version,
            "phase": migration.phase.value,
            "body": json.dumps(migration.facts()),
        }
        with self.pages().write("writing the journal") as run:
            done = run(statements.BEGIN, values) if expect is None else run(statements.SAVE, {**values, "expect": expect})
        if len(done) != 1:
            found = self.load(migration.alias)
            raise Moved(f"the migration of {migration.alias!r}", expected=expect, found=found.version if found else None)

    def note(self, alias: str, what: str, facts: Mapping[str, object]) -> None:
        """Append to the audit log, under the name of this process."""
        values = {"alias": alias, "who": myself(), "what": what, "facts": json.dumps(dict(facts))}
        with self.pages().write("writing the audit log") as run:
            run(statements.NOTE, values)

    def history(self, alias: str) -> list[Event]:
        """The audit log, oldest first."""
        with self.pages().read("reading the audit log") as run:
            rows = run(statements.HISTORY, {"alias": alias})
        return [Event(_moment(at), who, what, json.loads(facts)) for at, who, what, facts in rows]


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, tz=UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
