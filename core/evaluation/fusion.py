"""Fusing a lexical and a dense ranking, with a weight that judged queries chose and that may be "do not fuse".

The rule is that of a hybrid search (``transvase.core.hybrid``), so that a weight chosen here is one to search with: each
list's scores scaled to 0 … 1 within its query (Bruch, Gai and Ingber 2023, who find it more robust than ranks once its weight
is tuned). The weight is that of the words: 1 is the lexical ranking alone and 0 the dense one. Unweighted fusion is no safe
default, so both ends are candidates, and a fusion is taken only when it beats the better of them on queries that had no say
in its weight.
"""

from __future__ import annotations

import zlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.errors import BadValue
from transvase.core.hybrid import DEPTH, LEAST_SHARE, depth

from .comparison import ROUNDS, Comparison, compare
from .families import names
from .judged import Judged
from .metrics import NDCG, Gains, Scores, gains, ndcg

__all__ = ["DEPTH", "LEAST", "Choice", "Fusion", "Hits", "choose_weight", "crossed", "fuse", "fused"]

FOLDS: Final = 5
LEAST: Final = 20
"""Judged queries below which no weight can be chosen."""

CHANCE: Final = 0.05
"""How often chance alone may make a fusion look better than the better of its lists."""

WEIGHTS: Final = tuple(round(0.1 * step, 1) for step in range(1, 10))

Hits = tuple[NDArray[np.intp], NDArray[np.float32]]
"""Rows of documents and their scores, shape (queries, n), best first; row -1 where nothing more was found."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fusion:
    """How two lists are to be joined: by the weight of the words, at whose ends one of the lists stands alone.

    It is the argument of this name that ``Retriever.search`` takes.
    """

    lexical: float

    @property
    def alone(self) -> str | None:
        """``lexical`` or ``dense`` where only that list counts, else None."""
        return {1.0: "lexical", 0.0: "dense"}.get(self.lexical)

    def __str__(self) -> str:
        return f"{self.alone} alone" if self.alone else f"lexical={self.lexical:g}"


ENDS: Final = (Fusion(lexical=1.0), Fusion(lexical=0.0))
FUSIONS: Final = tuple(Fusion(lexical=weight) for weight in WEIGHTS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A fusion with what it was chosen on: NDCG@10 of either list alone, and the gain of fusing on queries without a say."""

    fusion: Fusion
    lexical: float
    dense: float
    fused: float
    gain: Comparison
    queries: int
    split: str
    """Of these queries."""
    folds: tuple[Fusion, ...] = ()
    """What each part of the judged queries was fused by where they had to choose for each other; else all by ``fusion``."""

    @property
    def alone(self) -> str | None:
        """``lexical`` or ``dense`` where the hybrid's own figures are those of that list and nothing was fused."""
        served = {by.alone for by in self.folds or (self.fusion,)}
        return served.pop() if len(served) == 1 else None

    @property
    def why(self) -> str:
        """What the hybrid was fused by and what spoke for it, in words."""
        gain = self.gain
        told = f"{gain.difference:+.4f} ({gain.ci_low:+.4f} … {gain.ci_high:+.4f}) on {self.queries} queries of {self.split}"
        if self.queries < LEAST:
            reason = f"{self.queries} queries of {self.split} are too few to choose a weight"
        elif self.fusion.alone is None:
            reason = f"fusing gained {told}"
        elif gain.difference > 0:
            reason = f"fusing gained {told}, which may be chance"
        else:
            reason = f"fusing gained nothing: {told}"
        if not self.folds:
            return f"{self.fusion}: {reason}"
        times = Counter(map(str, self.folds))
        parts = ", ".join(f"{by} ×{count}" if count > 1 else by for by, count in times.items())
        return f"{self.fusion} as all queries choose: {reason}; its figure has each part fused as the others chose ({parts})"

    def as_json(self) -> dict[str, object]:
        """The weight of the words, the figures behind it, and what they come to in words."""
        return {
            "lexical": self.fusion.lexical,
            "queries": self.queries,
            "ndcg": {"lexical": self.lexical, "dense": self.dense, "fused": self.fused},
            "gain": self.gain.as_json(),
            "why": self.why,
        }


def fuse(lexical: Hits, dense: Hits, *, by: Fusion, k: int) -> NDArray[np.intp]:
    """Rows of the ``k`` best documents of each query, shape (queries, k or fewer), best first, -1 behind the last hit.

    BadValue when the lists are not of the same queries or the weight is not between 0 and 1.
    """
    return fused(lexical, dense, by=by, k=k)[0]


