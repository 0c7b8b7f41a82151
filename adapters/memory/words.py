"""Words beside the vectors in memory: BM25 over all texts as they are, fused with the nearest by the rule of every store."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from transvase.core.hybrid import depth
from transvase.core.record import Key

if TYPE_CHECKING:
    from transvase.core.evaluation.fusion import Hits
    from transvase.core.evaluation.lexical import Lexical


@dataclass(slots=True)
class Words:
    """The index over the texts, made anew when a search finds them changed."""

    _texts: list[str] = field(default_factory=list)
    _index: Lexical | None = None

    def fused(
        self, texts: Mapping[Key, str], near: Sequence[tuple[Key, float]], hybrid: tuple[str, float], *, k: int, fit: set[Key]
    ) -> list[tuple[Key, float]]:
        """The ``k`` best keys with what they got of both lists; ``near`` is best first, and the words find ``fit`` ones only."""
        from transvase.core.evaluation.fusion import Fusion, fused

        text, lexical = hybrid
        keys = sorted({*texts, *fit})
        place = {key: at for at, key in enumerate(keys)}
        worded = [(key, score) for key, score in self._found(texts, text) if key in fit]
        lists = [_hits([(place[key], score) for key, score in some[: depth(k)]]) for some in (worded, near)]
        rows, scores = fused(lists[0], lists[1], by=Fusion(lexical=lexical), k=k)
        return [(keys[row], score) for row, score in zip(rows[0].tolist(), scores[0].tolist(), strict=True) if row >= 0]

    def _found(self, texts: Mapping[Key, str], text: str) -> list[tuple[Key, float]]:
        if not texts:
            return []
        keys, bodies = sorted(texts), [texts[key] for key in sorted(texts)]
        if self._index is None or bodies != self._texts:
            from transvase.core.evaluation.lexical import Lexical

            self._index, self._texts = Lexical(bodies), bodies
        rows, scores = self._index.nearest([text], k=len(bodies))
        return [(keys[row], score) for row, score in zip(rows[0].tolist(), scores[0].tolist(), strict=True) if row >= 0]


def _hits(found: Sequence[tuple[int, float]]) -> Hits:
    """A list as the fusion takes it: rows and scores of one query."""
    rows = np.array([[row for row, _ in found]], dtype=np.intp)
    return rows, np.array([[score for _, score in found]], dtype=np.float32)
