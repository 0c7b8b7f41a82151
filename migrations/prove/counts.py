"""Counts: as many vectors as records with a text, the owed ones apart."""

from __future__ import annotations

from transvase.core.verdict import Finding

from .scene import Scene


def counts(scene: Scene) -> Finding:
    """Vectors held against records; they may differ by no more than the keys that the same snapshot saw in the outbox."""
    c = scene.census
    detail = f"{c.held} vectors for {c.records} records with a text, {c.owed} keys owed"
    detail = "; ".join((detail, *c.remarks))
    return Finding("counts", float(c.held), float(c.records), abs(c.held - c.records) <= c.owed, detail)
