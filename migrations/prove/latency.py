"""Latency: how long a search of the target takes beside the same search of the source."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Final

from transvase.core.ports import Index
from transvase.core.space import Vectors
from transvase.core.verdict import Finding

from .scene import Scene, source_queries

TIMES: Final = 2.0
"""The target may take this many times as long as the source …"""

ALWAYS_MS: Final = 5.0
"""… or this long, below which no reader tells the two apart."""

_DEPTH: Final = 10


def latency(scene: Scene) -> Finding:
    """Medians of the same queries, searched in turn; reported and passed where the source cannot be searched by index."""
    if not scene.questions:
        return Finding("latency", 0.0, ALWAYS_MS, passed=True, detail="no row has a text: nothing can be searched")
    source = source_queries(scene)
    if source is None or not len(source):
        target = _milliseconds(scene.index, scene.queries)
        detail = f"median {_median(target):.2f} ms, p95 {_p95(target):.2f} ms; the source cannot be searched by index to compare"
        return Finding("latency", round(_median(target), 3), ALWAYS_MS, passed=True, detail=detail)
    before = _milliseconds(scene.store.index(scene.migration.alias, scene.source.name), source)
    target = _milliseconds(scene.index, scene.queries)
    most = max(TIMES * _median(before), ALWAYS_MS)
    detail = (
        f"median {_median(target):.2f} ms, p95 {_p95(target):.2f} ms; "
        f"the source: median {_median(before):.2f} ms, p95 {_p95(before):.2f} ms"
    )
    return Finding("latency", round(_median(target), 3), round(most, 3), _median(target) <= most, detail)


def _milliseconds(index: Index, queries: Vectors) -> list[float]:
    """Time of each search, after one round that brings the pages in."""
    for row in range(len(queries)):
        index.search(queries.take([row]), _DEPTH)
    times = []
    for row in range(len(queries)):
        query = queries.take([row])
        started = time.perf_counter()
        index.search(query, _DEPTH)
        times.append((time.perf_counter() - started) * 1000)
    return times


def _median(times: Sequence[float]) -> float:
    return statistics.median(times)


def _p95(times: Sequence[float]) -> float:
    return sorted(times)[int(0.95 * (len(times) - 1))]
