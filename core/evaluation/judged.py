"""Judged collections as they lie on disk: the BEIR layout, read line by line, with every fault named by file and line.

A collection is a directory with ``corpus.jsonl`` (``_id``, ``title``, ``text``, ``metadata``), ``queries.jsonl`` (``_id``,
``text``, ``metadata``) and ``qrels/<split>.tsv`` (a header, then query id, corpus id and grade, parted by tabs). A split's
file is opened only when that split is asked for.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from transvase.core.errors import BadValue, UnknownName

CORPUS: Final = "corpus.jsonl"
QUERIES: Final = "queries.jsonl"

Grades = Mapping[str, Mapping[str, float]]
"""Query id → corpus id → grade; a grade above 0 is an answer, 0 and below is judged and found wrong."""


@dataclass(frozen=True, slots=True)
class Document:
    """One record of the corpus."""

    id: str
    title: str
    text: str
    metadata: Mapping[str, object]

    @property
    def content(self) -> str:
        """What is embedded: title and text on a line each, the title only where the text does not begin with it already."""
        if not self.title or self.text.startswith(self.title):
            return self.text
        return f"{self.title}\n{self.text}" if self.text else self.title


@dataclass(frozen=True, slots=True)
class Query:
    """One question, with the family that must not be divided between training and validation, if the file names one."""

    id: str
    text: str
    metadata: Mapping[str, object]

    @property
    def family(self) -> str | None:
        """``metadata.family`` as text, or None."""
        family = self.metadata.get("family")
        return None if family is None or family == "" else str(family)


@dataclass(frozen=True, slots=True)
class Judged:
    """A corpus with the queries of one split that have at least one answer in it."""

    split: str
    documents: tuple[Document, ...]
    queries: tuple[Query, ...]
    grades: Grades

    def answers(self, query: str) -> set[str]:
        """The ids of the documents that answer the query."""
        return {document for document, grade in self.grades[query].items() if grade > 0}


def read(directory: Path, *, split: str) -> Judged:
    """One split of the collection in ``directory``; UnknownName for what is missing, BadValue for what is malformed."""
    return judge(read_documents(directory), read_queries(directory), directory=directory, split=split)


def judge(documents: tuple[Document, ...], queries: tuple[Query, ...], *, directory: Path, split: str) -> Judged:
    """Join a corpus and its queries, already read, with the grades of one split."""
    path = grades_path(directory, split)
    known_queries, known_documents = {query.id for query in queries}, {document.id for document in documents}
    grades = read_grades(path, queries=known_queries, documents=known_documents)
    answered = tuple(query for query in queries if any(grade > 0 for grade in grades.get(query.id, {}).values()))
    if not answered:
        raise BadValue("judgments", str(path), why="no query has an answer with a grade above 0; judge some queries first")
    return Judged(split, documents, answered, {query.id: grades[query.id] for query in answered})


def grades_path(directory: Path, split: str) -> Path:
    """Where the grades of a split lie."""
    return directory / "qrels" / f"{split}.tsv"


def read_documents(directory: Path) -> tuple[Document, ...]:
    """The whole corpus, in the order of its file; a document needs an id and a title or a text."""
    documents: dict[str, Document] = {}
    for where, fields in _objects(directory / CORPUS):
        title, text = _text(fields, "title", where=where, default=""), _text(fields, "text", where=where)
        document = Document(_identifier(fields, where=where, seen=documents), title, text, _metadata(fields, where=where))
        documents[document.id] = document
    if not documents:
        raise BadValue("corpus", str(directory / CORPUS), why="it holds no document; write one JSON object a line")
    return tuple(documents.values())


def read_queries(directory: Path) -> tuple[Query, ...]:
    """All queries of all splits, in the order of their file."""
    queries: dict[str, Query] = {}
    for where, fields in _objects(directory / QUERIES):
        text = _text(fields, "text", where=where)
        if not text.strip():
            raise BadValue("text", where, why="a query without words cannot be asked; remove it")
        query = Query(_identifier(fields, where=where, seen=queries), text, _metadata(fields, where=where))
        queries[query.id] = query
    if not queries:
        raise BadValue("queries", str(directory / QUERIES), why="it holds no query; write one JSON object a line")
    return tuple(queries.values())


def read_grades(path: Path, *, queries: Collection[str], documents: Collection[str]) -> dict[str, dict[str, float]]:
    """The grades of one file; every id must be known and every pair judged once."""
    grades: dict[str, dict[str, float]] = {}
    for where, query, document, score in _table(path):
        if query not in queries:
            raise BadValue("query id", query, why=f"{where}: it is not in {QUERIES}; add the query or remove the line")
        if document not in documents:
            raise BadValue("corpus id", document, why=f"{where}: it is not in {CORPUS}; add the document or remove the line")
        if document in grades.setdefault(query, {}):
            raise BadValue("judgment", f"{query} {document}", why=f"{where}: the pair was judged before; keep one of the lines")
        grades[query][document] = _grade(score, where=where)
    if not grades:
        raise BadValue("judgments", str(path), why="the split is empty; write at least one line under the header")
    return grades


def read_weights(directory: Path, split: str) -> Mapping[tuple[str, str], float]:
    """(query id, corpus id) → how much the pair counts in training, from ``weights/<split>.tsv``; nothing without the file.

    A weight is a number of 0 or more. BadValue by file and line otherwise, and for a pair that is weighed twice.
    """
    path = directory / "weights" / f"{split}.tsv"
    weights: dict[tuple[str, str], float] = {}
    for where, query, document, given in _table(path) if path.exists() else ():
        weight = _grade(given, where=where, what="weight")
        if weight < 0:
            raise BadValue("weight", given, why=f"{where}: a pair cannot count less than not at all; write 0 or more")
        if (query, document) in weights:
            raise BadValue("weight", f"{query} {document}", why=f"{where}: the pair was weighed before; keep one of the lines")
        weights[query, document] = weight
    return weights


def _table(path: Path) -> Iterator[tuple[str, str, str, str]]:
    """Place, query id, corpus id and figure of every line under the header."""
    for number, line in _lines(path):
        if number == 1:
            _check_header(path, line)
            continue
        where = f"{path}:{number}"
        parts = line.split("\t")
        if len(parts) != 3:
            raise BadValue("line", where, why=f"{len(parts)} fields; write query id, corpus id and score, parted by tabs")
        query, document, figure = (part.strip() for part in parts)
        yield where, query, document, figure


def _check_header(path: Path, line: str) -> None:
    """Without a header the first judgment would be lost silently."""
    try:
        float(line.rsplit("\t", maxsplit=1)[-1])
    except ValueError:
        return
    raise BadValue("header", f"{path}:1", why="the first line is a judgment; put `query-id<TAB>corpus-id<TAB>score` above it")


def _grade(score: str, *, where: str, what: str = "score") -> float:
    try:
        grade = float(score)
    except ValueError:
        grade = math.nan
    if not math.isfinite(grade):
        raise BadValue(what, score, why=f"{where}: it has to be a number, 0 for wrong and more for better")
    return grade


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Numbered lines without their ends, blank ones left out; a byte-order mark and CRLF do no harm."""
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                line = _decoded(raw.removeprefix(b"\xef\xbb\xbf") if number == 1 else raw, where=f"{path}:{number}")
                if line.strip():
                    yield number, line
    except FileNotFoundError:
        raise UnknownName("file", str(path), hint="a collection has corpus.jsonl, queries.jsonl and qrels/<split>.tsv") from None
    except OSError as error:
        raise BadValue("file", str(path), why=f"it cannot be read ({error.strerror})") from error


