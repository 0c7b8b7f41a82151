"""How much can be learnt from the pairs at hand? A model small enough to fit in seconds, without torch, tries unseen families.

It leaves the encoder's vectors as they are and learns what stands between them and the pairs: one matrix over the vectors (what
the domain means by near), and one vector for each word (what the domain means by its words: private names the encoder has
never read). Both begin where they change nothing. Contrastive loss over in-batch negatives (van den Oord et al. 2018, cosine
times 20), Adam (Kingma and Ba 2015) on the rows that a batch touches. It is a probe: what it gains is calibrated against what
fine-tuning gained on collections where both were measured (docs/assessment.md), and it is never served.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float32]
Rows = NDArray[np.intp]

SCALE: Final = 20.0
"""One over the temperature: sentence-transformers' own default, at which its cosines are trained."""

BATCH: Final = 128
EPOCHS: Final = 12
RATE: Final = 1e-3
MOST_STEPS: Final = 300
"""Beyond these the probe had stopped gaining on every collection measured."""

LEAST_STEPS: Final = 120
"""So that few pairs are learnt from at all."""

MOST_WORDS: Final = 20_000
_PULL: Final = 1e-2
"""Weight of the squared distance of the matrix from the identity, against forgetting what the encoder knows."""
_BLOCK: Final = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Bags:
    """Texts as sparse rows over a vocabulary: text ``n`` has ``words[ends[n] : ends[n + 1]]`` (idf weights, row length 1)."""

    ends: Rows
    words: Rows
    weights: Matrix

    def dense(self, rows: Rows) -> tuple[Rows, Matrix]:
        """The words that stand in these rows, and the rows over just those words, shape (rows, words)."""
        starts, lengths = self.ends[rows], self.ends[rows + 1] - self.ends[rows]
        at = np.repeat(np.arange(len(rows)), lengths)
        places = np.arange(int(lengths.sum())) + np.repeat(starts - np.cumsum(lengths) + lengths, lengths)
        used, column = np.unique(self.words[places], return_inverse=True)
        part = np.zeros((len(rows), len(used)), dtype=np.float32)
        part[at, column] = self.weights[places]
        return used, part

    def take(self, rows: Rows) -> Bags:
        """These rows, in this order."""
        parts = [slice(self.ends[row], self.ends[row + 1]) for row in rows]
        words = [self.words[part] for part in parts]
        ends = np.cumsum([0, *(len(part) for part in words)])
        empty = (np.empty(0, np.intp), np.empty(0, np.float32))
        if not words:
            return Bags(ends, *empty)
        return Bags(ends, np.concatenate(words), np.concatenate([self.weights[part] for part in parts]))


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """What was learnt: a matrix (d, d) near the identity and a vector for each word (words, d), both used by either side."""

    matrix: Matrix
    words: Matrix

    def shift(self, vectors: Matrix, bags: Bags) -> Matrix:
        """How far each vector moves by all that was learnt, shape (texts, d), in blocks."""
        far = vectors @ (self.matrix - np.eye(len(self.matrix), dtype=np.float32))
        for start in range(0, len(vectors), _BLOCK):
            rows = np.arange(start, min(start + _BLOCK, len(vectors)))
            used, part = bags.dense(rows)
            far[rows] += part @ self.words[used]
        return far


def vocabulary(texts: Sequence[Sequence[str]]) -> dict[str, tuple[int, float]]:
    """Word → number and inverse document frequency, for words that at least two of these texts hold."""
    counts = Counter(word for text in texts for word in set(text))
    kept = [word for word, count in counts.most_common(MOST_WORDS) if count > 1]
    return {word: (number, float(np.log(1 + len(texts) / counts[word]))) for number, word in enumerate(kept)}


def bags(texts: Sequence[Sequence[str]], known: dict[str, tuple[int, float]]) -> Bags:
    """Texts over a vocabulary; words outside it are left out, a text without a known word is an empty row."""
    ends, words, weights = [0], [np.empty(0, np.intp)], [np.empty(0, np.float32)]
    for text in texts:
        held = sorted({known[word] for word in text if word in known})
        idf = np.array([weight for _, weight in held], dtype=np.float32)
        words.append(np.array([number for number, _ in held], dtype=np.intp))
        weights.append(idf / np.float32(np.linalg.norm(idf) if len(idf) else 1))
        ends.append(ends[-1] + len(held))
    return Bags(np.array(ends, dtype=np.intp), np.concatenate(words), np.concatenate(weights))


