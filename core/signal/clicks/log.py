"""A click log in columns: who was shown what, where, and what they did with it. Millions of results fit in memory.

Words are kept once and numbered; queries that differ in case, spacing or punctuation at the end are one query.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.likeness import normal

Integers = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

PAUSE_S: Final = 1_800.0
"""Seconds of silence after which a session counts as another one: the half hour that is customary in web analytics."""


@dataclass(frozen=True, slots=True, eq=False)
class Log:
    """Impressions (``session``, ``query``, ``time``, ``line``; a list that was shown each) and the results in them.

    ``of`` is a result's impression; ``position`` counts from 1; ``dwell`` is in seconds, NaN where none was recorded.
    """

    file: str
    sessions: tuple[str, ...]
    queries: tuple[str, ...]
    documents: tuple[str, ...]
    session: Integers
    query: Integers
    time: Floats
    line: Integers
    of: Integers
    document: Integers
    position: Integers
    clicked: Flags
    dwell: Floats
    converted: Flags

    def keeping(self, kept: Flags) -> Log:
        """Only these impressions, with their results."""
        place = np.cumsum(kept) - 1
        results = kept[self.of]
        return Log(
            self.file,
            self.sessions,
            self.queries,
            self.documents,
            self.session[kept],
            self.query[kept],
            self.time[kept],
            self.line[kept],
            place[self.of[results]],
            self.document[results],
            self.position[results],
            self.clicked[results],
            self.dwell[results],
            self.converted[results],
        )

    def visits(self) -> Integers:
        """For each impression the number of its visit: a session between two pauses of more than ``PAUSE_S``."""
        order = np.lexsort((self.time, self.session))
        session, time = self.session[order], self.time[order]
        starts = np.ones(len(order), dtype=bool)
        starts[1:] = (session[1:] != session[:-1]) | (np.diff(time) > PAUSE_S)
        visits = np.empty(len(order), dtype=np.int64)
        visits[order] = np.cumsum(starts) - 1
        return visits

    def place(self, impression: int) -> str:
        """File and line of an impression."""
        return f"{self.file}:{self.line[impression]}"


@dataclass(frozen=True, slots=True)
class Result:
    """One result as it was shown, while a log is being read."""

    document: str
    position: int
    clicked: bool = False
    dwell: float | None = None
    converted: bool = False


class Recorder:
    """Takes impressions one by one and hands over the log."""

    def __init__(self, file: str) -> None:
        self._file = file
        self._session_of: dict[str, int] = {}
        self._query_of: dict[str, int] = {}
        self._texts: list[str] = []
        self._document_of: dict[str, int] = {}
        self._impressions: dict[str, array[Any]] = {
            name: array(kind) for name, kind in (("session", "q"), ("query", "q"), ("time", "d"), ("line", "q"))
        }
        kinds = (("of", "q"), ("document", "q"), ("position", "q"), ("clicked", "b"), ("dwell", "d"), ("converted", "b"))
        self._results: dict[str, array[Any]] = {name: array(kind) for name, kind in kinds}

    def add(self, results: list[Result], *, session: str, time: float, query: str, line: int) -> None:
        """One list that was shown."""
        code = self._query_of.setdefault(normal(query), len(self._query_of))
        if code == len(self._texts):
            self._texts.append(query)
        row = len(self._impressions["line"])
        values = {
            "session": self._session_of.setdefault(session, len(self._session_of)),
            "query": code,
            "time": time,
            "line": line,
        }
        for name, value in values.items():
            self._impressions[name].append(value)
        for result in results:
            code = self._document_of.setdefault(result.document, len(self._document_of))
            dwell = float("nan") if result.dwell is None else result.dwell
            facts = (row, code, result.position, result.clicked, dwell, result.converted)
            for column, fact in zip(self._results.values(), facts, strict=True):
                column.append(fact)

    def log(self) -> Log:
        """Everything that was added."""
        impressions = {name: np.array(column) for name, column in self._impressions.items()}
        results = {name: np.array(column) for name, column in self._results.items()}
        return Log(
            self._file,
            tuple(self._session_of),
            tuple(self._texts),
            tuple(self._document_of),
            impressions["session"].astype(np.int64),
            impressions["query"].astype(np.int64),
            impressions["time"].astype(np.float64),
            impressions["line"].astype(np.int64),
            results["of"].astype(np.int64),
            results["document"].astype(np.int64),
            results["position"].astype(np.int64),
            results["clicked"].astype(bool),
            results["dwell"].astype(np.float64),
            results["converted"].astype(bool),
        )
