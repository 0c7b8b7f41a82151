"""What tuning could reach: the probe's gain on families it never saw, carried over to fine-tuning by measured calibration.

Where the lesson is large enough the probe learns from it and answers all measured queries; else it learns from the measured
queries too, in folds that divide no family, and answers only those left out. Its ranking is fused with BM25 as the base's
is, so that both sides of the gap are the best of their kind.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.evaluation.fusion import DEPTH, crossed
from transvase.core.evaluation.judged import Judged
from transvase.core.evaluation.lexical import terms
from transvase.core.evaluation.metrics import Scores
from transvase.core.evaluation.ranking import nearest
from transvase.core.ports import Progress

from .intervals import Interval, interval
from .probe import Probe, bags, fit, vocabulary
from .survey import DENSE, Matrix, Survey, way

SHARES: Final = (0.25, 0.5, 1.0)
"""How far the vectors are moved towards what was learnt; the smaller shares win where pairs are few."""

ENOUGH: Final = 1_000
"""Pairs of a lesson from which the measured queries are not taught as well."""

FOLDS: Final = 4

LEAST: Final = 100
"""Pairs below which a probe says nothing."""

Found = tuple[NDArray[np.intp], NDArray[np.float32]]
_BLOCK: Final = 1024

RATIOS: Final = (1.0, 2.0, 4.0)
"""Fine-tuning's gain over the probe's: at least, about, at most. Measured: on command-line pages the probe gains 0.011 to 0.015
of the 0.051 that the plain script does with the same pairs; on documentation of Python packages a linear adapter alone gained as
much as fine-tuning did. The spread is honest and wide, which is why a probe that decides nothing is followed by a trial run."""

TRIAL_RATIOS: Final = (1.3, 1.6)
"""Long training's gain over that of a trial of minutes: about, at most. On command-line pages a trial of five minutes on 2,000
pairs gained 0.044 on the vectors alone, training on all 8,000 pairs 0.071."""

ERROR: Final = 0.01
"""What fine-tuning may gain beyond all of that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attainable:
    """What tuning is estimated to reach with ``pairs`` pairs, in NDCG@10 on unseen families.

    ``dense`` is what the probe's own vectors gain over the base's, ``learnt`` what the best way with the probe gains over
    the best way without, and ``gain`` that figure carried over to fine-tuning, with the calibration's error in its interval.
    """

    pairs: int
    dense: Interval
    learnt: Interval
    gain: Interval
    bar: float
    tried: bool = False
    """Whether ``gain`` stands on a trial run that saw every pair, and no longer on the probe."""

    @property
    def ceiling(self) -> float:
        """The gain that is still to be reckoned with.

        The probe cannot rule out what fine-tuning may gain, so its upper end counts. Real training that was measured can: what
        is likelier below a threshold than above it is no longer open, or few judged queries would keep every question open.
        """
        return self.gain.mean if self.tried else self.gain.high

    def open(self, least: float) -> bool:
        """Whether the gain may be above ``least`` and may be below it."""
        return self.gain.low <= least < self.ceiling

    def proven(self, gain: Interval, *, whole: bool = True) -> Attainable:
        """The same with what a trial gained in place of the probe's estimate; it is no ceiling, so mean and upper end go beyond.

        The noise of the measured queries and the unknown ratio are independent and joined as such, not both at their worst. A
        trial that was cut short (not ``whole``) proves what it gained, and nothing about what it had no time to gain.
        """
        about, most = TRIAL_RATIOS
        likely = max(gain.mean, about * gain.mean)
        high = likely + math.hypot(about * (gain.high - gain.mean), (most - about) * max(gain.mean, 0.0))
        if not whole:
            likely, high = max(likely, self.gain.mean), max(high, self.gain.high)
        low = gain.low if whole else max(gain.low, self.gain.low)
        bar = self.bar - max(0.0, self.gain.mean) + max(0.0, likely)
        return replace(self, gain=Interval(likely, low, high), bar=bar, tried=whole)

    def as_json(self) -> dict[str, object]:
        """All figures."""
        return {
            "pairs": self.pairs,
            "probe_dense_gain": self.dense.as_json(),
            "probe_gain": self.learnt.as_json(),
            "gain": self.gain.as_json(),
            "bar": self.bar,
            "tried": self.tried,
        }


def attainable(survey: Survey, *, seed: int, progress: Progress) -> Attainable | None:
    """Estimate what tuning could reach; None where there are too few pairs to learn anything from."""
    study = _Study(survey)
    rounds = study.rounds(seed=seed)
    pairs = min((len(taught) for taught, _ in rounds), default=0)
    if pairs < LEAST:
        return None
    best = survey.ways[survey.best].ndcg
    tried: dict[float, list[Found]] = {share: [] for share in SHARES}
    for at, (taught, held) in enumerate(rounds):
        progress("probe", at, len(rounds))
        probe = fit(
            study.asked,
            survey.documents,
            asked=study.words_asked,
            told=study.words_told,
            pairs=taught,
            words=study.words,
            seed=seed,
        )
        for share, found in study.answers(probe, held).items():
            tried[share].append(found)
    progress("probe", len(rounds), len(rounds))
    order = np.argsort(np.concatenate([held for _, held in rounds]))
    hits = {share: _joined(parts, order) for share, parts in tried.items()}
    alone = {share: way(survey.data, rows).ndcg for share, (rows, _) in hits.items()}
    chosen = _crossed_shares(alone, survey.families)
    rows = np.stack([hits[share][0][at] for at, share in enumerate(chosen)])
    scores = np.stack([hits[share][1][at] for at, share in enumerate(chosen)])
    dense = way(survey.data, rows).ndcg
    fused = way(survey.data, crossed(survey.lexical, (rows, scores), data=survey.data, k=DEPTH, seed=seed)[0]).ndcg
    probed = max((best, dense, fused), key=lambda figures: float(figures.mean()))
    learnt = interval(probed - best, survey.families, seed=seed)
    vectors = interval(dense - survey.ways[DENSE].ndcg, survey.families, seed=seed)
    behind = float(best.mean() - survey.ways[DENSE].ndcg.mean())
    gain = carried(learnt, vectors, behind=behind, room=1 - float(best.mean()))
    return Attainable(
        pairs=pairs,
        dense=vectors,
        learnt=learnt,
        gain=gain,
        bar=float(best.mean()) + max(0.0, gain.mean),
    )


