"""What an evaluation reads of a collection: the judged split, the one that chooses weights, and what training has seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from .judged import Judged, grades_path, judge, read_documents, read_grades, read_queries

VALIDATION: Final = "dev"
TRAINING: Final = "train"


@dataclass(frozen=True, slots=True)
class Gathered:
    """The judged split, the validation split or None, and for each document how many training judgments it answers."""

    data: Judged
    validation: Judged | None
    trained: Mapping[str, int]


def gather(directory: Path, *, split: str) -> Gathered:
    """Read ``split`` with what stands beside it in the collection; errors as ``judged.read``, for each file that is there.

    Neither ``dev`` nor ``train`` has to be there, and neither is taken beside itself. No other split is opened.
    """
    documents, queries = read_documents(directory), read_queries(directory)
    data = judge(documents, queries, directory=directory, split=split)
    beside = {name: grades_path(directory, name) for name in (VALIDATION, TRAINING) if name != split}
    validation = None
    if VALIDATION in beside and beside[VALIDATION].exists():
        validation = judge(documents, queries, directory=directory, split=VALIDATION)
    trained: Counter[str] = Counter()
    if TRAINING in beside and beside[TRAINING].exists():
        ids = {query.id for query in queries}
        grades = read_grades(beside[TRAINING], queries=ids, documents={document.id for document in documents})
        trained.update(document for judged in grades.values() for document, grade in judged.items() if grade > 0)
    return Gathered(data, validation, trained)
