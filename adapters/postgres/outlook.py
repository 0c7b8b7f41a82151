"""What a migration would cost and meet in this database, and whether a fill should hold back now."""

from __future__ import annotations

from typing import Final

from transvase.core.ports import Declaration, Lock, Outlook

from . import capture, hnsw
from .aliases import Known
from .connections import Connection, run
from .locks import MOST_S
from .shape import Shape
from .sql import statement

MOST_LAG_S: Final = 10.0
"""Replay lag of a replica beyond which a fill waits."""


def outlook(connection: Connection, known: Known, target: Declaration) -> Outlook:
    """Sizes are estimates: a row is its vector, its key, a digest and a tuple header, and HNSW takes about as much again."""
    shape = known.shape
    row = run(connection, statement("index", "count").format(source=shape.source)).fetchone()
    records = int(row[0]) if row else 0
    if target.shares:
        return Outlook(
            records=records,
            table_bytes=0,
            index_bytes=0,
            locks=_locks(known, target),
            warnings=_warnings(connection, shape),
            refusals=_refusals(known, target),
        )
    element = 4 if target.form == "vector" else 2
    tuple_bytes = target.width * element + 8 + 33 + 16 * len(shape.key) + 32
    return Outlook(
        records=records,
        table_bytes=records * (tuple_bytes + 24 * len(shape.key)),
        index_bytes=int(records * (target.width * element + 16 * 2 * 8 + 120) * 1.3),
        locks=_locks(known, target),
        warnings=_warnings(connection, shape),
        refusals=_refusals(known, target),
    )


def pressure(connection: Connection, shape: Shape) -> str | None:
    """The first reason to wait: a replica that lags, or somebody who waits for a lock that we hold."""
    row = connection.execute(
        "SELECT application_name, extract(epoch FROM replay_lag)::float8 FROM pg_stat_replication"
        " WHERE replay_lag > make_interval(secs => %s) ORDER BY replay_lag DESC LIMIT 1",
        (MOST_LAG_S,),
    ).fetchone()
    if row is not None:
        return f"replica {row[0]} is {row[1]:.0f} s behind"
    waiting = connection.execute(
        "SELECT count(*) FROM pg_stat_activity a JOIN pg_locks l USING (pid)"
        " WHERE NOT l.granted AND l.relation = %s AND a.application_name <> 'transvase'",
        (capture.oid(connection, shape),),
    ).fetchone()
    return f"{waiting[0]} sessions wait for a lock on {shape.table}" if waiting and waiting[0] else None


def _locks(known: Known, target: Declaration) -> tuple[Lock, ...]:
    table, view = known.alias.source.table, f"transvase.{known.alias.name}"
    locks = [
        Lock("open", "SHARE ROW EXCLUSIVE", table, "every writer's open transaction", MOST_S),
        Lock("open", "ACCESS EXCLUSIVE", view, "open readers of the view (not of the table)", MOST_S),
        *(
            []
            if target.shares
            else [Lock("fill", "SHARE", "the side table, while its index is built", "nobody of the application", 0.0)]
        ),
        Lock("cutover", "none on any table: one row of transvase_control.alias", "", "nobody", 0.0),
        Lock("retire", "ACCESS EXCLUSIVE", view, "open readers of the view", MOST_S),
    ]
    if known.alias.live.adopted and not target.shares:
        locks.append(Lock("retire", "ACCESS EXCLUSIVE", table, "every open transaction on the table, for a rename", MOST_S))
    return tuple(locks)


def _warnings(connection: Connection, shape: Shape) -> tuple[str, ...]:
    said = []
    column_grants = connection.execute(
        "SELECT count(*) FROM pg_attribute WHERE attrelid = %s AND attacl IS NOT NULL", (capture.oid(connection, shape),)
    ).fetchone()
    if column_grants and column_grants[0]:
        said.append(f"rights on single columns of {shape.table} are not carried over to the view; grant them there")
    if capture.by_row(connection, shape):
        said.append(f"{shape.table} is partitioned or a subscriber: writes are captured row by row, at a higher cost")
    elders = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
        " AND xact_start < clock_timestamp() - interval '1 minute'"
    ).fetchone()
    if elders and elders[0]:
        said.append(f"{elders[0]} transactions are older than a minute; `open` waits for those that wrote to {shape.table}")
    return tuple(said)


def _refusals(known: Known, target: Declaration) -> tuple[str, ...]:
    most = hnsw.WIDEST[target.form]
    if target.width > most:
        return (
            f"{target.form} is indexed up to {most} dimensions, and {target.width} are needed: choose halfvec or cut the model",
        )
    if known.alias.shadow is not None and known.alias.shadow.name != target.name:
        return (f"{known.alias.shadow.name} is still open beside the live index",)
    return ()
