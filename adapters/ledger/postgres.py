"""The ledger in the schema ``transvase_ledger`` of a Postgres database, for several hosts that share the work.

A writer's sign of life, and the operator's lock, are advisory locks of sessions of their own. They need a direct connection:
behind a pooler that lends sessions by the transaction they would belong to nobody.
"""

from __future__ import annotations

import re
import select
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from uuid import uuid4

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from transvase.core.errors import BadValue, Busy, StoreFailed

from . import statements
from .failures import BUSY_S, of_another_edition, postgres_translated
from .flocks import PATIENCE_S, ended, ends_with_us
from .pages import Life, Run, myself
from .statements import Dialect

OPERATOR: Final = 0x5456_0003
WRITER: Final = 0x5456_0004
INSTALLER: Final = 0x5456_0005
"""First halves of our advisory locks; the store's own in Postgres are others."""

DIALECT: Final = Dialect(
    serial="BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY",
    latest="(SELECT last_value FROM owed_entry_seq)",
    ticket="SELECT nextval('owed_entry_seq')",
    now="CAST(extract(epoch FROM clock_timestamp()) AS double precision)",
    joined="string_agg(CAST(entry AS text), ',')",
    numbers="(SELECT CAST(value AS bigint) FROM jsonb_array_elements_text(CAST(:entries AS jsonb)))",
    words="(SELECT value FROM jsonb_array_elements_text(CAST(:writers AS jsonb)))",
    keys="(SELECT value->>0 AS tenant, value->>1 AS uuid FROM jsonb_array_elements(CAST(:keys AS jsonb)))",
    times=(
        "(SELECT value->>0 AS tenant, value->>1 AS uuid, CAST(value->>2 AS bigint) AS written"
        " FROM jsonb_array_elements(CAST(:times AS jsonb)))"
    ),
)

SETTINGS: Final = {
    "search_path": "transvase_ledger, pg_catalog",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "statement_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "lock_timeout": f"{round(BUSY_S * 1000)}",
}
KEEPALIVE: Final = {"keepalives": "1", "keepalives_idle": "15", "keepalives_interval": "5", "keepalives_count": "3"}
"""A dead peer is noticed within half a minute."""

Connection = psycopg.Connection[tuple[Any, ...]]
_abandoned: list[object] = []
"""Connections that a forked child inherited: closing one there would end the parent's session."""


@cache
def _spelt(statement: str) -> str:
    return re.sub(r":([a-z_]+)", r"%(\1)s", DIALECT.spelt(statement))


class PostgresPages:
    """Fits ``Pages``."""

    shares_fate: Final = False

    def __init__(self, url: str) -> None:
        self._conninfo, self.where = _conninfo(url)
        self._url = url
        self._idle: dict[bool, list[Connection]] = {True: [], False: []}
        self._closed = False
        try:
            with self._lent(durable=True, doing="opening it") as connection:
                _install(connection, self.where)
        except BaseException:
            self.close()
            raise

    @contextmanager
    def read(self, doing: str) -> Iterator[Run]:
        """A connection in autocommit mode."""
        with self._lent(durable=True, doing=doing) as connection:
            yield runner(connection)

    @contextmanager
    def write(self, doing: str, *, durable: bool = True) -> Iterator[Run]:
        """A transaction; one that need not be durable does not wait for the log to be flushed."""
        with self._lent(durable=durable, doing=doing) as connection, connection.transaction():
            yield runner(connection)

    def flush(self) -> None:
        """A durable commit takes every earlier one with it."""
        with self._lent(durable=True, doing="flushing") as connection:
            connection.execute("SELECT pg_current_xact_id()")  # a transaction with a number writes a commit of its own

    def enlist(self) -> Life:
        """A session of its own that holds a lock on a number nobody else has."""
        with postgres_translated(self.where, "enlisting a writer"):
            connection = self._connected()
            try:
                (number,) = connection.execute("SELECT nextval('writers')").fetchone() or (0,)
                connection.execute("SELECT pg_advisory_lock(%s, %s)", (WRITER, number))
            except BaseException:
                connection.close()
                raise
        ends_with_us(connection.fileno())
        return SessionLife(str(number), connection, connection.fileno())

    def living(self, tokens: Iterable[str]) -> set[str]:
        """Those whose number is locked."""
        with self.read("looking for living writers") as run:
            rows = run(_HELD, {"class": WRITER})
        return {str(number) for (number,) in rows} & set(tokens)

    @contextmanager
    def hold(self, alias: str) -> Iterator[None]:
        """A session's lock on the alias' name."""
        with postgres_translated(self.where, "taking the operator's lock"):
            connection = self._connected(name=f"transvase operator {alias}: {myself()}")
        descriptor = connection.fileno()
        ends_with_us(descriptor)
        try:
            with postgres_translated(self.where, "taking the operator's lock"):
                give_up = time.monotonic() + PATIENCE_S
                while not _try(connection, alias):
                    if time.monotonic() > give_up:
                        raise Busy(alias, _holder(connection, alias))
                    time.sleep(0.05)
            yield
        finally:
            if ended(descriptor):
                connection.close()

    def anew(self) -> PostgresPages:
        """Connect again; the inherited connections are kept and never touched."""
        _abandoned.append(self._idle)
        return PostgresPages(self._url)

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._closed = True
        self._drop()

    @contextmanager
    def _lent(self, *, durable: bool, doing: str) -> Iterator[Connection]:
        if self._closed:
            raise StoreFailed(f"the ledger {self.where} was closed before {doing}; open it again")
        idle = self._idle[durable]
        with postgres_translated(self.where, doing):
            try:
                connection = idle.pop()
            except IndexError:
                connection = self._connected(durable=durable)
            try:
                yield connection
            finally:
                if connection.broken or self._closed:
                    connection.close()
                    self._drop()  # what lies idle broke with it most likely
                else:
                    idle.append(connection)

    def _drop(self) -> None:
        for idle in self._idle.values():
            while idle:
                idle.pop().close()

    def _connected(self, *, durable: bool = True, name: str = "transvase ledger") -> Connection:
        connection = psycopg.connect(make_conninfo(self._conninfo, application_name=name[:63]), autocommit=True)
        pairs = ", ".join("set_config(%s, %s, false)" for _ in SETTINGS)
        connection.execute(f"SELECT {pairs}", [part for pair in SETTINGS.items() for part in pair])
        # A role may have it off; every other setting flushes here at the least, and is the operator's choice.
        ((found,),) = connection.execute("SELECT current_setting('synchronous_commit')").fetchall()
        if not durable or found == "off":
            connection.execute("SELECT set_config('synchronous_commit', %s, false)", ("on" if durable else "off",))
        return connection


