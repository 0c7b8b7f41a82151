"""The audit afterwards: which answers mixed spaces, and which rows are stale or lost. Nothing is assumed, everything recomputed.

A score is recomputed from texts alone, by the encoders; what the database stores is compared and never believed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import psycopg
from numpy.typing import NDArray
from pgvector.psycopg import register_vector
from psycopg import sql
from transvase.core.space import FLOOR, Role, Vectors, cosines

from .ledger import Ledger, Seen, SeenHit, Version
from .recall import Remembering
from .stage import TABLE, VIEW

TOLERANCE: Final = 0.001
"""How far a score may lie from the recomputed one. In float32 it is 0.000001; where the encoders themselves agree less
(a text alone or in a batch, one process in bf16), twice as far as that moves a score; ``told_apart`` says what it is worth."""
ANEW: Final = 100
"""Rows whose text is encoded again at the end, so that the memory of the demo is checked as well."""


@dataclass(frozen=True, slots=True)
class Mixing:
    """What the answers showed. ``told_apart`` is the share of hits that a mixed pair of spaces would have been noticed in."""

    answers: int
    hits: int
    mixed: int
    tolerance: float
    told_apart: float
    furthest: float
    lagging: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Survey:
    """What the table and the alias' view hold at the end, beside what the writers know they wrote."""

    rows: int
    stale: int
    lost: int
    least_cosine: float
    examples: tuple[str, ...]


def mixing(ledger: Ledger, memories: Mapping[str, Remembering]) -> Mixing:
    """Recompute the score of every hit from the Space of its answer; one that fits no text of its key in that Space is mixed.

    ``memories`` are by Space id. A hit may fit any text that its key had before the answer came: a vector that is still
    owed is late (``lagging``), which is not the same as wrong.
    """
    judge = _Judge(ledger, memories)
    tolerance = max(TOLERANCE, 2 * judge.prepare())
    mixed, lagging, furthest, hits, apart, judged_apart = 0, 0, 0.0, 0, 0, 0
    examples: list[str] = []
    for seen in ledger.seen:
        for hit in seen.hits:
            hits += 1
            distance, version, superseded = judge.nearest(seen, hit)
            if hit.space != seen.space or version is None or distance > tolerance:
                mixed += 1
                examples.append(f"{seen.reader}: row {hit.key} scored {hit.score:.4f} in {hit.space}, {distance:.4f} off")
                continue
            furthest = max(furthest, distance)
            lagging += superseded
            other = judge.across(seen, hit, version)
            if other is not None:
                judged_apart += 1
                apart += other > tolerance
    told = apart / judged_apart if judged_apart else 0.0
    return Mixing(len(ledger.seen), hits, mixed, tolerance, told, furthest, lagging, tuple(examples[:10]))


class _Judge:
    """Recomputes similarities from remembered vectors."""

    def __init__(self, ledger: Ledger, memories: Mapping[str, Remembering]) -> None:
        self._ledger, self._memories = ledger, memories
        self._rows: dict[tuple[str, Role, str], NDArray[np.float32]] = {}

    def prepare(self) -> float:
        """Have every needed vector, encoding in batches what no encoder has met; gives the encoders' own spread."""
        for space, memory in self._memories.items():
            asked = [seen for seen in self._ledger.seen if seen.space == space]
            keys = {hit.key for seen in asked for hit in seen.hits}
            texts = sorted({v.text for key in keys for v in self._ledger.versions(key) if v.text is not None})
            self._keep(space, Role.DOCUMENT, texts, memory)
        queries = sorted({seen.query for seen in self._ledger.seen})
        for space, memory in self._memories.items():
            self._keep(space, Role.QUERY, queries, memory)
        return max((self._spread(space, memory, queries) for space, memory in self._memories.items()), default=0.0)

    def nearest(self, seen: Seen, hit: SeenHit) -> tuple[float, Version | None, bool]:
        """(distance of the score from the best fitting text's, that text, whether it was replaced before the search began)."""
        query = self._rows.get((seen.space, Role.QUERY, seen.query))
        best: tuple[float, Version | None, bool] = (float("inf"), None, False)
        if query is None:
            return best
        versions = self._ledger.versions(hit.key)
        for place, version in enumerate(versions):
            if version.text is None or version.began > seen.ended:
                continue
            distance = abs(float(query @ self._rows[seen.space, Role.DOCUMENT, version.text]) - hit.score)
            if distance < best[0]:
                later = versions[place + 1] if place + 1 < len(versions) else None
                best = (distance, version, later is not None and later.ended < seen.began)
        return best

    def across(self, seen: Seen, hit: SeenHit, version: Version) -> float | None:
        """How far the score lies from the nearer of the two mixed pairs; None where no vector of the other Space is known."""
        other = next((space for space in self._memories if space != seen.space), "")
        text = version.text or ""
        mine = (self._rows[seen.space, Role.QUERY, seen.query], self._rows[seen.space, Role.DOCUMENT, text])
        query, document = self._rows.get((other, Role.QUERY, seen.query)), self._rows.get((other, Role.DOCUMENT, text))
        if query is None or document is None:
            return None
        return min(abs(float(query @ mine[1]) - hit.score), abs(float(mine[0] @ document) - hit.score))

    def _spread(self, space: str, memory: Remembering, queries: Sequence[str]) -> float:
        """How far the score of any query with any text moves when the query is encoded alone, or by the application."""
        mine = [self._rows[space, Role.QUERY, query] for query in queries]
        alone = [_unit(memory.encoder.encode([query], Role.QUERY).matrix)[0] for query in queries]
        theirs = [self._ledger.asked[space][query][: memory.space.dimension] for query in queries]
        held = [row for (owner, role, _), row in self._rows.items() if (owner, role) == (space, Role.DOCUMENT)]
        if not queries or not held:
            return 0.0
        documents = np.stack(held)
        return max(float(np.abs((np.stack(mine) - np.stack(other)) @ documents.T).max()) for other in (alone, theirs))

    def _keep(self, space: str, role: Role, texts: Sequence[str], memory: Remembering) -> None:
        matrix = memory.recall(texts, role).of(memory.space, where="the check")
        self._rows.update(((space, role, text), row) for text, row in zip(texts, _unit(matrix), strict=True))


