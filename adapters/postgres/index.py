"""One physical index in PostgreSQL: the user's own column, or a side table of ours."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

import numpy as np
import psycopg
from transvase.core.errors import BadValue, NotReady
from transvase.core.hybrid import depth, weighed
from transvase.core.ports import Answer, Census, Declaration, Place, Progress, Reads, Round, Stretch
from transvase.core.record import Key, Record
from transvase.core.space import Vectors

from . import aliases, binary_copy, census, fill, hnsw, search, stretch, words
from .connections import Connection, Connections, run
from .failures import LOST, translated, translated_reading
from .shape import Shape, columns_of, place_of
from .sql import statement

WIDER: Final = (
    "SELECT set_config('hnsw.ef_search',"
    " greatest(%(k)s, coalesce(nullif(current_setting('hnsw.ef_search', true), '')::integer, 40))::text, true)"
)
"""An index scan reaches no further than ef_search: it is raised to k, and a database that has it higher keeps its own."""


@dataclass(frozen=True, slots=True)
class PostgresIndex:
    """Fits the port ``Index``. ``like`` is the index beside it, whose parameters a build takes over."""

    connections: Connections
    shape: Shape
    declaration: Declaration
    like: Declaration | None = None
    _searches: dict[tuple[object, ...], tuple[float, str]] = field(default_factory=dict, compare=False)

    def place(self) -> Place:
        """How far the fill has come."""
        with self.connections.use("reading the place of the fill") as c:
            return fill.read_place(c, self.shape, self.declaration)

    def fill(
        self,
        records: Sequence[Record],
        vectors: Vectors,
        *,
        place: Place,
        lacking: Sequence[Key] = (),
        bare: Sequence[Record] = (),  # noqa: ARG002 -- the port's shape: vectors lie beside the rows here, and these have none
    ) -> int:
        """Write a stretch and its place; NotReady for a site that was there before: it is never filled."""
        if self.declaration.adopted:
            raise NotReady("fill", f"{self.declaration.name} is the application's own column")
        if self.declaration.shares:
            raise NotReady("fill", f"{self.declaration.name} serves the vectors of {self.declaration.site} as they stand")
        with self.connections.use("writing vectors") as c:
            return fill.write(c, self.shape, self.declaration, records, vectors, place=place, lacking=lacking)

    def stretch(self, after: Key | None, *, limit: int) -> Stretch:
        """The next rows with their vectors, read in binary."""
        space = self.declaration.space
        if space is None:
            raise NotReady("fill", f"nobody knows the space of {self.declaration.name}")
        with self.connections.use("reading stored vectors") as c:
            # Whether there is an outbox must be known as it is now, or what is owed would be taken for current.
            now = aliases.load(c, self.shape.alias).shape
            return stretch.read(c, now, self.declaration, space, after=after, limit=limit)

    def owe(self, before: Round | None = None) -> Round:  # noqa: ARG002 - the port's
        """Whatever the site lacks is owed to it from now on."""
        with self.connections.use("looking for what is lacking") as c:
            added = stretch.owe(c, aliases.load(c, self.shape.alias).shape, self.declaration)
        return Round(added, added)

    def unseen(self, keys: Sequence[Key]) -> set[Key]:  # noqa: ARG002 - the port's
        """None: every write is captured in its own transaction."""
        return set()

    def build(self, progress: Progress) -> None:
        """The HNSW index, with the parameters of the index beside it."""
        like = None
        if self.like is not None:
            with self.connections.use("looking at the source's index") as c:
                like = hnsw.valid(c, self.shape, self.like)
        hnsw.build(self.connections, self.shape, self.declaration, like=like, progress=progress)

    def warm(self, queries: Vectors) -> None:
        """Search for each row of ``queries``, which brings the upper layers and their surroundings into memory."""
        for row in range(len(queries)):
            self.search(queries.take([row]), 10)

    def vectors(self, keys: Sequence[Key]) -> tuple[list[Key], Vectors | None]:
        """The stored vectors, float32 (n, width), in the order of the returned keys."""
        relation, column = place_of(self.shape, self.declaration)
        ours = not self.declaration.adopted
        query = statement("index", "vectors").format(
            column=column,
            t_ks=self.shape.ks("t") if ours else self.shape.own("t"),
            relation=relation,
            unnested=self.shape.unnested(),
            match=self.shape.match("t", "q") if ours else self.shape.match_own("t", "q"),
        )
        with self.connections.use("reading vectors") as c:
            rows = run(c, query, columns_of(list(keys), len(self.shape.key))).fetchall()
        found = [tuple(row[1:]) for row in rows]
        if self.declaration.space is None:
            return found, None
        parsed = [binary_copy.parse(row[0]) for row in rows]
        matrix = np.asarray(parsed, dtype=np.float32).reshape(len(rows), -1 if rows else self.declaration.width)
        return found, Vectors(self.declaration.space, matrix)

    def census(self, *, deep: bool = True, pay: Callable[[], object] | None = None) -> Census:  # noqa: ARG002 - the port's
        """Counts over all rows, from one snapshot."""
        with self.connections.use("counting over all rows") as c:
            return census.take(c, self.shape, self.declaration, deep=deep)

    def search(
        self,
        query: Vectors,
        k: int,
        *,
        where: Mapping[str, object] | None = None,
        exact: bool = False,
        text: str | None = None,
        lexical: float | None = None,
    ) -> Answer:
        """The best rows, by one statement. A read may be repeated, so a connection that broke under it is replaced once."""
        filters = dict(where or {})
        values = search.values_for(self.declaration, query, filters, hybrid=weighed(text, lexical, exact=exact))
        try:
            return self._search(values, k, filters, exact=exact)
        except LOST:
            with translated(f"searching {self.declaration.name}"):
                return self._search(values, k, filters, exact=exact)

    def nearest(self, queries: Vectors, k: int, *, where: Mapping[str, object] | None = None) -> list[Answer]:
        """The nearest rows to each query, by a scan of all rows for each."""
        return [self.search(queries.take([row]), k, where=where, exact=True) for row in range(len(queries))]

    def parts(self, *, asleep: bool = False) -> tuple[Mapping[str, object], ...]:
        """One, which is awake: a search goes over all."""
        return () if asleep else ({},)

    def opened(self, *parts: Mapping[str, object]) -> AbstractContextManager[None]:  # noqa: ARG002 - the port's
        """Nothing sleeps."""
        return nullcontext()

    def reads(self) -> Reads:
        """Scans of the approximate index, as the server's statistics have them: a session tells of its own within seconds.

        Not seen are searches that PostgreSQL made without the index, and those on a replica. Payments are no scans of it.
        """
        with self.connections.use("reading the statistics") as c:
            ann = hnsw.valid(c, self.shape, self.declaration)
            row = c.execute(statement("index", "reads"), {"oids": [ann.oid] if ann else []}).fetchone()
        assert row is not None, "an aggregate without GROUP BY gives one row"
        count, last_s, since_reset_s, told = row
        watched_s = (inf if since_reset_s is None else since_reset_s) if told else None
        return Reads(count, None if last_s is None else max(last_s, 0.0), watched_s=watched_s)

    def _search(self, values: Mapping[str, object], k: int, filters: dict[str, object], *, exact: bool) -> Answer:
        worded = words.asked(values)
        with self.connections.lend(patient=bool(filters)) as c:
            text = self._statement(c, k, filters, exact=exact, worded=worded)
            rows = _read(c, text, values, depth(k) if worded else k, index=self.declaration.name)
        return search.answer(self.shape, self.declaration, rows, worded=worded)

    def _statement(self, connection: Connection, k: int, filters: dict[str, object], *, exact: bool, worded: bool) -> str:
        """One that was composed before, unless it looks for words and was composed a while ago: they may have an index now."""
        kinds = tuple((name, *search.kind_of(value)) for name, value in filters.items())
        made, text = self._searches.get((k, kinds, exact, worded), (-inf, ""))
        if not text or (worded and time.monotonic() - made > words.KNOWN_S):
            text = search.statement_for(
                connection, self.shape, self.declaration, k=k, filters=filters, exact=exact, worded=worded
            )
            self._searches[(k, kinds, exact, worded)] = time.monotonic(), text
        return text


def _read(connection: Connection, text: str, values: Mapping[str, object], deep: int, *, index: str) -> list[tuple[Any, ...]]:
    try:
        if deep > search.EF_SEARCH:
            with connection.transaction():
                connection.execute(WIDER, {"k": deep})
                return connection.execute(text, values, prepare=True).fetchall()  # composed by search.py
        return connection.execute(text, values, prepare=True).fetchall()
    except psycopg.OperationalError:
        raise
    except search.MISFITS as error:
        filtering = search.filtering(values)
        if not filtering:  # the query alone cannot be at fault
            with translated_reading(index, f"searching {index}"):
                raise
        shown = ", ".join(map(str, filtering))
        raise BadValue("filter", shown, why=f"a column does not take its value ({str(error).splitlines()[0]})") from error
    except psycopg.Error:
        with translated_reading(index, f"searching {index}"):
            raise
