"""Building the approximate index of a side table, and bringing it into memory.

Not CONCURRENTLY: nobody reads the table yet, a build in one transaction leaves nothing invalid behind when it is stopped, and
it does not wait for every old transaction of the database. A worker finds the table locked meanwhile, pays the live index
and leaves the rest owed.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Final

from psycopg import errors, sql
from transvase.core.errors import StoreFailed
from transvase.core.ports import Declaration, Progress

from . import capture
from .connections import Connection, Connections, run
from .inspect import Ann, ann_index
from .shape import CONTROL, OPCLASS, Shape, named, place_of
from .sql import statement

WIDEST: Final[Mapping[str, int]] = {"vector": 2_000, "halfvec": 4_000}
"""Dimensions that an approximate index takes, by element type (pgvector 0.8)."""

MOST_MEMORY: Final = 2 << 30
"""Bytes that a build may take: it is fast only while its graph fits (pgvector's README), and the machine serves others too."""


def form_for(live: str, dimension: int) -> str:
    """The live index' element type, or halfvec where only an index over that takes so many dimensions."""
    return "halfvec" if live == "vector" and WIDEST["vector"] < dimension <= WIDEST["halfvec"] else live


def oid_of(connection: Connection, shape: Shape, index: Declaration) -> int | None:
    """The relation that holds the index' vectors, or None when it is gone."""
    if index.adopted:
        return capture.oid(connection, shape) if shape.vector else None
    text = named(CONTROL, index.site).as_string(connection).replace("%%", "%")
    row = connection.execute("SELECT to_regclass(%s)::oid::bigint", (text,)).fetchone()
    return None if row is None or row[0] is None else int(row[0])


def valid(connection: Connection, shape: Shape, index: Declaration) -> Ann | None:
    """The valid approximate index over it, if there is one."""
    oid = oid_of(connection, shape, index)
    return None if oid is None else ann_index(connection, oid, shape.vector if index.adopted else "embedding")


def build(connections: Connections, shape: Shape, index: Declaration, *, like: Ann | None, progress: Progress) -> None:
    """CREATE INDEX with the source's parameters (pgvector's defaults where the source has no HNSW index), then ANALYZE."""
    side, _ = place_of(shape, index)
    with connections.use("building the vector index") as c:
        if valid(c, shape, index) is None:
            with _reported(connections, index, progress):
                _create(c, shape, index, like)
        run(c, sql.SQL("ANALYZE {}").format(side))


def _create(connection: Connection, shape: Shape, index: Declaration, like: Ann | None) -> None:
    side, column = place_of(shape, index)
    hnsw = like if like is not None and like.method == "hnsw" else Ann(0, "", "hnsw", index.metric)
    query = sql.SQL("CREATE INDEX IF NOT EXISTS {} ON {} USING hnsw ({} {}) WITH (m = {}, ef_construction = {})").format(
        named(f"{index.name}_hnsw"),
        side,
        column,
        named(f"{index.form}_{OPCLASS[index.metric]}"),
        sql.SQL(str(hnsw.m)),  # integers
        sql.SQL(str(hnsw.ef_construction)),
    )
    row = run(connection, sql.SQL("SELECT count(*) FROM {}").format(side)).fetchone()
    # An element costs its vector, and its links at 8 bytes each: 2 m at the bottom layer, and little above.
    wanted = int((row[0] if row else 0) * (index.width * 4 + hnsw.m * 2 * 8 + 200) * 1.2) + (64 << 20)
    try:
        _run_with(connection, query, memory=min(MOST_MEMORY, wanted))
    except (errors.DiskFull, errors.OutOfMemory):
        # A parallel build allocates shared memory; a container often has little (pgvector #453). Alone it needs none.
        _run_with(connection, query, memory=min(MOST_MEMORY, wanted), workers=0)


def _run_with(connection: Connection, query: sql.Composed, *, memory: int, workers: int | None = None) -> None:
    with connection.transaction():
        connection.execute(
            "SELECT set_config('maintenance_work_mem',"
            " greatest(%s, pg_size_bytes(current_setting('maintenance_work_mem')) / 1024)::text || 'kB', true)",
            (memory // 1024,),
        )
        if workers is not None:
            connection.execute("SELECT set_config('max_parallel_maintenance_workers', %s, true)", (str(workers),))
        run(connection, query)


@contextmanager
def _reported(connections: Connections, index: Declaration, progress: Progress) -> Iterator[None]:
    """Tell what the server says of the build, twice a second, from a connection beside it."""
    over = threading.Event()

    def watch() -> None:
        text = named(CONTROL, index.name).as_string(None).replace("%%", "%")
        # It only looks on: a server that has gone shows in the build itself.
        with suppress(StoreFailed), connections.use("watching the build") as c:
            while not over.wait(0.5):
                row = c.execute(statement("index", "building"), {"table": text}).fetchone()
                if row is not None:
                    progress(f"building the index ({row[0]})", int(row[1] or 0), int(row[2] or 0))

    watcher = threading.Thread(target=watch, name="transvase-build-progress", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        over.set()
        watcher.join(timeout=5)
