"""Wins and losses with their texts: the queries on which two models differ most, and what each of them answered."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

import numpy as np

from .evaluate import Evaluation
from .judged import Document
from .metrics import NDCG

SHOWN: Final = 3
"""Answers of each model that are shown."""

_LONGEST: Final = 120


@dataclass(frozen=True, slots=True)
class Shown:
    """One answer: its place in the ranking from 1, its id, how it begins, and whether it is right."""

    rank: int
    id: str
    text: str
    right: bool


@dataclass(frozen=True, slots=True)
class Example:
    """One query, what the candidate gained on it in NDCG@10 (lost: below 0), and the first answers of base and candidate.

    Where the right answer stands further down, it is the last that is shown.
    """

    query: str
    text: str
    gain: float
    base: tuple[Shown, ...]
    candidate: tuple[Shown, ...]

    def as_json(self) -> dict[str, object]:
        """All fields."""
        return asdict(self)


def wins(evaluation: Evaluation, *, top: int) -> tuple[Example, ...]:
    """The queries that the last model gained most on against the first, the largest gain first; none without a gain."""
    return _examples(evaluation, top=top, sign=1)


def losses(evaluation: Evaluation, *, top: int) -> tuple[Example, ...]:
    """The queries that it lost most on, the largest loss first."""
    return _examples(evaluation, top=top, sign=-1)


def _examples(evaluation: Evaluation, *, top: int, sign: int) -> tuple[Example, ...]:
    models, names = evaluation.models, (evaluation.base, evaluation.candidate)
    gains = models[names[1]][NDCG] - models[names[0]][NDCG]
    chosen = [int(row) for row in np.argsort(-sign * gains, kind="stable")[:top] if sign * gains[row] > 0]
    wanted = {answer for row in chosen for name in names for answer in evaluation.rankings[name][row]}
    texts = {document.id: _beginning(document) for document in evaluation.data.documents if document.id in wanted}
    return tuple(
        Example(
            evaluation.queries[row],
            evaluation.data.queries[row].text,
            float(gains[row]),
            *(_shown(evaluation.rankings[name][row], evaluation.data.answers(evaluation.queries[row]), texts) for name in names),
        )
        for row in chosen
    )


def _shown(ranking: Sequence[str], right: set[str], texts: Mapping[str, str]) -> tuple[Shown, ...]:
    places = list(range(min(SHOWN, len(ranking))))
    if not any(ranking[place] in right for place in places):
        places += [place for place in range(SHOWN, len(ranking)) if ranking[place] in right][:1]
    return tuple(Shown(place + 1, ranking[place], texts[ranking[place]], ranking[place] in right) for place in places)


def _beginning(document: Document) -> str:
    """The document's first words as one short line."""
    line = " ".join(document.content[: 4 * _LONGEST].split())
    return line if len(line) <= _LONGEST else line[: _LONGEST - 1].rstrip() + "…"