def fused(lexical: Hits, dense: Hits, *, by: Fusion, k: int) -> tuple[NDArray[np.intp], NDArray[np.float64]]:
    """As ``fuse``, with what each row got of both lists together, 0 behind the last hit; as deep as ``k`` where that is more."""
    if not 0 <= by.lexical <= 1:
        raise BadValue("weight", by.lexical, why="the weight of the words lies between 0 and 1")
    pool = _pool(lexical, dense, deep=depth(k))
    columns, rows = pool.best(by.lexical, k=k)
    return rows, np.where(rows >= 0, np.take_along_axis(pool.shares(by.lexical), columns, axis=1), 0.0)


def choose_weight(lexical: Hits, dense: Hits, *, data: Judged, seed: int = 1) -> Choice:
    """The better of the two lists alone, or a fusion of them where judged queries show that it is better than that.

    The lists answer ``data.queries`` in order, rows counting ``data.documents``. Every query is scored with the weight that
    is best on the other folds (families whole); only where the mean of that lies above the better list alone, and would by
    chance in fewer than one case in twenty, is a fusion taken. Fewer than ``LEAST`` queries choose between the ends.
    """
    kin = _Kin.of(data)
    return _choose(_trials(lexical, dense, data), kin, seed=seed, rounds=ROUNDS)


