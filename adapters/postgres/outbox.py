"""The outbox of one alias in PostgreSQL: what is owed, and the transactions that pay it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Final

from psycopg import errors, sql
from psycopg.copy import LibpqWriter
from transvase.core.ports import Debt, Declaration, Payment
from transvase.core.record import Key

from . import aliases, binary_copy, inspect
from .aliases import Known
from .connections import WIRE, Connection, Connections, run
from .locks import take_pen
from .shape import NORM, Fragment, Shape, columns_of, digest, fitting, named, place_of, unnested_vectors
from .sql import statement

FLUSH: Final = 4 << 20
"""Bytes handed to the driver before it waits for the server: each wait lets other threads take the interpreter for a while,
and with the driver's own threshold a fill spent most of its writing on getting it back."""

COLUMN_CHUNK: Final = 16
"""Rows of the user's own table written in one transaction: their row locks are what an application could wait for."""


@dataclass(frozen=True, slots=True)
class PostgresOutbox:
    """Fits the port ``Outbox``."""

    connections: Connections
    name: str

    def owed(self, *, underway: bool = True) -> int:  # noqa: ARG002 - a write here is over with its transaction
        """Keys that are owed now."""
        with self.connections.use("counting what is owed") as c:
            shape = aliases.load(c, self.name).shape
            return count(c, shape)

    def read(self, *, limit: int) -> list[Debt]:
        """Debts of up to ``limit`` keys, oldest first; a truncation is first turned into the keys that it orphaned."""
        with self.connections.use("reading the outbox") as c:
            known = aliases.load(c, self.name)
            if not known.shape.captured:
                return []
            inspect.check_sight(c, known.shape)
            _spread_truncation(c, known)
            rows = _oldest(c, known.shape, limit)
            return [Debt(tuple(row[3:]), tuple(row[1]), row[2]) for row in rows if row[3] is not None]

    def unsettled(self, keys: Sequence[Key]) -> set[Key]:
        """Those of the keys that are owed."""
        return {debt.key for debt in self.read(limit=self.owed() + 1)} & set(keys)

    def pay(self, debts: Sequence[Debt], payments: Sequence[Payment]) -> int:
        """Pay in one transaction, or in small ones where the user's own column is among the indexes."""
        settled = 0
        with self.connections.use("paying the outbox") as c:
            known = aliases.load(c, self.name)
            for payment in payments:
                fitting(payment.vectors, known.declaration(payment.index))
            step = COLUMN_CHUNK if any(d.adopted for d in known.alias.kept) else max(1, len(debts))
            for start in range(0, len(debts), step):
                settled += _pay_chunk(c, known, debts[start : start + step], payments)
        return settled

    def writers_held(self, *, most_s: float) -> AbstractContextManager[None]:  # noqa: ARG002 - nobody is held
        """Hold back nobody: a trigger captures what is written, and no lock is taken on the application's table."""
        return nullcontext()

    def beat(self) -> None:
        """Say that a worker is alive."""
        with self.connections.use("noting the worker") as c:
            c.execute(statement("outbox", "beat"), {"alias": self.name})

    def quiet_s(self) -> float | None:
        """Seconds since a worker was last alive; None: never."""
        with self.connections.use("looking for the worker") as c:
            row = c.execute(statement("outbox", "quiet"), {"alias": self.name}).fetchone()
            return float(row[0]) if row else None


def count(connection: Connection, shape: Shape) -> int:
    """Keys owed; 0 where nothing is captured."""
    if not shape.captured:
        return 0
    row = run(connection, statement("outbox", "owed").format(outbox=shape.outbox, ks=shape.ks())).fetchone()
    return int(row[0]) if row else 0


