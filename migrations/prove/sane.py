"""Sane: every vector of the target is finite, not zero and as wide as declared."""

from __future__ import annotations

from transvase.core.verdict import Finding

from .scene import Scene


def sane(scene: Scene) -> Finding:
    """Counted over all rows: a cosine index leaves a zero vector out, and no comparison with a broken one means anything."""
    c = scene.census
    detail = f"{c.zero} of length zero, {c.broken} not finite or not {scene.target.width} wide, among {c.held} vectors"
    return Finding("sane", float(c.zero + c.broken), 0.0, c.zero + c.broken == 0, detail)