def _decoded(raw: bytes, *, where: str) -> str:
    if b"\x00" in raw:
        raise BadValue("line", where, why="it holds a NUL byte; write the file again as UTF-8 text")
    try:
        return raw.decode("utf-8").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise BadValue("line", where, why=f"it is not UTF-8 (byte {error.start + 1}); write the file again as UTF-8") from error


def _objects(path: Path) -> Iterator[tuple[str, dict[str, object]]]:
    for number, line in _lines(path):
        where = f"{path}:{number}"
        yield where, object_of(line, where=where)


def object_of(line: str, *, where: str) -> dict[str, object]:
    """The JSON object that a line holds; BadValue, with its place, for anything else."""
    try:
        fields = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadValue("line", where, why=f"it is not JSON ({error}); write one object a line") from error
    if not isinstance(fields, dict):
        raise BadValue("line", where, why=f"it is a JSON {type(fields).__name__}; write one object a line")
    return fields


def _identifier(fields: Mapping[str, object], *, where: str, seen: Collection[str]) -> str:
    identifier = fields.get("_id")
    if not isinstance(identifier, str | int) or isinstance(identifier, bool) or not str(identifier).strip():
        raise BadValue("_id", where, why="missing or empty; give every line an id of its own")
    if str(identifier) in seen:
        raise BadValue("_id", str(identifier), why=f"{where}: an earlier line has it already; ids are given once")
    return str(identifier)


def _text(fields: Mapping[str, object], name: str, *, where: str, default: str | None = None) -> str:
    text = fields.get(name, default)
    if text is None and default is not None:
        text = default
    if not isinstance(text, str):
        raise BadValue(name, where, why="missing or not a string; write the text as a JSON string")
    if "\x00" in text:
        raise BadValue(name, where, why="the text holds a NUL character, which no database keeps; remove it")
    return text.encode("utf-8", "replace").decode("utf-8")


def _metadata(fields: Mapping[str, object], *, where: str) -> Mapping[str, object]:
    metadata = fields.get("metadata")
    if metadata is None:
        return {}
    if not isinstance(metadata, dict):
        raise BadValue("metadata", where, why="not an object; write {} or leave it out")
    return metadata
