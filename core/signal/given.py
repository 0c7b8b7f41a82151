"""A corpus or queries that exist already: JSON lines or a table with ``_id`` (or ``id``), ``title``, ``text``, ``metadata``."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from transvase.core.errors import BadValue
from transvase.core.evaluation.judged import CORPUS, QUERIES, Document, Query

from .table import Row, read_rows


def given_corpus(path: Path) -> dict[str, Document]:
    """Id → document, of a file or of the collection in a directory. Errors as ``read_rows``, and for ids that are given twice."""
    path = path / CORPUS if path.is_dir() else path
    documents: dict[str, Document] = {}
    for row in read_rows(path, columns=()):
        name = _id(row, documents)
        documents[name] = Document(name, row.text("title"), row.text("text"), _metadata(row))
    _texts(path, any(document.content for document in documents.values()))
    return documents


def given_queries(path: Path) -> dict[str, Query]:
    """Id → query, likewise."""
    path = path / QUERIES if path.is_dir() else path
    queries: dict[str, Query] = {}
    for row in read_rows(path, columns=()):
        name = _id(row, queries)
        queries[name] = Query(name, row.text("text"), _metadata(row))
    _texts(path, any(query.text for query in queries.values()))
    return queries


def _id(row: Row, seen: Collection[str]) -> str:
    name = row.identifier("_id" if "_id" in row.fields else "id")
    if name in seen:
        raise BadValue("id", name, why=f"{row.where}: an earlier line has it already; ids are given once")
    return name


def _metadata(row: Row) -> dict[str, object]:
    metadata = row.fields.get("metadata")
    if metadata in (None, ""):
        return {}
    if not isinstance(metadata, dict):
        raise BadValue("metadata", row.where, why="not an object; write {} or leave it out")
    return metadata


def _texts(path: Path, any_text: bool) -> None:
    if not any_text:
        raise BadValue("file", str(path), why="no line has a text; the column is called `text`")
