"""Recall: the target's approximate index against exact search, at the settings that readers are served with."""

from __future__ import annotations

from typing import Final

from transvase.core.ports import Answer, Index
from transvase.core.space import Vectors
from transvase.core.verdict import Finding

from .scene import Scene, source_queries, spread

DEPTH: Final = 10
LEAST: Final = 0.95
SLACK: Final = 0.02
"""How far below the source's own recall the target may lie: what 640 neighbours can tell apart."""
_TIE: Final = 1e-6
"""Scores closer than this are ties: any of the tied records is as good an answer as the other."""


def recall(scene: Scene) -> Finding:
    """Mean recall@10 over the queries, a hit counted by its score and not by its key; in each tenant where there are any."""
    shares, within = _shares(scene, scene.index, scene.queries)
    if not shares:
        detail = "nothing can be searched: no row has a text, or whatever has one sleeps"
        return Finding("recall", 1.0, LEAST, passed=True, detail=detail)
    mean = sum(shares) / len(shares)
    detail = f"recall@{DEPTH} of {len(shares)} queries against exact search{within}: mean {mean:.4f}, lowest {min(shares):.2f}"
    if mean >= LEAST:
        return Finding("recall", round(mean, 6), LEAST, passed=True, detail=detail)
    bound, said = _bound(scene)
    return Finding("recall", round(mean, 6), round(bound, 6), mean >= bound, detail + said)


def _bound(scene: Scene) -> tuple[float, str]:
    """What must be reached after all: where the source's own index finds less than LEAST, readers live with that today."""
    queries = source_queries(scene)
    if queries is None:
        return LEAST, ""
    source, _ = _shares(scene, scene.store.index(scene.migration.alias, scene.source.name), queries)
    if not source:
        return LEAST, ""
    served = sum(source) / len(source)
    return min(LEAST, served - SLACK), f"; the source's index reaches {served:.4f}"


def _shares(scene: Scene, index: Index, queries: Vectors) -> tuple[list[float], str]:
    """The share of each search, and where they searched, in words; a part that holds nothing has no share."""
    scene.progress("searching exactly", 0, len(queries))
    parts, shares, searched = index.parts(), list[float](), 0
    for part, rows in spread(parts, len(queries)).values():
        some = queries.take(rows)
        found = []
        for row, exact in enumerate(index.nearest(some, DEPTH, where=part)):
            if exact.hits:
                found.append(_share(index.search(some.take([row]), DEPTH, where=part), exact))
        searched += bool(found)
        shares += found
        scene.progress("measuring recall", len(shares), max(len(shares), len(queries)))
    return shares, "" if parts == ({},) else f" within {searched} of {len(parts)} tenants that are awake"


def _share(found: Answer, exact: Answer) -> float:
    if not exact.hits:
        return 1.0
    last = exact.hits[-1].score - _TIE
    return min(sum(hit.score >= last for hit in found.hits), len(exact.hits)) / len(exact.hits)
