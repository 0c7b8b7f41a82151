"""The journal in the ledger: migrations under a version that nobody overwrites, and the audit log."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from transvase.core.errors import Moved
from transvase.core.migration import Migration, Phase
from transvase.core.ports import Event
from transvase.core.verdict import Verdict

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
        facts = json.loads(body)
        return Migration(
            alias=alias,
            attempt=attempt,
            source=facts["source"],
            target=facts["target"],
            phase=Phase(phase),
            version=version,
            verdict=Verdict.from_json(facts["verdict"]) if facts.get("verdict") else None,
            paused=bool(facts.get("paused")),
        )

    def save(self, migration: Migration, *, expect: int | None) -> None:
        """Keep it under the version that was read; Moved when another was saved in between."""
        facts = {
            "source": migration.source,
            "target": migration.target,
            "paused": migration.paused,
            "verdict": migration.verdict.as_json() if migration.verdict else None,
        }
        values: dict[str, object] = {
            "alias": migration.alias,
            "attempt": migration.attempt,
            "version": migration.version,
            "phase": migration.phase.value,
            "body": json.dumps(facts),
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
