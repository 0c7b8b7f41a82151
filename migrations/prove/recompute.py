"""Recompute: a random sample is read from the source now, encoded again and compared with what the target holds.

Counts say that vectors are there; only this says that they are the right ones: it sees a wrong prompt, a wrong pooling,
a text that slipped past the capture.
"""

from __future__ import annotations

from collections.abc import Sequence

from transvase.core.record import Key, Record, named
from transvase.core.verdict import Finding

from ..agreement import compare
from ..bound import at_most
from ..suspects import convicted
from .scene import Scene


def recompute(scene: Scene) -> Finding:
    """No sampled row differs. A row that was edited meanwhile is read again, and excused only while it is owed or written.

    One that was written unseen meanwhile is owed and paid first, and has no other excuse after that.
    """
    scene.progress("encoding a sample again", 0, len(scene.sample))
    lowest = 1.0

    def differing(records: Sequence[Record]) -> list[Key]:
        """Keys whose vector is absent, zero or not that of the text that was read."""
        nonlocal lowest
        seen = compare(scene.index, records, scene.encoder)
        lowest = min([lowest, *seen.cosines[seen.agrees].tolist()])
        return [*seen.foreign, *seen.absent, *seen.zero, *seen.refused]

    suspects = differing(scene.sample)
    alias, pay = scene.migration.alias, scene.worker.pay_once
    wrong = convicted(scene.store, alias, suspects, differing=differing, meanwhile=pay, unseen=scene.index.unseen)
    share = at_most(len(wrong), len(scene.sample))
    detail = (
        f"{len(wrong)} of {len(scene.sample)} rows differ (the others agree to {lowest:.5f}): "
        f"at most {share:.2%} of all rows are wrong (95 % confidence)"
    )
    if wrong:
        detail += "; for example " + named(wrong[:5])
    return Finding("recompute", float(len(wrong)), 0.0, not wrong, detail)