@dataclass(slots=True)
class SessionLife:
    """A session that holds a lock. Fits ``Life``."""

    token: str
    connection: Connection
    descriptor: int

    def sound(self) -> bool:
        """False when the server has closed the session: a socket with nothing asked has nothing to say but that."""
        if self.connection.closed:
            return False
        poll = select.poll()
        poll.register(self.connection.fileno(), select.POLLIN)
        return not poll.poll(0)

    def end(self) -> None:
        """Close the session."""
        if ended(self.descriptor):
            self.connection.close()


_HELD: Final = (
    "SELECT objid FROM pg_locks WHERE locktype = 'advisory' AND granted AND CAST(classid AS bigint) = :class"
    " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


def runner(connection: Connection) -> Run:
    """What executes statements on the connection, in Postgres' spelling."""

    def run(statement: str, values: Mapping[str, object] | None = None, /) -> list[tuple[Any, ...]]:
        cursor = connection.execute(_spelt(statement), values or {})
        return cursor.fetchall() if cursor.description else []

    return run


def _install(connection: Connection, where: str) -> None:
    """Make the schema in one transaction, unless it is there; two who do so at once take turns."""
    if _edition(connection, where):
        return
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s, 0)", (INSTALLER,))
        if _edition(connection, where):
            return
        connection.execute("CREATE SCHEMA IF NOT EXISTS transvase_ledger")
        connection.execute("CREATE SEQUENCE writers AS integer CYCLE")
        run = runner(connection)
        for table in statements.TABLES:
            run(table)
        run(statements.SET_META, {"name": "identity", "value": str(uuid4())})
        run(statements.SET_META, {"name": "edition", "value": str(statements.EDITION)})


def _edition(connection: Connection, where: str) -> int:
    """0 where nothing is installed."""
    there = connection.execute("SELECT to_regclass('transvase_ledger.meta') IS NOT NULL").fetchone()
    if not there or not there[0]:
        return 0
    row = connection.execute("SELECT value FROM transvase_ledger.meta WHERE name = 'edition'").fetchone()
    edition = int(row[0]) if row and str(row[0]).isdigit() else 0
    if not edition:
        raise StoreFailed(f"the ledger {where} is damaged: it does not say its edition; restore its schema, nothing was changed")
    if edition != statements.EDITION:
        raise of_another_edition(where, edition)
    return edition


def _try(connection: Connection, alias: str) -> bool:
    row = connection.execute("SELECT pg_try_advisory_lock(%s, hashtext(%s))", (OPERATOR, alias)).fetchone()
    return bool(row and row[0])


def _holder(connection: Connection, alias: str) -> str:
    row = connection.execute(
        "SELECT format('%%s, from %%s, since %%s', a.application_name, coalesce(host(a.client_addr), 'a local socket'),"
        " to_char(a.backend_start, 'YYYY-MM-DD HH24:MI:SS')) FROM pg_locks l JOIN pg_stat_activity a USING (pid)"
        " WHERE l.locktype = 'advisory' AND l.granted AND CAST(l.classid AS bigint) = %s AND l.database = a.datid"
        " AND CAST(l.objid AS bigint) = CAST(hashtext(%s) AS bigint) & 4294967295 AND a.datname = current_database()",
        (OPERATOR, alias),
    ).fetchone()
    return str(row[0]) if row else "it has just let go"


def _conninfo(url: str) -> tuple[str, str]:
    """What libpq takes, and what messages may show: host and database, never a password."""
    try:
        given = conninfo_to_dict(url)
        settled = {"client_encoding": "utf8", "connect_timeout": "10", **KEEPALIVE, **given}
        host, port, name = (str(given.get(part) or "") for part in ("host", "port", "dbname"))
        shown = f"postgresql://{host or 'localhost'}{':' + port if port else ''}/{name} (schema transvase_ledger)"
        return make_conninfo("", **settled), shown
    except psycopg.ProgrammingError as error:
        said = str(error).strip().partition(': "')[0]
        raise BadValue("ledger", f"{url.partition(':')[0]}:…", why=f"not a PostgreSQL connection URL ({said})") from None
