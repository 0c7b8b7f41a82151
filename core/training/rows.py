"""The rows that training reads: pairs that the plan has time for, each with negatives mined by the weights of this moment."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

from numpy import float32
from numpy.typing import NDArray
from transvase.core.ports import Progress
from transvase.core.space import Role

from .learner import Learner, encode
from .lesson import Lesson
from .loop import Rows
from .negatives import answers_to_avoid, mine
from .pairs import Pair
from .settings import TrainSettings


@dataclass(frozen=True, slots=True, eq=False)
class Material:
    """Columns for the loss, with counts: pairs in them, and documents that their negatives were mined from."""

    rows: Rows
    pairs: int
    mined_from: int


def gather(lesson: Lesson, learner: Learner, *, most: int, pool: int, settings: TrainSettings, progress: Progress) -> Material:
    """At most ``most`` pairs, and negatives from about ``pool`` documents: the answers of those pairs, others at random."""
    rng = random.Random(settings.seed)  # noqa: S311  the draw has to be repeatable, not secret
    pairs = list(lesson.pairs) if len(lesson.pairs) <= most else rng.sample(list(lesson.pairs), most)
    rows: dict[str, Sequence[str]] = {"anchor": [pair.anchor for pair in pairs], "positive": [pair.positive for pair in pairs]}
    if not settings.negatives:
        return Material(rows, len(pairs), 0)
    identifiers = _drawn(lesson, pairs, size=pool, rng=rng)
    contents = {document.id: document.content for document in lesson.documents}
    texts = [contents[identifier] for identifier in identifiers]
    place = {identifier: number for number, identifier in enumerate(identifiers)}
    avoid = answers_to_avoid(lesson.answers, lesson.family_of)
    mined = mine(
        _encoded(learner, rows["anchor"], Role.QUERY, settings=settings, progress=progress),
        _encoded(learner, texts, Role.DOCUMENT, settings=settings, progress=progress),
        positives=[_places(lesson.answers[pair.query], place) for pair in pairs],
        avoid=[_places(avoid[pair.query], place) for pair in pairs],
        count=settings.negatives,
        seed=settings.seed,
    )
    for number in range(settings.negatives):
        rows[f"negative_{number + 1}"] = [texts[row] for row in mined[:, number]]
    return Material(rows, len(pairs), len(texts))


def _drawn(lesson: Lesson, pairs: Sequence[Pair], *, size: int, rng: random.Random) -> list[str]:
    needed = {pair.document for pair in pairs}
    others = [document.id for document in lesson.documents if document.id not in needed and document.content.strip()]
    room = max(0, size - len(needed))
    kept = needed | set(others if len(others) <= room else rng.sample(others, room))
    return [document.id for document in lesson.documents if document.id in kept]


def _places(documents: set[str], place: dict[str, int]) -> list[int]:
    return sorted(place[document] for document in documents if document in place)


def _encoded(
    learner: Learner, texts: Sequence[str], role: Role, *, settings: TrainSettings, progress: Progress
) -> NDArray[float32]:
    def passed(count: int) -> None:
        progress(f"mine negatives ({role})", count, len(texts))

    return encode(learner, texts, role, length=settings.train_length, passed=passed)
