"""Judgments that people (or a model) gave: grades 0 to 4 are kept, several judges of one pair become their median."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from transvase.core.errors import BadValue, UnknownName
from transvase.core.evaluation.judged import Document, Query
from transvase.core.likeness import normal

from .agreement import agreement, settled
from .given import given_corpus, given_queries
from .harvest import Harvest, Judgment, Tally
from .table import Row, read_rows

HIGHEST: Final = 4.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which column is what; an empty name: there is none. Query and document are ids where a file is given, else texts."""

    query: str
    document: str
    grade: str
    judge: str = ""
    group: str = ""
    time: str = ""
    kept: Sequence[str] = ()

    def named(self) -> list[str]:
        """All columns that must be there."""
        return [name for name in (self.query, self.document, self.grade, self.judge, self.group, self.time, *self.kept) if name]


def harvest_judgments(
    path: Path, *, columns: Columns, corpus: Path | None, queries: Path | None, tally: Tally
) -> tuple[Harvest, dict[str, object]]:
    """Read judgments, and say how far several judges agree.

    ``corpus`` and ``queries`` are files as in the BEIR layout. UnknownName for a missing file, column or id (with its line),
    BadValue for broken lines, grades outside 0 to 4, and judgments without any answer.
    """
    rows = read_rows(path, columns=columns.named())
    tally.read = len(rows)
    asked, told = _Asked(columns, queries), _Told(columns, corpus)
    given: dict[tuple[str, str], dict[str, float]] = {}
    places: dict[tuple[str, str], str] = {}
    for row in rows:
        query, document, grade = asked.id_of(row), told.id_of(row), _grade(row, columns.grade)
        if not query or not document:
            tally.drop("query empty" if not query else "document empty", row.where)
            continue
        pair = (query, document)
        judge = row.text(columns.judge) if columns.judge else str(len(given.get(pair, ())))
        if judge in given.setdefault(pair, {}):
            tally.drop("the same judge judged the pair again; the last grade counts", places[pair])
        given[pair][judge] = grade
        places[pair] = row.where
    judgments = tuple(
        Judgment(query, document, settled(list(grades.values())), where=places[query, document])
        for (query, document), grades in given.items()
    )
    if not any(judgment.grade > 0 for judgment in judgments):
        raise BadValue("judgments", str(path), why="no grade is above 0, so nothing is an answer; are the grades in this column?")
    harvest = Harvest(documents=told.documents(), queries=asked.queries(), judgments=judgments, loose=corpus is None)
    return harvest, agreement([list(grades.values()) for grades in given.values()])


def _grade(row: Row, column: str) -> float:
    grade = row.number(column)
    if grade is None or not 0 <= grade <= HIGHEST:
        raise BadValue(column, row.text(column), why=f"{row.where}: a grade is a number from 0 (wrong) to 4 (exactly right)")
    return grade


class _Asked:
    """Queries by id where a file of them is given, else by text, each under the id of its first appearance."""

    def __init__(self, columns: Columns, path: Path | None) -> None:
        self._columns = columns
        self._known: Mapping[str, Query] | None = given_queries(path) if path else None
        self._found: dict[str, Query] = {}

    def id_of(self, row: Row) -> str:
        """The query of a row, empty where the row has none; UnknownName for an id that is not in the file."""
        text = row.text(self._columns.query)
        if not text:
            return ""
        if self._known is None:
            return self._found.setdefault(normal(text), Query(f"q{len(self._found) + 1}", text, self._metadata(row))).id
        if text not in self._known:
            raise UnknownName("query", text, hint=f"{row.where} names it, and the file of queries has no such id")
        return self._found.setdefault(text, self._known[text]).id

    def queries(self) -> tuple[Query, ...]:
        """Those that were named, in the order of their first appearance."""
        return tuple(self._found.values())

    def _metadata(self, row: Row) -> dict[str, object]:
        columns = self._columns
        found: dict[str, object] = {name: row.fields[name] for name in columns.kept if row.fields.get(name) not in (None, "")}
        if columns.group and row.text(columns.group):
            found["family"] = row.text(columns.group)
        moment = row.moment(columns.time) if columns.time else None
        return found if moment is None else found | {"time": moment}


class _Told:
    """Documents by id where a corpus is given, else by text."""

    def __init__(self, columns: Columns, path: Path | None) -> None:
        self._column = columns.document
        self._known: Mapping[str, Document] | None = given_corpus(path) if path else None
        self._found: dict[str, Document] = {}

    def id_of(self, row: Row) -> str:
        """The document of a row, empty where the row has none; UnknownName for an id that is not in the corpus."""
        text = row.text(self._column)
        if not text:
            return ""
        if self._known is None:
            return self._found.setdefault(normal(text), Document(f"d{len(self._found) + 1}", "", text, {})).id
        if text not in self._known:
            raise UnknownName("document", text, hint=f"{row.where} names it, and the corpus has no such id")
        return text

    def documents(self) -> tuple[Document, ...]:
        """The whole corpus, or the texts that were found."""
        return tuple((self._found if self._known is None else self._known).values())