def survey(connection: psycopg.Connection[Any], final: Mapping[int, str | None], memory: Remembering) -> Survey:
    """Compare all rows and all served vectors with ``final``, the last writes; ``memory`` is of the Space that must be live."""
    register_vector(connection)
    bodies = dict(_read(connection, sql.SQL("SELECT id, body FROM {}").format(TABLE)))
    served = {
        key: (space, vector)
        for key, space, vector in _read(connection, sql.SQL("SELECT id, space, embedding FROM {}").format(VIEW))
    }
    lost = [
        *_strays("row without a vector", bodies.keys() - served.keys()),
        *_strays("vector without a row", served.keys() - bodies),
    ]
    lost += _strays("write that is not in the table", {key for key, text in final.items() if bodies.get(key) != text})
    lost += _strays("row nobody wrote", bodies.keys() - final.keys())
    keys = sorted(bodies.keys() & served.keys())
    likeness = _likeness(memory, [served[key][1] for key in keys], [bodies[key] for key in keys])
    bad = {key for key, cosine in zip(keys, likeness, strict=True) if cosine < FLOOR or served[key][0] != memory.space.id}
    stale = [*_strays("vector of another text or space", bad), *_anew(memory, [bodies[key] for key in keys])]
    least = float(min(likeness, default=0.0))
    return Survey(len(bodies), len(stale), len(lost), least, tuple([*stale, *lost][:10]))


def _likeness(memory: Remembering, stored: Sequence[Any], texts: Sequence[str]) -> list[float]:
    """Cosine of each stored vector with the vector of its row's present text; stored fences of zeros change nothing."""
    if not texts:
        return []
    wide = np.stack([np.asarray(vector.to_numpy() if hasattr(vector, "to_numpy") else vector, np.float32) for vector in stored])
    return [float(cosine) for cosine in cosines(Vectors(memory.space, wide), memory.recall(texts, Role.DOCUMENT))]


def _anew(memory: Remembering, texts: Sequence[str]) -> list[str]:
    """Rows of an even sample whose remembered vector is not what the encoder says when it is asked again."""
    sample = list(texts[:: max(1, len(texts) // ANEW)])
    if not sample:
        return []
    fresh = memory.encoder.encode(sample, Role.DOCUMENT)
    likeness = cosines(fresh, memory.recall(sample, Role.DOCUMENT))
    return [f"remembered vector that the encoder does not repeat ({cosine:.4f})" for cosine in likeness if cosine < FLOOR]


def _read(connection: psycopg.Connection[Any], query: sql.Composed) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def _strays(what: str, keys: Iterable[int]) -> list[str]:
    return [f"{what}: {key}" for key in sorted(keys)]


def _unit(matrix: NDArray[np.float32]) -> NDArray[np.float32]:
    lengths = np.linalg.norm(matrix, axis=1, keepdims=True)
    return np.asarray(matrix / np.where(lengths > 0, lengths, 1), dtype=np.float32)
