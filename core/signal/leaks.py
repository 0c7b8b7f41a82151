"""What one split gives away about another: queries asked again, in nearly the same words, in one family, session or source.

A record's source counts like that of a query that it answers. A document that answers queries of two splits is no leak (it is
so in most collections), and is only remarked, as is one text under two ids. Nor are equal words of two queries that were declared
to be of different families, as long as nothing answers both of them, nor records of one source: whoever divided them knew.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Final

from transvase.core.errors import UnknownName
from transvase.core.evaluation.judged import Document, Query, grades_path, read_documents, read_grades, read_queries
from transvase.core.likeness import first_alike, near_duplicates, normal, tokens

from .kinship import category, labels

ID, SAME, NEAR, FAMILY, SESSION, SOURCE = "query", "same text", "near text", "family", "session", "source"
KINDS: Final = (ID, SAME, NEAR, FAMILY, SESSION, SOURCE)
DOCUMENT, COPY, CATEGORY = "document", "same answer text", "source of many"
APART, SOURCE_APART = "same words, declared apart", "same source, declared apart"
REMARKS: Final = (DOCUMENT, COPY, APART, SOURCE_APART, CATEGORY)

EXAMPLES: Final = 5
_ORDER: Final = ("train", "dev", "test")
_TAUGHT: Final = ("train", "dev")
_COPIES: Final = 5
"""Copies of a text in one split that others are compared with."""

Couple = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Example:
    """Two queries of two splits, the earlier split first, and what they share."""

    splits: Couple
    queries: Couple
    texts: Couple
    shared: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Leaks:
    """Kind → how many queries of the later split are concerned, and the first examples. ``remarks`` are no leaks."""

    splits: Mapping[str, int]
    leaks: Mapping[str, int]
    remarks: Mapping[str, int]
    examples: Mapping[str, Sequence[Example]] = field(default_factory=dict)

    @property
    def leaking(self) -> bool:
        """True where any kind was found."""
        return bool(self.leaks)

    def sentence(self) -> str:
        """What was found, in a line."""
        found = ", ".join(f"{kind} ({count})" for kind, count in self.leaks.items())
        return f"splits leak into each other by {found}" if found else "no leak was found"

    def as_json(self) -> dict[str, object]:
        """Counts and examples."""

        def told(counts: Mapping[str, int]) -> dict[str, object]:
            return {
                kind: {"queries": count, "examples": [_shown(one) for one in self.examples[kind]]}
                for kind, count in counts.items()
            }

        return {"leaking": self.leaking, "splits": dict(self.splits), "leaks": told(self.leaks), "remarks": told(self.remarks)}


def find_leaks(directory: Path, *, split: str | None = None) -> Leaks:
    """Look for leaks between the splits of a collection; with ``split``, only from train and dev into that one.

    UnknownName where a file is missing, BadValue for a malformed one.
    """
    there = sorted(path.stem for path in (directory / "qrels").glob("*.tsv"))
    if not there or (split is not None and split not in there):
        raise UnknownName("file", str(grades_path(directory, split or "test")), hint="a collection has qrels/<split>.tsv")
    if split is not None:
        there = [name for name in there if name == split or name in _TAUGHT]
    queries = read_queries(directory)
    answers = {name: _answers(grades_path(directory, name)) for name in there}
    named = {document for found in answers.values() for ids in found.values() for document in ids}
    documents = [document for document in read_documents(directory) if document.id in named]
    return leaks_between(queries, answers, documents=documents, split=split)


def leaks_between(
    queries: Sequence[Query],
    answers: Mapping[str, Mapping[str, set[str]]],
    *,
    documents: Sequence[Document] = (),
    split: str | None = None,
) -> Leaks:
    """The same for what has been read: ``answers`` is split → query id → ids of its answers (perhaps none).

    ``documents``: those answers whose source and text are known.
    """
    search = _Search(queries, answers, split, documents)
    for kind, rows, shared in (*search.groups(), *search.groups_by_source(), *search.groups_by_copies()):
        search.note(kind, rows, shared)
    search.compare_texts()
    return search.leaks()


@dataclass(slots=True)
class _Held:
    """Rows of queries that share something, and the answers that they share it by; ``own`` are those that say so themselves."""

    rows: dict[int, None] = field(default_factory=dict)
    answers: set[str] = field(default_factory=set)
    own: list[int] = field(default_factory=list)


class _Search:
    """Collects, for each kind, which queries of a later split have kin in an earlier one."""

    def __init__(
        self,
        queries: Sequence[Query],
        answers: Mapping[str, Mapping[str, set[str]]],
        split: str | None,
        documents: Sequence[Document],
    ) -> None:
        self._split = split
        places = first_alike(document.content for document in documents)
        self._first = {document.id: documents[place].id for document, place in zip(documents, places, strict=True)}
        self._sources = {document.id: str(source) for document in documents if (source := document.metadata.get("source"))}
        self._splits = sorted(answers, key=lambda name: (_ORDER.index(name) if name in _ORDER else len(_ORDER), name))
        known = {query.id: query for query in queries}
        self._rows = [
            (place, known[query], found)
            for place, name in enumerate(self._splits)
            for query, found in answers[name].items()
            if query in known
        ]
        self._normal = [normal(query.text) for _, query, _ in self._rows]
        self._sizes = {name: sum(place == number for place, _, _ in self._rows) for number, name in enumerate(self._splits)}
        self._found: defaultdict[str, set[tuple[int, str]]] = defaultdict(set)
        self._examples: defaultdict[str, list[Example]] = defaultdict(list)

    def groups(self) -> Iterator[tuple[str, list[int], str]]:
        """Kind, rows and the value that they share, for everything that is compared by being equal."""
        held: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        for row, (_, query, answers) in enumerate(self._rows):
            own = (label for label in labels(query) if label[0] != SOURCE)
            for label in [(ID, query.id), *own, *((DOCUMENT, answer) for answer in sorted(answers))]:
                held[label].append(row)
        yield from ((kind, rows, value) for (kind, value), rows in held.items())

    def groups_by_source(self) -> Iterator[tuple[str, list[int], str]]:
        """The same for sources, as a query itself or its answers name them; of one answer alone ``groups`` has the document."""
        sources = defaultdict[str, _Held](_Held)
        for row, (_, query, answers) in enumerate(self._rows):
            if own := dict(labels(query)).get(SOURCE):
                sources[own].own.append(row)
                sources[own].rows[row] = None
            for answer in sorted(answers & self._sources.keys()):
                sources[self._sources[answer]].rows[row] = None
                sources[self._sources[answer]].answers.add(answer)
        for value, held in sources.items():
            rows = list(held.rows)
            if category(SOURCE, len(rows), of=len(self._rows)):
                yield CATEGORY, rows, value
                continue
            yield SOURCE, held.own, value
            if len(held.answers) + bool(held.own) > 1:
                yield SOURCE_APART if all(self._rows[row][1].family for row in rows) else SOURCE, rows, value

    def groups_by_copies(self) -> Iterator[tuple[str, list[int], str]]:
        """The same for answers in the same words under several ids."""
        copies = defaultdict[str, _Held](_Held)
        for row, (_, _, answers) in enumerate(self._rows):
            for answer in sorted(answers & self._first.keys()):
                copies[self._first[answer]].rows[row] = None
                copies[self._first[answer]].answers.add(answer)
        yield from ((COPY, list(held.rows), value) for value, held in copies.items() if len(held.answers) > 1)

    def note(self, kind: str, rows: Sequence[int], shared: str) -> None:
        """Count the queries of these rows that have kin in an earlier split."""
        first: dict[int, int] = {}
        for row in rows:
            first.setdefault(self._rows[row][0], row)
        if len(first) > 1:
            for row in rows:
                for place, earlier in first.items():
                    self._couple(kind, earlier, row, shared=shared, places=(place, self._rows[row][0]))

    def compare_texts(self) -> None:
        """Same and near texts: compared once for each different set of words, then all queries with those words."""
        holders: defaultdict[frozenset[str], list[int]] = defaultdict(list)
        for row, (_, query, _) in enumerate(self._rows):
            holders[tokens(query.text)].append(row)
        sets = list(holders)
        for left, right in [*((row, row) for row in range(len(sets))), *near_duplicates(sets)]:
            lefts, rights = holders[sets[left]], holders[sets[right]]
            if len({self._rows[row][0] for row in (*lefts, *rights)}) > 1:
                self._texts(self._some(lefts), rights)
                self._texts(lefts, self._some(rights))

    def _some(self, rows: Sequence[int]) -> list[int]:
        """At most so many rows of each split: a text with ten thousand copies must not be compared with all of them."""
        counts: Counter[int] = Counter()
        some = []
        for row in rows:
            counts[self._rows[row][0]] += 1
            if counts[self._rows[row][0]] <= _COPIES:
                some.append(row)
        return some

    def _texts(self, lefts: Sequence[int], rights: Sequence[int]) -> None:
        for left, right in product(lefts, rights):
            (place, query, answers), (other_place, other, other_answers) = self._rows[left], self._rows[right]
            if place == other_place or query.id == other.id:
                continue
            apart = query.family and other.family and query.family != other.family and not self._both(answers, other_answers)
            kind = APART if apart else SAME if self._normal[left] == self._normal[right] else NEAR
            self._couple(kind, left, right, shared="", places=(place, other_place))

    def _both(self, answers: set[str], others: set[str]) -> bool:
        """Whether one text answers both."""
        first = self._first
        return not {first.get(answer, answer) for answer in answers}.isdisjoint(first.get(answer, answer) for answer in others)

    def _couple(self, kind: str, left: int, right: int, *, shared: str, places: tuple[int, int]) -> None:
        if places[0] == places[1]:
            return
        earlier, later = (left, right) if places[0] < places[1] else (right, left)
        low, high = sorted(places)
        if self._split is not None and self._split not in (self._splits[low], self._splits[high]):
            return
        key = (high, self._rows[later][1].id)
        if key not in self._found[kind] and len(self._examples[kind]) < EXAMPLES:
            one, two = self._rows[earlier][1], self._rows[later][1]
            splits = (self._splits[low], self._splits[high])
            self._examples[kind].append(Example(splits, (one.id, two.id), (one.text, two.text), shared))
        self._found[kind].add(key)

    def leaks(self) -> Leaks:
        """Everything that was noted."""
        counts = {kind: len(found) for kind, found in self._found.items() if found}
        return Leaks(
            splits=self._sizes,
            leaks={kind: counts[kind] for kind in KINDS if kind in counts},
            remarks={kind: counts[kind] for kind in REMARKS if kind in counts},
            examples=dict(self._examples),
        )


class _Everything(Collection[str]):
    """Takes every id for known: whoever evaluates a split checks it; here, the corpus would be read for nothing."""

    def __contains__(self, thing: object) -> bool:
        return True

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _answers(path: Path) -> dict[str, set[str]]:
    grades = read_grades(path, queries=_Everything(), documents=_Everything())
    return {query: {document for document, grade in found.items() if grade > 0} for query, found in grades.items()}


def _shown(example: Example) -> dict[str, object]:
    return {
        "splits": list(example.splits),
        "queries": list(example.queries),
        "texts": list(example.texts),
        "shared": example.shared,
    }