def fit(anchors: Matrix, answers: Matrix, *, asked: Bags, told: Bags, pairs: NDArray[np.intp], words: int, seed: int) -> Probe:
    """Learn from ``pairs``, shape (n, 2), rows of ``anchors`` and of ``answers``; the same seed gives the same probe."""
    learner = _Learner(anchors.shape[1], words)
    rng = np.random.default_rng(seed)
    steps = min(MOST_STEPS, max(LEAST_STEPS, EPOCHS * len(pairs) // BATCH)) if len(pairs) else 0
    done = 0
    while done < steps:
        order = rng.permutation(len(pairs))
        for start in range(0, max(1, len(pairs) - BATCH + 1), BATCH):
            if done == steps:
                break
            batch = pairs[order[start : start + BATCH]]
            learner.step(anchors, answers, asked, told, batch, rate=RATE * (1 - done / steps))
            done += 1
    return Probe(learner.matrix.value, learner.words.value)


class _Moments:
    """A parameter with Adam's running moments; only the rows that a batch touches are moved."""

    def __init__(self, value: Matrix) -> None:
        self.value = value
        self._first, self._second = np.zeros_like(value), np.zeros_like(value)
        self._age = np.zeros((len(value), 1), dtype=np.float32)

    def move(self, rows: Rows, slope: Matrix, *, rate: float) -> None:
        self._age[rows] += 1
        self._first[rows] = first = 0.9 * self._first[rows] + 0.1 * slope
        self._second[rows] = second = 0.999 * self._second[rows] + 0.001 * slope**2
        age = self._age[rows]
        self.value[rows] -= rate * (first / (1 - 0.9**age)) / (np.sqrt(second / (1 - 0.999**age)) + 1e-8)


class _Learner:
    """The two parameters while they are learnt."""

    def __init__(self, width: int, words: int) -> None:
        self.matrix = _Moments(np.eye(width, dtype=np.float32))
        self.words = _Moments(np.zeros((max(1, words), width), dtype=np.float32))

    def step(self, anchors: Matrix, answers: Matrix, asked: Bags, told: Bags, batch: NDArray[np.intp], *, rate: float) -> None:
        """One step down the contrastive loss of a batch; another pair's same document is no negative."""
        x, y = anchors[batch[:, 0]], answers[batch[:, 1]]
        (u, a), (v, b) = asked.dense(batch[:, 0]), told.dense(batch[:, 1])
        q, d = x @ self.matrix.value + a @ self.words.value[u], y @ self.matrix.value + b @ self.words.value[v]
        (q, q_long), (d, d_long) = _unit(q), _unit(d)
        scores = SCALE * (q @ d.T)
        same = batch[:, 1][:, None] == batch[None, :, 1]
        scores[same & ~np.eye(len(batch), dtype=bool)] = -np.inf
        weights = np.exp(scores - scores.max(axis=1, keepdims=True))
        weights /= weights.sum(axis=1, keepdims=True)
        slope = (weights - np.eye(len(batch), dtype=np.float32)) * np.float32(SCALE / len(batch))
        dq, dd = _through_unit(slope @ d, q, q_long), _through_unit(slope.T @ q, d, d_long)
        everything = np.arange(len(self.matrix.value))
        pull = np.float32(_PULL) * (self.matrix.value - np.eye(len(self.matrix.value), dtype=np.float32))
        self.matrix.move(everything, x.T @ dq + y.T @ dd + pull, rate=rate)
        rows = np.concatenate([u, v])
        if len(rows):
            both = np.unique(rows)
            summed = np.zeros((len(both), q.shape[1]), dtype=np.float32)
            summed[np.searchsorted(both, u)] += a.T @ dq
            summed[np.searchsorted(both, v)] += b.T @ dd
            self.words.move(both, summed, rate=rate)


def _unit(rows: Matrix) -> tuple[Matrix, Matrix]:
    lengths = np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), np.float32(1e-9))
    return rows / lengths, lengths


def _through_unit(slope: Matrix, rows: Matrix, lengths: Matrix) -> Matrix:
    """The slope before the rows were brought to length 1."""
    return np.asarray((slope - rows * (slope * rows).sum(axis=1, keepdims=True)) / lengths, dtype=np.float32)
