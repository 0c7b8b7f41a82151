"""Outbox: everything that was owed when the proof began has been paid.

Under writers that never pause, the outbox is never seen empty; that it is being paid is what can be proven. Whether it
is empty at the switch is the cutover's own condition.
"""

from __future__ import annotations

from transvase.core.record import named
from transvase.core.verdict import Finding

from .scene import PAY_S, Scene


def outbox(scene: Scene) -> Finding:
    """Nothing that was owed at the beginning still is."""
    now = scene.store.outbox(scene.migration.alias).owed()
    detail = f"{scene.unpaid} of the keys owed when the proof began were not paid within {PAY_S:.0f} s; {now} are owed now"
    why = scene.store.blind(scene.migration.alias)
    if why is not None and scene.source.site != scene.target.site:
        detail += f"; {why}, so both sides were compared, which found {scene.unseen} rows"
    if scene.worker.poisoned:
        shown = named(scene.worker.poisoned[:5])
        detail += f"; the encoder cannot take the texts of {shown}"
    return Finding("outbox", float(scene.unpaid), 0.0, scene.unpaid == 0, detail)
