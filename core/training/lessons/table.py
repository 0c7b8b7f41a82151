"""The rows that training reads, as numbers: which query, which answer, which negatives, what each row counts, what none may be.

Texts are looked up only when a batch is made, so that a mask is a matter of comparing numbers and nothing is copied a row.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.likeness import normal

from .lesson import Lesson
from .pairs import Pair

DOMAIN: Final = 0
REPLAY: Final = 1
"""The groups that rows belong to; a batch holds rows of one group only."""


@dataclass(frozen=True, slots=True)
class Stake:
    """What one row brings into a batch, by number: rows of one answer may share it, other rows of one family may not meet."""

    answer: int
    family: int
    group: int


@dataclass(frozen=True, slots=True, eq=False)
class Laid:
    """One batch's documents (m), by number and each once; ``places`` (b, 1 + negatives) says where each row's own are."""

    documents: NDArray[np.int64]
    places: NDArray[np.int64]
    blocked: NDArray[np.bool_]
    """Shape (b, m): True where a document must not be a row's negative, because it answers its query or the same in other words.

    A row's own answer is never blocked.
    """


@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """``rows`` has a row for each pair: query, answer and negatives by number, shape (n, 2 + negatives)."""

    queries: tuple[str, ...]
    query_ids: tuple[str, ...]
    documents: tuple[str, ...]
    document_ids: tuple[str, ...]
    rows: NDArray[np.int64]
    weights: NDArray[np.float32]
    """One a row, with a mean of 1."""
    families: NDArray[np.int64]
    """One a query."""
    avoid: tuple[frozenset[int], ...]
    """One a query: the documents that are never its negatives, its own answers among them."""
    groups: NDArray[np.int64]
    """One a row."""
    neighbours: NDArray[np.int64] | None = None
    """Answers that are to stand in a row's batch, by number, the likest first, shape (n, k), -1 for none; None: nobody looked."""
    shared: bool = False
    """Whether an answer brings the negatives of one of its questions into a batch, and not those of each: every document that
    is read takes as long as the answer."""

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def negatives(self) -> int:
        """Columns of negatives."""
        return int(self.rows.shape[1]) - 2

    def stakes(self) -> list[Stake]:
        """What decides which rows may stand in one batch."""
        return [
            Stake(answer=int(row[1]), family=int(self.families[row[0]]), group=int(group))
            for row, group in zip(self.rows, self.groups, strict=True)
        ]

    def laid(self, rows: Sequence[int]) -> Laid:
        """The documents of a batch of these rows, each once, and what each row makes of them."""
        taken = _of_the_first(self.rows[list(rows)]) if self.shared else self.rows[list(rows)]
        held = np.fromiter(dict.fromkeys(taken[:, 1:].T.reshape(-1).tolist()), dtype=np.int64)
        place = {int(number): column for column, number in enumerate(held)}
        places = np.asarray([[place[int(number)] for number in row[1:]] for row in taken], dtype=np.int64)
        blocked = np.stack([np.isin(held, np.fromiter(self.avoid[query], dtype=np.int64)) for query in taken[:, 0]])
        blocked[np.arange(len(taken)), places[:, 0]] = False
        return Laid(held, places, blocked)

    def with_negatives(self, mined: NDArray[np.int64], *, neighbours: NDArray[np.int64] | None = None) -> Table:
        """The same rows with these negatives, shape (n, negatives), in place of any there were; ``neighbours`` as there."""
        return replace(self, rows=np.hstack([self.rows[:, :2], mined]), neighbours=neighbours)


