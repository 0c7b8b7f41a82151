"""What is taught and what is asked afterwards: reads train and dev judgments (never test) and keeps their families apart."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from transvase.core.errors import BadValue
from transvase.core.evaluation.families import families
from transvase.core.evaluation.judged import (
    Document,
    Judged,
    Query,
    grades_path,
    judge,
    read_documents,
    read_queries,
    read_weights,
)
from transvase.core.signal.split import divide, shared

from .copies import first_copies, merged
from .pairs import Pair, pairs_of

LEAST_PAIRS: Final = 8
"""Below this there is no batch worth a step."""

FEW_PAIRS: Final = 500
"""Below this a run is told that it will probably overfit."""


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """Training pairs, and the validation that shares no family with them.

    All ids of documents are those of the first record in the same words: what is taught knows no copies.
    """

    documents: tuple[Document, ...]
    """Of the corpus, each text once."""
    pairs: tuple[Pair, ...]
    answers: dict[str, set[str]]
    """Training query → the documents known to answer it."""
    wrong: dict[str, tuple[str, ...]]
    """Training query → documents judged and found wrong, in the order of the files: the negatives that are known."""
    family_of: dict[str, str]
    """Training query → its family: no two of one family stand in one batch."""
    twin_of: dict[str, str]
    """Training query → those that ask the same in nearly the same words: what answers one is no negative of the others.

    Narrower than a family that somebody declared: those may be whole topics, whose other answers are the best negatives.
    """
    validation: Judged
    notes: tuple[str, ...]


def prepare(data: Path, *, seed: int) -> Lesson:
    """Read a collection for training. BadValue when too little is left on either side; opens no judgments but train and dev."""
    documents, queries = read_documents(data), read_queries(data)
    train, validation, family_of, notes = _parted(data, documents, queries, seed=seed)
    first = first_copies(documents)
    once = tuple(document for document in documents if first[document.id] == document.id)
    pairs = merged(pairs_of(train, read_weights(data, "train")), first)
    if len(pairs) < LEAST_PAIRS:
        raise BadValue("training pairs", len(pairs), why=f"at least {LEAST_PAIRS} are needed, and 1,000 do well; judge more")
    if len({pair.document for pair in pairs}) == 1:
        told = f"{len(pairs)} with the one answer {pairs[0].document}"
        raise BadValue("training pairs", told, why="there is nothing to tell it apart from; judge answers of other kinds too")
    return Lesson(
        documents=once,
        pairs=pairs,
        answers={query.id: {first[answer] for answer in train.answers(query.id)} for query in train.queries},
        wrong={query.id: _wrong(train, query, first) for query in train.queries},
        family_of={query.id: family_of[query.id] for query in train.queries},
        twin_of=families(tuple(replace(query, metadata={}) for query in train.queries)),
        validation=validation,
        notes=(*notes, *_copies_note(len(documents) - len(once), len(documents)), *_warnings(pairs)),
    )


def _parted(
    data: Path, documents: tuple[Document, ...], queries: tuple[Query, ...], *, seed: int
) -> tuple[Judged, Judged, dict[str, str], tuple[str, ...]]:
    """What is taught and what is asked, the family of each query, and what had to be done for no family to stand in both."""
    train = judge(documents, queries, directory=data, split="train")
    if grades_path(data, "dev").exists():
        validation = judge(documents, queries, directory=data, split="dev")
        family_of = families(tuple({query.id: query for query in (*train.queries, *validation.queries)}.values()))
        leaks = shared(family_of, train.queries, validation.queries)
        return _keep(train, set(train.grades) - leaks), validation, family_of, _leak_notes(leaks, len(train.queries))
    family_of = families(train.queries)
    share = min(0.2, max(0.1, 50 / len(family_of)))
    rest, held = divide(family_of, share=share, seed=seed)
    note = f"no qrels/dev.tsv: {len(held)} queries of whole families were held out of train for validation"
    return _keep(train, rest), replace(_keep(train, held), split="dev"), family_of, (note,)


def _wrong(train: Judged, query: Query, first: Mapping[str, str]) -> tuple[str, ...]:
    """What was judged wrong, but for copies of an answer: of two judgments of one text, the one that found it right is believed.

    In the order of the file.
    """
    answers = {first[answer] for answer in train.answers(query.id)}
    judged = dict.fromkeys(first[document] for document, grade in train.grades[query.id].items() if grade <= 0)
    return tuple(document for document in judged if document not in answers)


def _keep(judged: Judged, ids: set[str]) -> Judged:
    queries = tuple(query for query in judged.queries if query.id in ids)
    return replace(judged, queries=queries, grades={query.id: judged.grades[query.id] for query in queries})


def _leak_notes(leaks: set[str], total: int) -> tuple[str, ...]:
    if not leaks:
        return ()
    examples = ", ".join(sorted(leaks)[:3])
    return (f"left out of training: {len(leaks)} of {total} train queries whose family stands in dev too (such as {examples})",)


def _copies_note(copies: int, total: int) -> tuple[str, ...]:
    return (f"{copies} of {total} records repeat the words of another: each text is taught once",) if copies else ()


def _warnings(pairs: tuple[Pair, ...]) -> tuple[str, ...]:
    notes = []
    if len(pairs) < FEW_PAIRS:
        notes.append(f"only {len(pairs)} training pairs: under {FEW_PAIRS}, overfitting is likely")
    document, count = Counter(pair.document for pair in pairs).most_common(1)[0]
    if count > max(20, len(pairs) // 4):
        notes.append(f"{count} of {len(pairs)} training pairs have one answer ({document}): the model will learn little else")
    return tuple(notes)
