"""Latency: how long a search of the target takes beside the same search of the source."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Final

from transvase.core.verdict import Finding

from ..parts import Choice, called, chosen
from .scene import Beside, Scene

TIMES: Final = 2.0
"""The target may take this many times as long as the source …"""

ALWAYS_MS: Final = 5.0
"""… or this long, below which no reader tells the two apart."""

_DEPTH: Final = 10

Times = list[list[float]]
"""Milliseconds of each search, by part."""


def latency(scene: Scene) -> Finding:
    """Medians of the same queries, searched in turn; where a search is within a tenant, the slowest one is named.

    Reported and passed where the source cannot be searched by index, and where both are one index: beside itself nothing is slow.
    Passed, as recall is, where nothing can be searched: the detail says so, and why.
    """
    if not scene.questions:
        return _nothing("no row has a text: nothing can be searched")
    one = scene.source.site == scene.target.site
    source, target = None if one else scene.beside, (scene.index, scene.queries)
    sides = [target] if source is None else [source, target]
    choice = chosen(*(index for index, _ in sides), seed=scene.seed)
    if not choice.parts:
        return _nothing("nothing was searched: there is no tenant" + (" on both sides" if source is not None else ""))
    with choice.opened(*(index for index, _ in sides)):
        times = _in_turn(sides, choice)
    mine, slowest = _all(times[-1]), _slowest(choice, times[-1])
    detail = f"median {_median(mine):.2f} ms, p95 {_p95(mine):.2f} ms"
    if source is None:
        why = "it is the very index of the source" if one else "the source cannot be searched by index to compare"
        said = f"{detail}; {why}{_where(choice)}{slowest}"
        return Finding("latency", round(_median(mine), 3), ALWAYS_MS, passed=True, detail=said)
    theirs = _all(times[0])
    most = max(TIMES * _median(theirs), ALWAYS_MS)
    said = f"{detail}; the source: median {_median(theirs):.2f} ms, p95 {_p95(theirs):.2f} ms{_where(choice)}{slowest}"
    return Finding("latency", round(_median(mine), 3), round(most, 3), _median(mine) <= most, said)


def _nothing(why: str) -> Finding:
    return Finding("latency", 0.0, ALWAYS_MS, passed=True, detail=why)


def _in_turn(sides: Sequence[Beside], choice: Choice) -> list[Times]:
    """Times of each side, searched in turn, so that what else the machine does is felt by all alike.

    A round before brings the pages in, and each part is searched as often on every side.
    """
    times: list[Times] = [[[] for _ in choice.parts] for _ in sides]
    count = min(len(queries) for _, queries in sides)
    turns = [(number, row) for number in range(len(choice.parts)) for row in choice.rows(number, count)]
    for timed in (False, True):
        for number, row in turns:
            for (index, queries), mine in zip(sides, times, strict=True):
                started = time.perf_counter()
                index.search(queries.take([row]), _DEPTH, where=choice.parts[number])
                if timed:
                    mine[number].append((time.perf_counter() - started) * 1000)
    return times


def _where(choice: Choice) -> str:
    return f"; searched{choice.said}" if choice.divided else ""


def _slowest(choice: Choice, times: Times) -> str:
    if not choice.divided:
        return ""
    median, number = max((_median(some), number) for number, some in enumerate(times))
    return f"; the slowest tenant is {called(choice.parts[number])} with a median of {median:.2f} ms"


def _all(times: Times) -> list[float]:
    return [one for some in times for one in some]


def _median(times: Sequence[float]) -> float:
    return statistics.median(times)


def _p95(times: Sequence[float]) -> float:
    return sorted(times)[int(0.95 * (len(times) - 1))]
