"""A real training run under a time budget, where the probe could not decide: tune on the lesson, then ask the measured queries.

The run sees the lesson alone and holds families of it out for its own choices, so that no measured query has a say. Both
models then rank the same part of the corpus: every answer, what BM25 and the base found, and others at random; encoding all
of a large corpus again would cost more than the run. What a few minutes reach is no ceiling: more time and pairs reach more.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Final

import numpy as np
from transvase.core.encoders import load
from transvase.core.errors import TransvaseError
from transvase.core.evaluation.fusion import DEPTH, Hits, crossed
from transvase.core.evaluation.judged import CORPUS, QUERIES, Judged
from transvase.core.evaluation.lexical import Lexical
from transvase.core.evaluation.metrics import Scores
from transvase.core.evaluation.ranking import nearest
from transvase.core.ports import Progress
from transvase.core.space import Role
from transvase.core.training import Rung, Trained, TrainSettings, train
from transvase.core.training.weights.fixed import is_fixed

from .intervals import Interval, interval
from .survey import Matrix, Survey, blocks, encoded, way

FOUND: Final = 10
"""Hits of each list whose documents the two models rank again."""

TOLD: Final = 2_000
"""Pairs learnt from, at which what longer training adds was measured (``TRIAL_RATIOS`` in attainable.py)."""

OTHERS: Final = 1_000
"""Documents at random beside them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """What the run gained: of its own vectors over the base's, and of the best way with it over the best way without."""

    minutes: float
    rung: str | None
    dense: Interval
    gain: Interval
    documents: int
    pairs: int
    seen: int
    """Pairs that the fine-tuning learnt from, repetitions counted; 0 where its time was up before it began."""

    @property
    def whole(self) -> bool:
        """Whether it learnt long enough to show what training cannot gain, and not only what it can."""
        return self.seen >= min(self.pairs, TOLD)

    def as_json(self) -> dict[str, object]:
        """All figures."""
        return {
            "minutes": self.minutes,
            "rung": self.rung,
            "dense_gain": self.dense.as_json(),
            "gain": self.gain.as_json(),
            "documents": self.documents,
            "pairs": self.pairs,
            "seen": self.seen,
        }


def trial(directory: Path, base: str, *, survey: Survey, minutes: float, seed: int, progress: Progress) -> Trial | str:
    """Tune ``base`` for ``minutes`` at most and measure what that gained; a sentence that says why where it cannot be tuned.

    Every error of the training run becomes that sentence: what was measured until then is not lost to a base that cannot be
    tuned, to too few data or to a card without memory.
    """
    with tempfile.TemporaryDirectory(prefix="transvase-assess-") as place:
        data, out = Path(place) / "data", Path(place) / "model"
        _write_lesson(directory, survey.lesson, data)
        try:
            if is_fixed(base):
                return (
                    f"no trial run was possible: the weights of {base} cannot be tuned here; "
                    "`train` can put an adapter on its vectors"
                )
            settings = TrainSettings(data=data, base=base, out=out, minutes=minutes, seed=seed)
            trained = train(settings, progress=progress)
        except TransvaseError as error:
            return f"no trial run was possible: {error}"
        part = _part(survey, seed=seed)
        tuned = load(str(out))
        texts = [survey.data.documents[row].content for row in part]
        asked = encoded(tuned, [query.text for query in survey.data.queries], Role.QUERY, progress=progress)
        told = encoded(tuned, texts, Role.DOCUMENT, progress=progress)
    data_part = replace(survey.data, documents=tuple(survey.data.documents[row] for row in part))
    lexical = Lexical(texts).nearest([query.text for query in survey.data.queries], k=DEPTH)
    before = _ways(data_part, lexical, survey.asked, survey.documents[part], seed=seed)
    after = _ways(data_part, lexical, asked, told, seed=seed)
    return Trial(
        minutes=minutes,
        rung=trained.rung,
        dense=interval(after[1] - before[1], survey.families, seed=seed),
        gain=interval(_best(*before, *after) - _best(*before), survey.families, seed=seed),
        documents=len(part),
        pairs=_pairs(survey.lesson),
        seen=_seen(trained),
    )


def _pairs(lesson: Judged) -> int:
    return sum(len(lesson.answers(query.id)) for query in lesson.queries)


def _seen(trained: Trained) -> int:
    """Rows that the first fine-tuning got to see, repeated ones counted again."""
    seen = trained.facts.get(f"{Rung.TUNE} seen", 0)
    assert isinstance(seen, int)
    return seen


def _ways(data: Judged, lexical: Hits, asked: Matrix, told: Matrix, *, seed: int) -> tuple[Scores, Scores, Scores]:
    """NDCG@10 of BM25, of the vectors and of both fused."""
    dense = nearest(asked, blocks(told), k=DEPTH)
    fused = crossed(lexical, dense, data=data, k=DEPTH, seed=seed)[0]
    bm25, alone, both = (way(data, rows).ndcg for rows in (lexical[0], dense[0], fused))
    return bm25, alone, both


def _best(*figures: Scores) -> Scores:
    return max(figures, key=lambda one: float(one.mean()))


def _part(survey: Survey, *, seed: int) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    """Rows of the documents that are ranked again, in the order of the corpus."""
    at = {document.id: row for row, document in enumerate(survey.data.documents)}
    wanted = {at[answer] for query in survey.data.queries for answer in survey.data.answers(query.id)}
    for rows, _ in (survey.lexical, survey.dense):
        wanted |= {int(row) for row in rows[:, :FOUND].ravel() if row >= 0}
    others = sorted(set(range(len(at))) - wanted)
    wanted |= set(Random(seed).sample(others, min(OTHERS, len(others))))  # noqa: S311  a sample has to be repeatable, not secret
    return np.array(sorted(wanted), dtype=np.intp)


def _write_lesson(directory: Path, lesson: Judged, data: Path) -> None:
    """The collection with the lesson for its only judgments."""
    (data / "qrels").mkdir(parents=True)
    for name in (CORPUS, QUERIES):
        shutil.copyfile(directory / name, data / name)
    lines = [
        f"{query.id}\t{document}\t{grade:g}" for query in lesson.queries for document, grade in lesson.grades[query.id].items()
    ]
    (data / "qrels" / "train.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *lines, ""]), encoding="utf-8")
