"""Tickets and FAQs: a question is a query, its answer the document that answers it; equal answers are one document."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from transvase.core.errors import BadValue
from transvase.core.evaluation.judged import Document, Query
from transvase.core.likeness import normal

from .harvest import Harvest, Judgment, Tally
from .table import Row, read_rows

GRADE = 1.0
"""What an answer that somebody gave is worth: no grade is in such data."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which column is what; an empty name: there is none. ``kept`` go into the query's metadata under their own names."""

    question: str
    answer: str
    title: str = ""
    id: str = ""
    group: str = ""
    time: str = ""
    kept: Sequence[str] = ()

    def named(self) -> list[str]:
        """All columns that must be there."""
        names = (self.question, self.answer, self.title, self.id, self.group, self.time, *self.kept)
        return [name for name in names if name]


def harvest_qa(path: Path, *, columns: Columns, tally: Tally) -> Harvest:
    """Read questions and answers. UnknownName for a missing column, BadValue for broken lines, an id given twice or no row."""
    rows = read_rows(path, columns=columns.named())
    tally.read = len(rows)
    documents: dict[str, Document] = {}
    queries: dict[str, Query] = {}
    judgments: list[Judgment] = []
    given: dict[str, str] = {}
    for number, row in enumerate(rows, start=1):
        name = row.identifier(columns.id) if columns.id else f"q{number}"
        if name in given:
            raise BadValue(columns.id, name, why=f"{row.where}: {given[name]} has this id already; ids are given once")
        given[name] = row.where
        question, answer, title = row.text(columns.question), row.text(columns.answer), _optional(row, columns.title)
        if not question or not answer:
            tally.drop("query empty" if not question else "document empty", row.where)
            continue
        document = documents.setdefault(normal(f"{title}\n{answer}"), Document(f"a{number}", title, answer, {}))
        queries[name] = Query(name, question, _metadata(row, columns))
        judgments.append(Judgment(name, document.id, GRADE, where=row.where))
    return Harvest(documents=tuple(documents.values()), queries=tuple(queries.values()), judgments=tuple(judgments), loose=True)


def _optional(row: Row, column: str) -> str:
    return row.text(column) if column else ""


def _metadata(row: Row, columns: Columns) -> dict[str, object]:
    metadata: dict[str, object] = {name: row.fields.get(name) for name in columns.kept if row.fields.get(name) not in (None, "")}
    if group := _optional(row, columns.group):
        metadata["family"] = group
    if columns.time:
        moment = row.moment(columns.time)
        if moment is not None:
            metadata["time"] = moment
    return metadata
