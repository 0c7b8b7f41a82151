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
    """Medians of the same queries, searched in turn.

    Reported and passed where the source cannot be searched by index, and where both are one index: beside itself nothing is slow.
    Passed, as recall is, where nothing can be searched: the detail says so, and why.
    """
    if not scene.questions:
        return _nothing("no row has a text: nothing can be searched")
    one = scene.source.site == scene.target.site
    source = None if one else source_queries(scene)
    if source is None or not len(source):
        (target,) = _in_turn((scene.index, scene.queries))
        if not target:
            return _nothing("nothing was searched: no tenant is awake")
        why = "it is the very index of the source" if one else "the source cannot be searched by index to compare"
        detail = f"median {_median(target):.2f} ms, p95 {_p95(target):.2f} ms; {why}"
        return Finding("latency", round(_median(target), 3), ALWAYS_MS, passed=True, detail=detail)
    beside = scene.store.index(scene.migration.alias, scene.source.name)
    before, target = _in_turn((beside, source), (scene.index, scene.queries))
    if not target:
        return _nothing("nothing was searched: no tenant is awake on both sides")
    most = max(TIMES * _median(before), ALWAYS_MS)
    detail = (
        f"median {_median(target):.2f} ms, p95 {_p95(target):.2f} ms; "
        f"the source: median {_median(before):.2f} ms, p95 {_p95(before):.2f} ms"
    )
    return Finding("latency", round(_median(target), 3), round(most, 3), _median(target) <= most, detail)


def _nothing(why: str) -> Finding:
    return Finding("latency", 0.0, ALWAYS_MS, passed=True, detail=why)


def _in_turn(*sides: tuple[Index, Vectors]) -> tuple[list[float], ...]:
    """Time of each search, one of each side in turn, so that what else the machine does is felt by all alike.

    A round before brings the pages in. Where a search is within a tenant, they are taken in turn, the same for each side.
    """
    times: tuple[list[float], ...] = tuple([] for _ in sides)
    others = [index.parts() for index, _ in sides[1:]]
    parts = [part for part in sides[0][0].parts() if all(part in some for some in others)]
    for timed in (False, True):
        for row in range(max(len(queries) for _, queries in sides) if parts else 0):
            for (index, queries), mine in zip(sides, times, strict=True):
                if row < len(queries):
                    started = time.perf_counter()
                    index.search(queries.take([row]), _DEPTH, where=parts[row % len(parts)])
                    if timed:
                        mine.append((time.perf_counter() - started) * 1000)
    return times


def _median(times: Sequence[float]) -> float:
    return statistics.median(times)


def _p95(times: Sequence[float]) -> float:
    return sorted(times)[int(0.95 * (len(times) - 1))]
