"""What the core asks of the memory of migrations, wherever it is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from .figures import Event
from .migration import Migration


class Journal(Protocol):
    """The durable memory of migrations, and the audit log."""

    def load(self, alias: str) -> Migration | None:
        """The latest migration of the alias, ended or not."""
        ...

    def save(self, migration: Migration, *, expect: int | None) -> None:
        """Keep it if the stored version is ``expect`` (None: no such attempt yet); Moved otherwise."""
        ...

    def note(self, alias: str, what: str, facts: Mapping[str, object]) -> None:
        """Append to the audit log: who (the journal knows), what, with which facts."""
        ...

    def history(self, alias: str) -> list[Event]:
        """The audit log, oldest first."""
        ...
