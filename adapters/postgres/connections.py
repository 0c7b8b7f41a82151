"""Connections: how each is set up, and how many there are.

Every setting that could change what a statement means or how long it waits is made explicit, because a role or a
database may have defaults of its own (an isolation level, a timeout, a search path).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import psycopg
from psycopg.adapt import Dumper
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.pq import Format, TransactionStatus
from psycopg.sql import SQL, Composed
from psycopg.types import TypeInfo
from psycopg_pool import ConnectionPool
from transvase.core.errors import BadValue, StoreFailed

from .failures import first_contact, translated

Connection = psycopg.Connection[tuple[Any, ...]]

SETTINGS: Final = {
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "statement_timeout": "0",
    "lock_timeout": "0",
    "idle_in_transaction_session_timeout": "0",
    "extra_float_digits": "1",
    # How a value becomes text must not hang on who connects: a text expression may turn a time into text.
    "TimeZone": "UTC",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
}

PATIENT: Final = "SELECT set_config('hnsw.iterative_scan', 'strict_order', false)"
"""Keeps a filtered search going until it has k rows (pgvector 0.8), best first. It costs an unfiltered search a tenth or more
of its time for nothing, so the two kinds of search have connections of their own."""

KEEPALIVE: Final = {"keepalives": "1", "keepalives_idle": "15", "keepalives_interval": "5", "keepalives_count": "3"}
"""A dead peer is noticed within half a minute, so that its locks are not held for hours."""


class Connections:
    """A pool of equal connections to one database, and single ones outside it for what must not share."""

    def __init__(self, url: str, *, most: int = 12) -> None:
        self._conninfo = _conninfo(url)
        self._idle: list[Connection] = []
        self._patient: list[Connection] = []
        self._closed = False
        self._pool: ConnectionPool[Connection] = ConnectionPool(
            self._conninfo,
            min_size=0,
            max_size=most,
            open=False,
            timeout=30.0,
            max_idle=60.0,
            kwargs={"autocommit": True},
            configure=prepare,
        )

    @contextmanager
    def use(self, doing: str) -> Iterator[Connection]:
        """A pooled connection in autocommit mode; driver errors leave translated, with ``doing`` in the sentence."""
        with translated(doing):
            self._pool.open()
            broken = False
            try:
                with self._pool.connection() as connection:
                    try:
                        yield connection
                    finally:
                        broken = connection.broken
            finally:
                if broken:
                    self._renew()

    def alone(self) -> Connection:
        """A connection of one's own, for locks that live as long as it does. The caller closes it."""
        with translated("connecting"):
            connection = psycopg.connect(self._conninfo, autocommit=True)
            prepare(connection)
            return connection

    @contextmanager
    def lend(self, *, patient: bool) -> Iterator[Connection]:
        """A connection for one search. Handing it out costs a pop from a list: the pool's bookkeeping would be felt there.

        One that broke is closed, not given back. Driver errors are the caller's to translate.
        """
        idle = self._patient if patient else self._idle
        connection = _popped(idle) or self._searching(patient=patient)
        try:
            yield connection
        finally:
            if connection.broken:
                connection.close()
                self._renew()
            elif connection.info.transaction_status != TransactionStatus.IDLE or self._closed:
                connection.close()
            else:
                idle.append(connection)

    def _searching(self, *, patient: bool) -> Connection:
        connection = self.alone()
        if patient:
            connection.execute(PATIENT)
        return connection

    def _renew(self) -> None:
        """One connection broke under its user, so the others went with it most likely: what lies idle is replaced now."""
        for idle in (self._idle, self._patient):
            while (connection := _popped(idle)) is not None:
                connection.close()
        if not self._pool.closed:
            self._pool.check()

    def try_out(self) -> None:
        """Connect once and at once, so that a wrong URL is told in a second and not after anybody's patience."""
        try:
            self.alone().close()
        except StoreFailed as error:
            raise first_contact(error) from error

    def close(self) -> None:
        """Close every connection that is not in use."""
        self._closed = True
        self._pool.close()
        for idle in (self._idle, self._patient):
            while (connection := _popped(idle)) is not None:
                connection.close()


def _popped(idle: list[Connection]) -> Connection | None:
    """The last of the list; None when another thread was quicker."""
    try:
        return idle.pop()
    except IndexError:
        return None


def run(
    connection: Connection, query: SQL | Composed, values: Mapping[str, object] | None = None
) -> psycopg.Cursor[tuple[Any, ...]]:
    """Execute a composed statement, always with parameters: its doubled percent signs become single ones only then."""
    return connection.execute(query, values or {})


def prepare(connection: Connection) -> None:
    """Make the settings explicit, find pgvector's schema (put at the end of the search path) and teach the driver its types."""
    pairs = ", ".join("set_config(%s, %s, false)" for _ in SETTINGS)
    values = [part for pair in SETTINGS.items() for part in pair]
    connection.execute(f"SELECT {pairs}", values)  # only placeholders are put together
    found = connection.execute(
        "SELECT t.typname, t.oid, t.typarray,"
        " CASE WHEN n.nspname = ANY (current_schemas(true)) THEN NULL ELSE quote_ident(n.nspname) END"
        " FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace"
        " JOIN pg_type t ON t.typnamespace = n.oid AND t.typname IN ('vector', 'halfvec') WHERE e.extname = 'vector'"
    ).fetchall()
    for name, oid, array, schema in found:
        connection.adapters.types.add(TypeInfo(name, oid, array))
        connection.adapters.register_dumper(WIRE[name], _dumper(oid))
        if schema is not None and name == "vector":
            connection.execute(
                "SELECT set_config('search_path', concat_ws(', ', nullif(current_setting('search_path'), ''), %s), false)",
                (schema,),
            )


class VectorWire(bytes):
    """A vector as pgvector receives it in binary."""

    __slots__ = ()


class HalfvecWire(bytes):
    """A halfvec as pgvector receives it in binary."""

    __slots__ = ()


WIRE: Final[dict[str, type[bytes]]] = {"vector": VectorWire, "halfvec": HalfvecWire}


def _dumper(type_oid: int) -> type[Dumper]:
    class WireDumper(Dumper):
        format = Format.BINARY
        oid = type_oid

        def dump(self, obj: bytes) -> bytes:
            return bytes(obj)

    return WireDumper


def _conninfo(url: str) -> str:
    try:
        given = conninfo_to_dict(url)
        return make_conninfo(
            url, **{"application_name": "transvase", "client_encoding": "utf8", "connect_timeout": "10", **KEEPALIVE, **given}
        )
    except psycopg.ProgrammingError as error:
        # The URL may hold a password, and libpq repeats the URL or a part of it in quotes.
        said = str(error).strip().partition(': "')[0]
        raise BadValue("store", f"{url.partition(':')[0]}:…", why=f"not a PostgreSQL connection URL ({said})") from None
