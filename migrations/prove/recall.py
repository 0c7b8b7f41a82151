"""Recall: the target's approximate index against exact search, at the settings that readers are served with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from transvase.core.ports import Answer, Index
from transvase.core.space import Vectors
from transvase.core.verdict import Finding

from ..parts import Choice, Part, called, chosen
from .scene import Beside, Scene

DEPTH: Final = 10
LEAST: Final = 0.95
WITHIN: Final = 0.90
"""What each tenant has to reach by itself: of a hundred sound ones the worst lies a little below LEAST by chance alone."""
DOUBTED: Final = 10
"""Tenants below WITHIN by their few queries that are measured again with all of them, the worst first."""
SLACK: Final = 0.02
"""How far below the source's own recall the target may lie: what 640 neighbours can tell apart."""
_TIE: Final = 1e-6
"""Scores closer than this are ties: any of the tied records is as good an answer as the other."""


def recall(scene: Scene) -> Finding:
    """Mean recall@10 over the queries, a hit counted by its score and not by its key; in each tenant where there are any."""
    source = scene.beside
    choice = chosen(scene.index, *([source[0]] if source is not None else []), seed=scene.seed)
    with choice.opened(scene.index):
        shares = _measured(scene, scene.index, scene.queries, choice)
        every = [share for some in shares for share in some]
        if not every:
            return Finding("recall", 1.0, LEAST, passed=True, detail="nothing can be searched: no row has a text")
        mean, lowest, worst = _mean(every), min(every), _worst(scene, choice, shares)
    detail = f"recall@{DEPTH} of {len(every)} queries against exact search{choice.said}: mean {mean:.4f}, lowest {lowest:.2f}"
    if worst is not None:
        detail += f"; the worst tenant is {called(worst[0])} with {worst[1]:.4f}"
    bound, said = (LEAST, "") if mean >= LEAST else _bound(scene, source, choice, least=LEAST)
    if mean < bound or worst is None or worst[1] >= WITHIN:
        return Finding("recall", round(mean, 6), round(bound, 6), mean >= bound, detail + said)
    alone = replace(choice, parts=(worst[0],), woken=1)  # whether it sleeps or not: one that is awake is opened at no cost
    bound, said = _bound(scene, source, alone, least=WITHIN)
    return Finding("recall", round(worst[1], 6), round(bound, 6), worst[1] >= bound, detail + said)


def _worst(scene: Scene, choice: Choice, shares: Sequence[Sequence[float]]) -> tuple[Part, float] | None:
    """The tenant with the lowest mean; those that seem bad by a few queries are looked at with all of them first."""
    if not choice.divided:
        return None
    means = {number: _mean(some) for number, some in enumerate(shares) if some}
    doubted = sorted((mean, number) for number, mean in means.items() if mean < WITHIN)[:DOUBTED]
    for _, number in doubted:
        again = _within(scene.index, scene.queries, choice.parts[number], list(range(len(scene.queries))))
        means[number] = _mean(again or [1.0])
    number = min(means, key=means.__getitem__)
    return choice.parts[number], means[number]


def _bound(scene: Scene, source: Beside | None, choice: Choice, *, least: float) -> tuple[float, str]:
    """What must be reached after all: where the source's own index finds less than that, readers live with it today."""
    if source is None:
        return least, ""
    index, queries = source
    with choice.opened(index):
        shares = [share for some in _measured(scene, index, queries, choice) for share in some]
    if not shares:
        return least, ""
    served = _mean(shares)
    return min(least, served - SLACK), f"; the source's index reaches {served:.4f}"


def _measured(scene: Scene, index: Index, queries: Vectors, choice: Choice) -> list[list[float]]:
    """The share of each search, by part; a part that holds nothing has none."""
    if not len(queries):
        return []
    scene.progress("searching exactly", 0, len(choice.parts))
    found = []
    for number, part in enumerate(choice.parts):
        found.append(_within(index, queries, part, choice.rows(number, len(queries))))
        scene.progress("measuring recall", number + 1, len(choice.parts))
    return found


def _within(index: Index, queries: Vectors, part: Part, rows: list[int]) -> list[float]:
    some = queries.take(rows)
    exact = index.nearest(some, DEPTH, where=part)
    return [_share(index.search(some.take([row]), DEPTH, where=part), wanted) for row, wanted in enumerate(exact) if wanted.hits]


def _mean(shares: Sequence[float]) -> float:
    return sum(shares) / len(shares)


def _share(found: Answer, exact: Answer) -> float:
    if not exact.hits:
        return 1.0
    last = exact.hits[-1].score - _TIE
    return min(sum(hit.score >= last for hit in found.hits), len(exact.hits)) / len(exact.hits)
