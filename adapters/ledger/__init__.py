"""The durable memory of a store that has no transactions: migrations, what is owed and to whom, and who is at work.

A store whose objects cannot be changed in one transaction with a note about the change writes the note here first, where
it is durable, and settles it when it has seen that both sides agree. One SQLite file beside the operator serves one host;
a schema in a Postgres database serves many. Both are one set of statements in two dialects.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from transvase.core.errors import BadValue

from .book import Book
from .figures import Doubt, Epoch, Mark
from .port import Ledger

__all__ = ["Book", "Doubt", "Epoch", "Ledger", "Mark", "at_home", "beside", "connect"]

POSTGRES = ("postgresql:", "postgres:")


def connect(where: str | os.PathLike[str]) -> Ledger:
    """The ledger in a file (a path) or in a Postgres database (``postgresql://…``), made there if it is not there yet.

    Unfit for a file that is something else, or a ledger of a newer Transvase; StoreFailed for one that is damaged: nothing
    is overwritten then. BadValue for a place that cannot be one, and for a file in a directory that is not there.
    """
    text = os.fspath(where)
    if text.startswith(POSTGRES):
        from .postgres import PostgresPages

        return Book(PostgresPages(text))
    if not text or re.match(r"[a-z][a-z0-9+]+://", text):
        raise BadValue("ledger", text, why="give the path of a file, or a postgresql:// URL")
    from .sqlite import SqlitePages

    return Book(SqlitePages(Path(text), made=False))


def at_home(host: str, port: int) -> Ledger:
    """The ledger of a server unless it is told another place: ``beside`` the operator, in a directory that is made for it."""
    from .sqlite import SqlitePages

    return Book(SqlitePages(beside(host, port), made=True))


def beside(host: str, port: int) -> Path:
    """Where the ledger of a server lies unless it is told: in the operator's directory for state ($XDG_STATE_HOME)."""
    home = os.environ.get("XDG_STATE_HOME") or ""
    root = Path(home) if Path(home).is_absolute() else Path("~/.local/state").expanduser()
    return root / "transvase" / f"{re.sub(r'[^A-Za-z0-9.-]', '-', host)}_{port}.sqlite"