def crossed(lexical: Hits, dense: Hits, *, data: Judged, k: int, seed: int = 1) -> tuple[NDArray[np.intp], Choice]:
    """What choosing on these queries is worth on these queries: each fold is fused as the other folds chose.

    For a collection that has no validation split. Returns the rows as ``fuse`` does, and what all queries together choose.
    """
    kin, trials = _Kin.of(data), _trials(lexical, dense, data)
    pool, folds = _pool(lexical, dense), list[Fusion]()
    rows = np.full((len(data.queries), k), -1, dtype=np.intp)
    for held in _folds(kin.parts, seed=seed):
        others = np.setdiff1d(np.arange(len(rows)), held)
        by = _choose(trials[:, others], kin.of_rows(others), seed=seed, rounds=ROUNDS // 10).fusion if len(others) else ENDS[1]
        folds.append(by)
        found = pool.best(by.lexical, k=k)[1][held]
        rows[held[:, None], np.arange(found.shape[1])] = found
    return rows, replace(_choose(trials, kin, seed=seed, rounds=ROUNDS), folds=tuple(folds))


@dataclass(frozen=True, slots=True)
class _Kin:
    """Of each query: what must stay in one fold, and its family."""

    split: str
    parts: tuple[str, ...]
    families: tuple[str, ...]

    @classmethod
    def of(cls, data: Judged) -> _Kin:
        """Folds are of families; of queries where the families are too few for folds."""
        families = names(data.queries)
        enough = len(set(families)) >= 2 * FOLDS
        return cls(data.split, families if enough else tuple(query.id for query in data.queries), families)

    def of_rows(self, rows: NDArray[np.intp]) -> _Kin:
        """The same for some of the queries."""
        return _Kin(self.split, tuple(self.parts[row] for row in rows), tuple(self.families[row] for row in rows))


def _choose(trials: NDArray[np.float64], kin: _Kin, *, seed: int, rounds: int) -> Choice:
    """From NDCG@10 of every candidate (rows: the two ends, then the fusions) on every query (columns)."""
    alone, fusions = trials[: len(ENDS)], trials[len(ENDS) :]
    end = int(alone.mean(axis=1)[1] >= alone.mean(axis=1)[0])
    fused = np.empty(trials.shape[1])
    for held in _folds(kin.parts, seed=seed):
        taught = np.delete(fusions, held, axis=1)
        fused[held] = fusions[int(taught.mean(axis=1).argmax()) if taught.size else 0, held]
    gain = compare(alone[end], fused, metric=NDCG, families=kin.families, seed=seed, rounds=rounds)
    taken = len(fused) >= LEAST and gain.difference > 0 and gain.p_value < 2 * CHANCE
    return Choice(
        fusion=FUSIONS[int(fusions.mean(axis=1).argmax())] if taken else ENDS[end],
        lexical=float(alone[0].mean()),
        dense=float(alone[1].mean()),
        fused=float(fused.mean()),
        gain=gain,
        queries=len(fused),
        split=kin.split,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Pool:
    """Both lists of each query as one, shape (queries, m): documents in the order of the corpus, with each list's share."""

    rows: NDArray[np.intp]
    lexical: NDArray[np.float64]
    dense: NDArray[np.float64]

    def shares(self, weight: float) -> NDArray[np.float64]:
        """What each document gets of both lists together, at this weight of the words."""
        return weight * self.lexical + (1 - weight) * self.dense

    def best(self, weight: float, *, k: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
        """Columns of the ``k`` best and their rows; equals keep the order of the corpus, what has no share is no hit."""
        shares = self.shares(weight)
        columns = np.argsort(-shares, axis=1, kind="stable")[:, :k]
        hit = np.take_along_axis(shares, columns, axis=1) > 0
        return columns, np.where(hit, np.take_along_axis(self.rows, columns, axis=1), -1)


def _pool(lexical: Hits, dense: Hits, *, deep: int = DEPTH) -> _Pool:
    if len(lexical[0]) != len(dense[0]):
        raise BadValue("rankings", (len(lexical[0]), len(dense[0])), why="both lists have to answer the same queries")
    rows = np.hstack([lexical[0][:, :deep], dense[0][:, :deep]])
    width = min(deep, lexical[0].shape[1])
    given = np.hstack([_shares(lexical, deep), _shares(dense, deep)])
    order = np.argsort(rows, axis=1, kind="stable")
    rows, given = np.take_along_axis(rows, order, axis=1), np.take_along_axis(given, order, axis=1)
    left, right = np.where(order < width, given, 0.0), np.where(order >= width, given, 0.0)
    twice = np.zeros(rows.shape, dtype=bool)
    twice[:, :-1] = rows[:, 1:] == rows[:, :-1]  # the lexical one of a pair stands first
    right[twice] = np.roll(right, -1, axis=1)[twice]
    again = np.roll(twice, 1, axis=1)
    left[again | (rows < 0)] = right[again | (rows < 0)] = 0.0
    return _Pool(rows, left, right)


def _shares(hits: Hits, deep: int) -> NDArray[np.float64]:
    """What a list gives each of its hits, in (0, 1]: from just above 0 at its last hit to 1 at its first."""
    rows, scores = hits[0][:, :deep], hits[1][:, :deep].astype(np.float64)
    there = rows >= 0
    low = np.where(there, scores, np.inf).min(axis=1, keepdims=True, initial=np.inf)
    high = np.where(there, scores, -np.inf).max(axis=1, keepdims=True, initial=-np.inf)
    with np.errstate(invalid="ignore"):
        scaled = np.divide(scores - low, high - low, out=np.ones_like(scores), where=high > low)
    return np.where(there, np.maximum(scaled, LEAST_SHARE), 0.0)


def _trials(lexical: Hits, dense: Hits, data: Judged) -> NDArray[np.float64]:
    """NDCG@10 of the two ends and of every fusion, shape (candidates, queries)."""
    pool = _pool(lexical, dense)
    worth = _worth(pool, data)
    return np.stack([_scores(pool, worth, by.lexical) for by in (*ENDS, *FUSIONS)])


def _worth(pool: _Pool, data: Judged) -> Gains:
    """The gain of each document of the pool in its place there, and the best that each query could gain."""
    places = {document.id: row for row, document in enumerate(data.documents)}
    grades = [data.grades[query.id] for query in data.queries]
    found = np.zeros(pool.rows.shape)
    for at, judged in enumerate(grades):
        for document, grade in judged.items():
            if grade > 0:
                found[at, pool.rows[at] == places[document]] = grade  # twice where both lists have it: only one is ever a hit
    return Gains(found, gains([[] for _ in grades], grades).ideal)


def _scores(pool: _Pool, worth: Gains, weight: float) -> Scores:
    columns, rows = pool.best(weight, k=10)
    return ndcg(Gains(np.where(rows >= 0, np.take_along_axis(worth.found, columns, axis=1), 0.0), worth.ideal), 10)


def _folds(parts: Sequence[str], *, seed: int) -> list[NDArray[np.intp]]:
    """Positions in up to ``FOLDS`` folds of like size that divide no part."""
    order = sorted(range(len(parts)), key=lambda at: (zlib.crc32(f"{seed} {parts[at]}".encode()), parts[at]))
    starts = [at for at in range(1, len(order)) if parts[order[at]] != parts[order[at - 1]]]
    wanted = [fold * len(order) / FOLDS for fold in range(1, FOLDS)] if starts else []
    cuts = {starts[int(np.abs(np.array(starts) - at).argmin())] for at in wanted}
    return [np.sort(part) for part in np.split(np.array(order, dtype=np.intp), sorted(cuts))]
