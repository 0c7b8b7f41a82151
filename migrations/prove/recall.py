"""Recall: the target's approximate index against exact search, at the settings that readers are served with."""

from __future__ import annotations

from typing import Final

from transvase.core.ports import Answer, Index
from transvase.core.space import Vectors
from transvase.core.verdict import Finding

from .scene import Scene, source_queries

DEPTH: Final = 10
LEAST: Final = 0.95
SLACK: Final = 0.02
"""How far below the source's own recall the target may lie: what 640 neighbours can tell apart."""
_TIE: Final = 1e-6
"""Scores closer than this are ties: any of the tied records is as good an answer as the other."""


def recall(scene: Scene) -> Finding:
    """Mean recall@10 over the queries, a hit counted by its score and not by its key."""
    shares = _shares(scene, scene.index, scene.queries)
    if not shares:
        return Finding("recall", 1.0, LEAST, passed=True, detail="no row has a text: nothing can be searched")
    mean = sum(shares) / len(shares)
    detail = f"recall@{DEPTH} of {len(shares)} queries against exact search: mean {mean:.4f}, lowest {min(shares):.2f}"
    if mean >= LEAST:
        return Finding("recall", round(mean, 6), LEAST, passed=True, detail=detail)
    bound, said = _bound(scene)
    return Finding("recall", round(mean, 6), round(bound, 6), mean >= bound, detail + said)


def _bound(scene: Scene) -> tuple[float, str]:
    """What must be reached after all: where the source's own index finds less than LEAST, readers live with that today."""
    queries = source_queries(scene)
    if queries is None:
        return LEAST, ""
    source = _shares(scene, scene.store.index(scene.migration.alias, scene.source.name), queries)
    served = sum(source) / len(source)
    return min(LEAST, served - SLACK), f"; the source's index reaches {served:.4f}"


def _shares(scene: Scene, index: Index, queries: Vectors) -> list[float]:
    if not len(queries):
        return []
    scene.progress("searching exactly", 0, len(queries))
    shares = []
    for row, exact in enumerate(index.nearest(queries, DEPTH)):
        shares.append(_share(index.search(queries.take([row]), DEPTH), exact))
        scene.progress("measuring recall", row + 1, len(queries))
    return shares


def _share(found: Answer, exact: Answer) -> float:
    if not exact.hits:
        return 1.0
    last = exact.hits[-1].score - _TIE
    return min(sum(hit.score >= last for hit in found.hits), len(exact.hits)) / len(exact.hits)