def _of_the_first(rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """Every row with the negatives of the first row that has its answer."""
    _, first, which = np.unique(rows[:, 1], return_index=True, return_inverse=True)
    return np.hstack([rows[:, :2], rows[first[which], 2:]])


def build(lesson: Lesson, pairs: Sequence[Pair]) -> Table:
    """The table of these pairs of the lesson, without negatives."""
    place = {document.id: number for number, document in enumerate(lesson.documents)}
    query_place = {query: number for number, query in enumerate(dict.fromkeys(pair.query for pair in pairs))}
    texts = {pair.query: pair.anchor for pair in pairs}
    names = {family: number for number, family in enumerate(dict.fromkeys(lesson.family_of.values()))}
    avoid = answers_to_avoid(lesson.answers, lesson.twin_of)
    weights = np.asarray([pair.weight for pair in pairs], dtype=np.float32)
    return Table(
        queries=tuple(texts[query] for query in query_place),
        query_ids=tuple(query_place),
        documents=tuple(document.content for document in lesson.documents),
        document_ids=tuple(place),
        rows=np.asarray([[query_place[pair.query], place[pair.document]] for pair in pairs], dtype=np.int64).reshape(-1, 2),
        weights=weights / weights.mean(),
        families=np.asarray([names[lesson.family_of[query]] for query in query_place], dtype=np.int64),
        avoid=tuple(frozenset(place[document] for document in avoid[query]) for query in query_place),
        groups=np.zeros(len(pairs), dtype=np.int64),
    )


def answers_to_avoid(answers: Mapping[str, set[str]], twin_of: Mapping[str, str]) -> dict[str, set[str]]:
    """Query id → every document known to answer it or one that asks the same in other words."""
    together: defaultdict[str, set[str]] = defaultdict(set)
    for query, documents in answers.items():
        together[twin_of[query]] |= documents
    return {query: together[twin_of[query]] for query in answers}


def known_wrong(lesson: Lesson, table: Table, pairs: Sequence[Pair]) -> list[list[int]]:
    """For each row, the documents judged and found wrong for its query, by number, those without text left out."""
    place = {identifier: number for number, identifier in enumerate(table.document_ids)}
    return [
        [place[document] for document in lesson.wrong[pair.query] if table.documents[place[document]].strip()] for pair in pairs
    ]


def with_crops(table: Table, crops: Sequence[tuple[str, str]]) -> Table:
    """The table with queries (text, document id) that were cut out of its documents, among the domain's own rows.

    A crop's record is its only answer.
    """
    place = {identifier: number for number, identifier in enumerate(table.document_ids)}
    added = [(text, f"crop of {identifier}", place[identifier]) for text, identifier in crops]
    return _with_rows(table, added, group=DOMAIN)


def with_replay(table: Table, pairs: Sequence[tuple[str, str]]) -> Table:
    """The table with general pairs (query, answer) added as a group of their own; their negatives are each other's answers.

    Answers in the same words are one.
    """
    answers: dict[str, str] = {}
    for _, answer in pairs:
        answers.setdefault(normal(answer), answer)
    place = {words: len(table.documents) + number for number, words in enumerate(answers)}
    names = [f"replayed {number}" for number in range(len(place))]
    wider = replace(table, documents=(*table.documents, *answers.values()), document_ids=(*table.document_ids, *names))
    added = [(query, f"replayed question {row}", place[normal(answer)]) for row, (query, answer) in enumerate(pairs)]
    return _with_rows(wider, added, group=REPLAY)


def _with_rows(table: Table, added: Sequence[tuple[str, str, int]], *, group: int) -> Table:
    """More queries (text, id, number of an answer); their negatives are each other's answers.

    Those in the same words are one family, and what answers one of them is no negative of the others.
    """
    if not added:
        return table
    numbers = np.arange(len(added), dtype=np.int64)
    words = [normal(text) for text, *_ in added]
    family = {text: 1 + int(table.families.max(initial=0)) + number for number, text in enumerate(dict.fromkeys(words))}
    known: defaultdict[str, set[int]] = defaultdict(set)
    for text, (*_, answer) in zip(words, added, strict=True):
        known[text].add(answer)
    answers = np.asarray([answer for *_, answer in added], dtype=np.int64)
    negatives = [np.roll(answers, column + 1) for column in range(table.negatives)]
    neighbours = table.neighbours
    if neighbours is not None:
        neighbours = np.vstack([neighbours, np.full((len(added), neighbours.shape[1]), -1, dtype=np.int64)])
    return replace(
        table,
        queries=(*table.queries, *(text for text, *_ in added)),
        query_ids=(*table.query_ids, *(identifier for _, identifier, _ in added)),
        rows=np.vstack([table.rows, np.stack([numbers + len(table.queries), answers, *negatives], axis=1)]),
        weights=np.concatenate([table.weights, np.ones(len(added), dtype=np.float32)]),
        families=np.concatenate([table.families, np.asarray([family[text] for text in words], dtype=np.int64)]),
        avoid=(*table.avoid, *(frozenset(known[text]) for text in words)),
        groups=np.concatenate([table.groups, np.full(len(added), group, dtype=np.int64)]),
        neighbours=neighbours,
    )
