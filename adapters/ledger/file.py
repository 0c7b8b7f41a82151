"""The SQLite file of a ledger: how it is recognised, checked, made and opened, and the dialect that it speaks."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from transvase.core.errors import BadValue, StoreFailed, Unfit

from . import statements
from .failures import BUSY_S, OPENING, damaged, of_another_edition, sqlite_translated
from .pages import Run
from .statements import Dialect

OURS: Final = 0x54564C47
"""The file's application id ("TVLG")."""
OLDEST: Final = (3, 35)
"""RETURNING."""
CHECKED: Final = 64 << 20
"""A file up to this size is checked for damage when it is opened (some 0.1 s at most); a larger one tells when it is read."""

DIALECT: Final = Dialect(
    serial="INTEGER PRIMARY KEY AUTOINCREMENT",
    latest="(SELECT seq FROM sqlite_sequence WHERE name = 'owed')",
    ticket="UPDATE sqlite_sequence SET seq = seq + 1 WHERE name = 'owed' RETURNING seq",
    now="((julianday('now') - 2440587.5) * 86400.0)",
    joined="GROUP_CONCAT(entry)",
    numbers="(SELECT value FROM json_each(:entries))",
    words="(SELECT value FROM json_each(:writers))",
    keys="(SELECT json_extract(value, '$[0]') AS tenant, json_extract(value, '$[1]') AS uuid FROM json_each(:keys))",
    times=(
        "(SELECT json_extract(value, '$[0]') AS tenant, json_extract(value, '$[1]') AS uuid,"
        " json_extract(value, '$[2]') AS written FROM json_each(:times))"
    ),
)


@cache
def _spelt(statement: str) -> str:
    return DIALECT.spelt(statement)


def runner(connection: sqlite3.Connection) -> Run:
    """What executes statements on the connection, in SQLite's spelling."""

    def run(statement: str, values: Mapping[str, object] | None = None, /) -> list[tuple[Any, ...]]:
        return connection.execute(_spelt(statement), values or {}).fetchall()

    return run


def placed(path: Path, *, made: bool) -> Path:
    """The real path, one for all names of the file, in a directory that is there, or is ``made``; BadValue without one."""
    if sqlite3.sqlite_version_info < OLDEST:
        raise Unfit(f"SQLite {sqlite3.sqlite_version} is too old for a ledger", remedy="use a Python with SQLite 3.35 or newer")
    try:
        real = path.expanduser().resolve()
        if real.is_dir():
            raise BadValue("ledger", str(path), why="this is a directory: name a file in it")
        if made:
            real.parent.mkdir(parents=True, exist_ok=True)
        absent = next((str(folder) for folder in reversed(real.parents) if not folder.is_dir()), None)
    except (OSError, RuntimeError, ValueError) as error:
        raise StoreFailed(f"the ledger {path} cannot be opened: {error}; see that its directory may be written") from error
    if absent is not None:
        raise BadValue("ledger", str(path), why=f"there is no directory {absent}; make it, or name a file in one that is there")
    return real


def opened(path: Path, *, install: bool) -> sqlite3.Connection:
    """A connection with every setting made; with ``install`` the file is looked at first, and made if it is new."""
    with sqlite_translated(str(path), OPENING):
        connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
        try:
            if install:
                _check(connection, path)
                connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA checkpoint_fullfsync = ON")  # where the system's own flush stops at the drive's cache
            if install:
                _install(connection)
            connection.execute("SELECT COUNT(*) FROM meta").fetchone()  # the first look makes the log, if it was folded in
        except BaseException:
            connection.close()
            raise
    return connection


def _check(connection: sqlite3.Connection, path: Path) -> None:
    (tables,) = connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
    (owner,) = connection.execute("PRAGMA application_id").fetchone()
    if owner != OURS:
        if tables or owner:
            raise Unfit(f"{path} is the SQLite file of another program, and was left as it is", remedy="name another file")
        return
    (edition,) = connection.execute("PRAGMA user_version").fetchone()
    if edition != statements.EDITION:
        raise of_another_edition(str(path), edition)
    if path.stat().st_size <= CHECKED:
        (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise damaged(str(path), str(said).replace("\n", " "))


def _install(connection: sqlite3.Connection) -> None:
    """Make the tables in one transaction, unless they are there."""
    if connection.execute("PRAGMA application_id").fetchone() == (OURS,):
        return
    connection.execute("BEGIN IMMEDIATE")
    run = runner(connection)
    for table in statements.TABLES:
        run(table)
    run(statements.SET_META, {"name": "identity", "value": str(uuid4())})
    connection.execute("INSERT INTO sqlite_sequence (name, seq) VALUES ('owed', 0)")
    connection.execute(f"PRAGMA application_id = {OURS}")
    connection.execute(f"PRAGMA user_version = {statements.EDITION}")
    connection.execute("COMMIT")
