"""What a model must not forget: general questions and their answers, apart from the domain it is tuned for.

Either the user's own collection, or passages from the documentation of installed packages, which need no download. The
passages are parted by family into a side for the guard and a side for replay, so that nothing replayed in training is
ever asked by the guard, whatever the sizes.
"""

from __future__ import annotations

import random
from hashlib import sha256
from pathlib import Path
from typing import Final

from transvase.core.errors import BadValue, UnknownName

from .docstrings import Passage, passages
from .judged import Document, Judged, Query, grades_path, read

SPLIT: Final = "guard"
"""The name under which a guard's judgments go, so that its figures are never taken for a split of the domain's."""

CROWD: Final = 4
"""Documents to each question: what a question's answer has to stand out from."""

LEAST: Final = 50
"""Questions below which a guard could not see a loss of 0.01: its interval would be many times as wide."""

_OWN_SPLITS: Final = ("dev", "test")
_SCANNED: Final = 12_000
"""Passages looked for at most, more than there are: 3,040 with Python 3.11 and numpy 2.4, read in 2.5 seconds."""

_PARTS: Final = 10
_GUARDED: Final = 5


def guard_set(own: Path | None, *, size: int, seed: int) -> Judged:
    """At most ``size`` general questions with their answers among ``CROWD`` times as many documents; repeatable by ``seed``.

    ``own`` is a collection of the user's (judged by its ``dev`` split, else ``test``); without it the passages of installed
    documentation are asked. BadValue when ``size`` or what is there is under ``LEAST``; UnknownName without a split to ask.
    """
    if size < LEAST:
        raise BadValue("guard size", size, why=f"a guard of under {LEAST} questions cannot see a loss of 0.01; ask more")
    whole = _documentation() if own is None else _own(own)
    if len(whole.queries) < LEAST:
        where = str(own) if own else "installed documentation"
        why = f"{len(whole.queries)} questions with answers; {LEAST} are needed: judge more, or name another collection"
        raise BadValue("guard set", where, why=why)
    return _drawn(whole, size=size, rng=random.Random(seed))  # noqa: S311  a guard has to be repeatable, not secret


def general_pairs(*, count: int, seed: int) -> tuple[Passage, ...]:
    """At most ``count`` general passages for replay in training; none shares a family with any guard from documentation."""
    side = [passage for passage in passages(_SCANNED) if not _guarded(passage)]
    random.Random(seed).shuffle(side)  # noqa: S311  a training set has to be repeatable, not secret
    return tuple(side[:count])


def _documentation() -> Judged:
    side = [passage for passage in passages(_SCANNED) if _guarded(passage)]
    documents = tuple(Document(f"g{row}", "", passage.body, {}) for row, passage in enumerate(side))
    queries = tuple(Query(f"g{row}", passage.question, {"family": passage.family}) for row, passage in enumerate(side))
    return Judged(SPLIT, documents, queries, {query.id: {query.id: 1.0} for query in queries})


def _own(directory: Path) -> Judged:
    for split in _OWN_SPLITS:
        if grades_path(directory, split).is_file():
            return read(directory, split=split)
    raise UnknownName("guard split", str(directory / "qrels"), hint=f"a guard is judged by {' or '.join(_OWN_SPLITS)}.tsv")


def _drawn(whole: Judged, *, size: int, rng: random.Random) -> Judged:
    """``size`` questions and a crowd of documents that holds every document judged for them, in the collection's order."""
    rows = sorted(rng.sample(range(len(whole.queries)), min(size, len(whole.queries))))
    queries = tuple(whole.queries[row] for row in rows)
    grades = {query.id: whole.grades[query.id] for query in queries}
    wanted = {document for judged in grades.values() for document in judged}
    others = [document.id for document in whole.documents if document.id not in wanted]
    wanted |= set(rng.sample(others, max(0, min(len(others), CROWD * len(queries) - len(wanted)))))
    return Judged(SPLIT, tuple(document for document in whole.documents if document.id in wanted), queries, grades)


def _guarded(passage: Passage) -> bool:
    """Whether the passage's family belongs to the guard: by its digest, so that it never depends on what else is there."""
    return sha256(passage.family.encode()).digest()[0] % _PARTS < _GUARDED