def _pay_chunk(connection: Connection, known: Known, debts: Sequence[Debt], payments: Sequence[Payment]) -> int:
    """Pay one set of debts to every kept site; those that a site cannot take now stay owed to it alone.

    A payment may bear either name of a site that two indexes share: their document vectors are the same.
    """
    with connection.transaction():
        take_pen(connection, known.shape.number)
        unpaid: dict[str, set[Key]] = {}
        for index in known.alias.kept:
            owing = [d for d in debts if d.only in (None, index.site)]
            payment = next((p for p in payments if known.declaration(p.index).site == index.site), None)
            named_in = index if payment is None else known.declaration(payment.index)
            pay = _pay_column if index.adopted else _pay_side
            left = pay(connection, known, named_in, owing, _only(payment, {d.key for d in owing}))
            if left:
                unpaid[index.site] = left
        return _settle(connection, known.shape, debts, unpaid)


def _only(payment: Payment | None, keys: set[Key]) -> Payment | None:
    if payment is None:
        return None
    rows = [i for i, record in enumerate(payment.records) if record.key in keys]
    return Payment(payment.index, tuple(payment.records[i] for i in rows), payment.vectors.take(rows))


def _settle(connection: Connection, shape: Shape, debts: Sequence[Debt], unpaid: Mapping[str, set[Key]]) -> int:
    settled: list[int] = []
    whole = 0
    left: dict[str, list[int]] = {}
    for debt in debts:
        waiting = [index for index, keys in unpaid.items() if debt.key in keys]
        if not waiting:
            settled += debt.entries
            whole += 1
        elif len(waiting) == 1:
            left.setdefault(waiting[0], []).extend(debt.entries)
    if settled:
        run(connection, statement("outbox", "settle").format(outbox=shape.outbox), {"entries": settled})
    for index, entries in left.items():
        run(connection, statement("outbox", "leave_to").format(outbox=shape.outbox), {"index": index, "entries": entries})
    return whole


def _pay_side(
    connection: Connection, known: Known, index: Declaration, debts: Sequence[Debt], payment: Payment | None
) -> set[Key]:
    """Write a side table. While its vector index is being built it is locked: everything stays owed to it, and nobody waits."""
    keys = [d.key for d in debts]
    if not keys:
        return set()
    shape = known.shape
    side, _ = place_of(shape, index)
    try:
        with connection.transaction():
            run(connection, sql.SQL("LOCK TABLE {} IN ROW EXCLUSIVE MODE NOWAIT").format(side))
    except errors.LockNotAvailable:
        return set(keys)
    if payment is not None and payment.records:
        query = statement("outbox", "pay_side").format(
            side=side, ks=shape.ks(), p_ks=shape.ks("p"), paid=unnested_vectors(shape), rows=shape.rows(),
            match=shape.match("p", "s"), digest=digest("s.body"),
        )  # fmt: skip
        run(connection, query, _values(shape, index, payment))
    values = columns_of(keys, len(shape.key))
    clear = statement("outbox", "clear_side").format(
        side=side, unnested=shape.unnested(), match=shape.match("x", "q"), rows=shape.rows(), s_match=shape.match("s", "q")
    )
    run(connection, clear, values)
    check = statement("outbox", "unpaid_side").format(
        q_ks=shape.ks("q"), unnested=shape.unnested(), rows=shape.rows(), s_match=shape.match("s", "q"), side=side,
        x_match=shape.match("x", "q"), digest=digest("s.body"),
    )  # fmt: skip
    return {tuple(row) for row in run(connection, check, values)}


