"""Likeness: beside its vectors the target has what one that was made now would have, so that no reader or writer misses it.

What can be given to a target that is there has been given to it; what is left is a setting, a property or a tenant that the
application changed since, and would meet after the switch as a refusal or as other answers.
"""

from __future__ import annotations

from transvase.core.ports import Store
from transvase.core.verdict import Finding

from .scene import Scene


def likeness(scene: Scene) -> Finding:
    """Nothing differs that is not judged by another check."""
    return compared(scene.store, scene.migration.alias, scene.target.name)


def compared(store: Store, alias: str, index: str) -> Finding:
    """The finding about one index: also what ``cutover`` looks at again."""
    found = store.liken(alias, index)
    count = len(found.differences)
    detail = "; ".join((f"{count} differences from what would be made for the live side now", *found.differences))
    if found.differences:
        detail += ". Change it on one of the two sides, or abort and open anew"
    if found.remarks:
        detail += f" (not counted: {'; '.join(found.remarks)})"
    return Finding("likeness", float(count), 0.0, count == 0, detail)