def carried(learnt: Interval, dense: Interval, *, behind: float, room: float) -> Interval:
    """The probe's gain as fine-tuning's. ``behind`` is how far dense alone is below the best way, ``room`` the best way below 1.

    Where BM25 is best, what the probe adds to the vectors may not show in ``learnt`` and still be half of the way past it.
    """
    least, about, most = RATIOS
    high = min(room, max(further(learnt.high, most, room=room), further(dense.high, most, room=room) - behind, 0.0) + ERROR)
    low = min(high, further(learnt.low, least, room=room))
    return Interval(min(high, max(low, further(learnt.mean, about, room=room))), low, high)


def further(gain: float, ratio: float, *, room: float) -> float:
    """``ratio`` times a small gain, and less of a large one: each time the gain is made, it is made of what was left of ``room``.

    Twice a gain of half the room is three quarters of it, and not a perfect ranking.
    """
    if gain <= 0 or room <= 0:
        return ratio * gain
    result: float = room * (1 - max(0.0, 1 - gain / room) ** ratio)
    return result


class _Study:
    """The vectors, words and pairs of lesson and measured queries together; measured queries come first."""

    def __init__(self, survey: Survey) -> None:
        self._survey = survey
        everyone = (*survey.data.queries, *survey.lesson.queries)
        self.asked: Matrix = np.concatenate([survey.asked, survey.taught])
        at = {document.id: row for row, document in enumerate(survey.data.documents)}
        self._own = _pairs(survey.data, at, start=0)
        self._lesson = _pairs(survey.lesson, at, start=len(survey.data.queries))
        asked = [terms(query.text) for query in everyone]
        told = [terms(document.content) for document in survey.data.documents]
        answers = sorted({int(row) for row in np.concatenate([self._own[:, 1], self._lesson[:, 1]])})
        known = vocabulary([*asked, *(told[row] for row in answers)])
        self.words = len(known)
        self.words_asked, self.words_told = bags(asked, known), bags(told, known)

    def rounds(self, *, seed: int) -> list[tuple[NDArray[np.intp], NDArray[np.intp]]]:
        """Pairs to learn from with measured queries to answer; every measured query is answered once."""
        measured = np.arange(len(self._survey.data.queries))
        if len(self._lesson) >= ENOUGH:
            return [(self._lesson, measured)]
        fold = np.array([sha256(f"{seed} {name}".encode()).digest()[0] % FOLDS for name in self._survey.families])
        return [
            (np.concatenate([self._lesson, self._own[fold[self._own[:, 0]] != number]]), measured[fold == number])
            for number in range(FOLDS)
            if (fold == number).any()
        ]

    def answers(self, probe: Probe, held: NDArray[np.intp]) -> dict[float, Found]:
        """The nearest documents of the measured queries ``held`` by the probe, for each share."""
        of = self.words_asked.take(held)
        queries, documents = self.asked[held], self._survey.documents
        asked, told = probe.shift(queries, of), probe.shift(documents, self.words_told)
        return {share: nearest(queries + np.float32(share) * asked, _moved(documents, told, share), k=DEPTH) for share in SHARES}


def _moved(vectors: Matrix, far: Matrix, share: float) -> Iterator[Matrix]:
    for start in range(0, len(vectors), _BLOCK):
        yield vectors[start : start + _BLOCK] + np.float32(share) * far[start : start + _BLOCK]


def _pairs(judged: Judged, at: dict[str, int], *, start: int) -> NDArray[np.intp]:
    """(query row, document row) of every answer."""
    found = [
        (start + row, at[document])
        for row, query in enumerate(judged.queries)
        for document, grade in judged.grades[query.id].items()
        if grade > 0
    ]
    return np.array(found, dtype=np.intp).reshape(-1, 2)


def _joined(parts: list[Found], order: NDArray[np.intp]) -> Found:
    return np.concatenate([rows for rows, _ in parts])[order], np.concatenate([scores for _, scores in parts])[order]


def _crossed_shares(alone: dict[float, Scores], families: Sequence[str]) -> list[float]:
    """For each query the share that was best on the other half of the families, so that no query chooses its own."""
    half = np.array([sha256(name.encode()).digest()[1] % 2 for name in families])
    chosen = {
        side: max(SHARES, key=lambda share: float(alone[share][half != side].mean()) if (half != side).any() else share)
        for side in (0, 1)
    }
    return [chosen[int(side)] for side in half]
