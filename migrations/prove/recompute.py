"""Recompute: a random sample is read from the source now, encoded again and compared with what the target holds.

Counts say that vectors are there; only this says that they are the right ones: it sees a wrong prompt, a wrong pooling,
a text that slipped past the capture.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final

from transvase.core.record import Key, Record
from transvase.core.verdict import Finding

from ..agreement import compare
from ..bound import at_most
from .scene import Scene

_LOOKS: Final = 4
_PAUSE_S: Final = 0.25


def recompute(scene: Scene) -> Finding:
    """No sampled row differs. A row that was edited meanwhile is read again, and excused only while it is in the outbox."""
    scene.progress("encoding a sample again", 0, len(scene.sample))
    bad, lowest = _differing(scene, scene.sample)
    seen = {record.key: record.digest for record in scene.sample}
    for _ in range(_LOOKS):
        now = _with_text(scene, bad)
        bad = [record.key for record in now]
        if not _moving(scene, now, seen):
            break
        seen = {record.key: record.digest for record in now}
        scene.worker.pay_once()
        time.sleep(_PAUSE_S)
        bad, lowest = _differing(scene, now, lowest=lowest)
    owed = _owed(scene) if bad else set()
    wrong = [key for key in bad if key not in owed]
    share = at_most(len(wrong), len(scene.sample))
    detail = (
        f"{len(wrong)} of {len(scene.sample)} rows differ (the others agree to {lowest:.5f}): "
        f"at most {share:.2%} of all rows are wrong (95 % confidence)"
    )
    if wrong:
        detail += "; for example " + ", ".join("(" + ", ".join(map(str, key)) + ")" for key in wrong[:5])
    return Finding("recompute", float(len(wrong)), 0.0, not wrong, detail)


def _differing(scene: Scene, records: Sequence[Record], *, lowest: float = 1.0) -> tuple[list[Key], float]:
    """Keys whose vector is absent, zero or not that of the text that was read; and the lowest cosine of those that agree."""
    seen = compare(scene.index, records, scene.encoder)
    agreeing = seen.cosines[seen.agrees]
    return [*seen.foreign, *seen.absent, *seen.zero, *seen.refused], min([lowest, *agreeing.tolist()])


def _moving(scene: Scene, now: Sequence[Record], seen: Mapping[Key, bytes | None]) -> bool:
    """True while a differing row may differ only because it was edited: its text is another, or it is still owed."""
    if any(record.digest != seen[record.key] for record in now):
        return True
    return bool(now) and not _owed(scene).isdisjoint(record.key for record in now)


def _owed(scene: Scene) -> set[Key]:
    outbox = scene.store.outbox(scene.migration.alias)
    return {debt.key for debt in outbox.read(limit=outbox.owed() + 1)}


def _with_text(scene: Scene, keys: Sequence[Key]) -> list[Record]:
    """Those rows as they are now; a row that is gone or has no text owes no vector."""
    return [record for record in scene.store.corpus(scene.migration.alias).read(keys) if record.text is not None]