def _pay_column(
    connection: Connection, known: Known, index: Declaration, debts: Sequence[Debt], payment: Payment | None
) -> set[Key]:
    """Write the user's own column, only in rows that nobody else holds; the others stay owed."""
    keys = [d.key for d in debts]
    if not keys:
        return set()
    shape, column = known.shape, named(known.shape.vector)
    connection.execute("SELECT set_config('transvase.paying', 'on', true)")
    values = columns_of(keys, len(shape.key))
    pieces = {"own": shape.own("s"), "source": shape.source, "unnested": shape.unnested(), "match": shape.match_own("s", "q")}
    locked = {tuple(r) for r in run(connection, statement("outbox", "lock_rows").format(**pieces), values)}
    present = {tuple(r) for r in run(connection, statement("outbox", "present").format(**pieces), values)}
    mine = _only(payment, locked)
    if mine is not None and mine.records:
        agrees = "agrees_cosine" if index.metric == "cosine" else "agrees_length"
        query = statement("outbox", "pay_column").format(
            source=shape.source, column=column, paid=unnested_vectors(shape), rows=shape.rows(),
            match=shape.match("p", "s"), digest=digest("s.body"), t_match=shape.match_own("t", "p"),
            agrees=statement("outbox", agrees).format(column=column, norm=named(NORM[index.form])),
        )  # fmt: skip
        run(connection, query, _values(shape, index, mine))
    if shape.nullable and locked:
        clear = statement("outbox", "clear_column").format(
            source=shape.source, column=column, rows=shape.rows(), unnested=shape.unnested(),
            t_match=shape.match_own("t", "s"), match=shape.match("s", "q"),
        )  # fmt: skip
        run(connection, clear, columns_of(list(locked), len(shape.key)))
    connection.execute("SELECT set_config('transvase.paying', '', true)")
    check = statement("outbox", "unpaid_column").format(
        q_ks=shape.ks("q"), unnested=shape.unnested(), rows=shape.rows(), s_match=shape.match("s", "q"),
        source=shape.source, t_match=shape.match_own("t", "q"), column=column,
    )  # fmt: skip
    return (present - locked) | {tuple(row) for row in run(connection, check, values)}


def _values(shape: Shape, index: Declaration, payment: Payment) -> dict[str, object]:
    wire = WIRE[index.form]
    matrix = fitting(payment.vectors, index)
    return {
        **columns_of([record.key for record in payment.records], len(shape.key)),
        "vectors": [wire(binary_copy.wire(row, form=index.form)) for row in matrix],
        "digests": [record.digest for record in payment.records],
    }


def copy_in(connection: Connection, target: Fragment, shape: Shape, index: Declaration, payment: Payment) -> None:
    """Binary COPY of vectors with their keys and digests into a relation of (k1…, embedding, digest). SpaceMismatch."""
    matrix = fitting(payment.vectors, index)
    query = sql.SQL("COPY {} ({}, embedding, digest) FROM STDIN (FORMAT binary)").format(target, shape.ks())
    with (
        connection.cursor() as cursor,
        cursor.copy(
            query.as_string(connection).replace("%%", "%").encode(), writer=LibpqWriter(cursor, flush_threshold=FLUSH)
        ) as copy,
    ):
        for chunk in binary_copy.rows(payment.records, matrix, kinds=shape.kinds, form=index.form):
            copy.write(chunk)


def _oldest(connection: Connection, shape: Shape, limit: int) -> list[tuple[Any, ...]]:
    """The rows of ``limit`` keys, or of all. Many entries of few keys must not hide the others: then it looks further."""
    query = statement("outbox", "read").format(outbox=shape.outbox, ks=shape.ks())
    entries = limit
    while True:
        rows = run(connection, query, {"entries": entries, "keys": limit}).fetchall()
        if not rows or len(rows) >= limit or rows[0][0] < entries:
            return rows
        entries *= 4


def _spread_truncation(connection: Connection, known: Known) -> None:
    shape = known.shape
    row = run(connection, statement("outbox", "truncated").format(outbox=shape.outbox)).fetchone()
    if row is None or not row[0]:
        return
    with connection.transaction():
        take_pen(connection, shape.number)
        for index in known.alias.kept:
            if index.adopted:
                continue
            side, _ = place_of(shape, index)
            query = statement("outbox", "owe_orphans").format(
                outbox=shape.outbox, ks=shape.ks(), x_ks=shape.ks("x"), side=side, source=shape.source,
                match=shape.match_own("s", "x"),
            )  # fmt: skip
            run(connection, query)
        run(connection, statement("outbox", "settle").format(outbox=shape.outbox), {"entries": list(row[0])})
