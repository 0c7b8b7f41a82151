"""The questions a variant is tried on: the user's own where they are given, else general ones from installed documentation."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from transvase.core.errors import BadValue
from transvase.core.evaluation.exam import Exam, draw
from transvase.core.evaluation.guard import guard_set
from transvase.core.evaluation.judged import read

MOST_LOSS: Final = 0.01
"""NDCG@10 that a variant may lose, unless the caller says otherwise."""

_DOCUMENTS: Final = 2_000
"""Of the user's own collection: the answers of up to half as many queries, and what shares rare words with these."""

_GENERAL: Final = 100
"""General questions, each among four documents."""

_SEED: Final = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """The questions, what they are from, and the most NDCG@10 that a variant may lose on them."""

    exam: Exam
    asked_of: str
    most_loss: float = MOST_LOSS


def draw_trial(data: Path | None, *, split: str, most_loss: float = MOST_LOSS) -> Trial:
    """Questions from one split of the collection ``data``, or general ones without it; the same ones every time.

    BadValue for a bound that is no share of NDCG, UnknownName and BadValue for what is missing or malformed in ``data``.
    """
    if not 0 <= most_loss <= 1:
        raise BadValue("most loss", most_loss, why="NDCG@10 lies between 0 and 1, and so does what it may lose")
    judged = guard_set(None, size=_GENERAL, seed=_SEED) if data is None else read(data, split=split)
    exam = draw(judged, size=_DOCUMENTS, seed=_SEED)
    return Trial(
        exam=exam, asked_of="installed documentation" if data is None else f"{data.resolve().name} ({split})", most_loss=most_loss
    )
