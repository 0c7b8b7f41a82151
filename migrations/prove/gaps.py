"""Gaps: rows without a vector, vectors without a row, vectors of a text that has changed. An anti-join over all rows."""

from __future__ import annotations

from transvase.core.ports import Census
from transvase.core.record import named
from transvase.core.verdict import Finding

from .scene import Scene


def gaps(scene: Scene) -> Finding:
    """None of the three, over all rows; what stands in the outbox of the same snapshot is owed and not lost."""
    return judged(scene.census)


def judged(census: Census) -> Finding:
    """The finding about one census: also what ``cutover`` looks at again."""
    lost = census.missing + census.orphaned + census.stale
    detail = f"{census.missing} missing, {census.orphaned} orphaned, {census.stale} stale among {census.records} records"
    if lost and census.examples:
        detail += "; for example " + named(census.examples)
    return Finding("gaps", float(lost), 0.0, lost == 0, detail)
