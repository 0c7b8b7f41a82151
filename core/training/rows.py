"""The rows that training reads: pairs that the plan has time for, each with negatives mined by the weights of this moment."""

from __future__ import annotations

import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.evaluation.judged import Document
from transvase.core.ports import Progress
from transvase.core.space import Role

from .learner import Learner, encode
from .lesson import Lesson
from .loop import Rows
from .negatives import answers_to_avoid, mine
from .pairs import Pair
from .settings import TrainSettings

_BLOCK: Final = 128
_LEAST_OTHERS: Final = 128
"""Documents beside the answers that are mined from however little time there is."""


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Columns for the loss, with counts: pairs in them, and documents that their negatives were mined from."""

    rows: Rows
    pairs: int
    mined_from: int


def gather(
    lesson: Lesson, learner: Learner, *, most: int, pool: int, seconds: float, settings: TrainSettings, progress: Progress
) -> Material:
    """At most ``most`` pairs, and negatives from at most ``pool`` documents: the answers of those pairs, then others at random.

    Others are encoded only while ``seconds`` last: a machine that became slower mines from fewer, and training keeps its time.
    """
    until = time.monotonic() + seconds
    rng = random.Random(settings.seed)  # noqa: S311  the draw has to be repeatable, not secret
    pairs = list(lesson.pairs) if len(lesson.pairs) <= most else rng.sample(list(lesson.pairs), most)
    rows: dict[str, Sequence[str]] = {"anchor": [pair.anchor for pair in pairs], "positive": [pair.positive for pair in pairs]}
    if not settings.negatives:
        return Material(rows, len(pairs), 0)
    asked = encode(learner, rows["anchor"], Role.QUERY, length=settings.train_length)
    documents, needed = _drawn(lesson, pairs, size=pool, rng=rng)
    held = _encoded(learner, documents, needed=needed, until=until, length=settings.train_length, progress=progress)
    place = {document.id: number for number, document in enumerate(documents[: len(held)])}
    avoid = answers_to_avoid(lesson.answers, lesson.family_of)
    mined = mine(
        asked,
        held,
        positives=[_places(lesson.answers[pair.query], place) for pair in pairs],
        avoid=[_places(avoid[pair.query], place) for pair in pairs],
        count=settings.negatives,
        seed=settings.seed,
    )
    for number in range(settings.negatives):
        rows[f"negative_{number + 1}"] = [documents[row].content for row in mined[:, number]]
    return Material(rows, len(pairs), len(held))


def _drawn(lesson: Lesson, pairs: Sequence[Pair], *, size: int, rng: random.Random) -> tuple[list[Document], int]:
    """Documents to mine from, the answers of the pairs first, and how many those are."""
    wanted = {pair.document for pair in pairs}
    needed = [document for document in lesson.documents if document.id in wanted]
    others = [document for document in lesson.documents if document.id not in wanted and document.content.strip()]
    return needed + rng.sample(others, min(len(others), max(_LEAST_OTHERS, size - len(needed)))), len(needed)


def _places(documents: set[str], place: dict[str, int]) -> list[int]:
    return sorted(place[document] for document in documents if document in place)


def _encoded(
    learner: Learner, documents: Sequence[Document], *, needed: int, until: float, length: int, progress: Progress
) -> NDArray[np.float32]:
    """Vectors of the first documents: all that are needed and one block more, then as many as there is time for."""
    blocks: list[NDArray[np.float32]] = []
    for start in range(0, len(documents), _BLOCK):
        if start > needed and time.monotonic() > until:
            break
        texts = [document.content for document in documents[start : start + _BLOCK]]
        blocks.append(encode(learner, texts, Role.DOCUMENT, length=length))
        progress("mine negatives", start + len(texts), len(documents))
    return np.concatenate(blocks)
