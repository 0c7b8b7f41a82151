"""Recompute: a random sample is read from the source now, encoded again and compared with what the target holds.

Counts say that vectors are there; only this says that they are the right ones: it sees a wrong prompt, a wrong pooling,
a text that slipped past the capture.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

from transvase.core.record import Key, Record
from transvase.core.verdict import Finding

from ..agreement import compare
from ..bound import at_most
from .scene import Scene

_LOOKS: Final = 4
_PAUSE_S: Final = 0.25


def recompute(scene: Scene) -> Finding:
    """No sampled row differs. A row that was edited meanwhile is read again, and excused only while it is owed or written."""
    scene.progress("encoding a sample again", 0, len(scene.sample))
    suspects, lowest = _differing(scene, scene.sample)
    wrong: list[Key] = []
    for _ in range(_LOOKS):
        if not suspects:
            break
        settled, suspects, lowest = _look(scene, suspects, lowest=lowest)
        wrong += settled
        if suspects:
            scene.worker.pay_once()
            time.sleep(_PAUSE_S)
    share = at_most(len(wrong), len(scene.sample))
    detail = (
        f"{len(wrong)} of {len(scene.sample)} rows differ (the others agree to {lowest:.5f}): "
        f"at most {share:.2%} of all rows are wrong (95 % confidence)"
    )
    if wrong:
        detail += "; for example " + ", ".join("(" + ", ".join(map(str, key)) + ")" for key in wrong[:5])
    return Finding("recompute", float(len(wrong)), 0.0, not wrong, detail)


def _look(scene: Scene, suspects: Sequence[Key], *, lowest: float) -> tuple[list[Key], list[Key], float]:
    """Of these rows: those that are wrong, those of which nobody can say yet, and the lowest cosine so far.

    The order of the reads decides: text, outbox, vector, text again. A row that was settled before its vector was read, and
    whose text is the same afterwards, has no excuse; asked the other way round, a payment in between would accuse it.
    """
    before = _with_text(scene, suspects)
    unsettled = scene.store.outbox(scene.migration.alias).unsettled([record.key for record in before])
    bad, lowest = _differing(scene, before, lowest=lowest)
    after = {record.key: record.digest for record in _with_text(scene, bad)}
    same = {record.key for record in before if after.get(record.key) == record.digest}
    wrong = [key for key in bad if key in same and key not in unsettled]
    return wrong, [key for key in bad if key in after and key not in wrong], lowest


def _differing(scene: Scene, records: Sequence[Record], *, lowest: float = 1.0) -> tuple[list[Key], float]:
    """Keys whose vector is absent, zero or not that of the text that was read; and the lowest cosine of those that agree."""
    seen = compare(scene.index, records, scene.encoder)
    agreeing = seen.cosines[seen.agrees]
    return [*seen.foreign, *seen.absent, *seen.zero, *seen.refused], min([lowest, *agreeing.tolist()])


def _with_text(scene: Scene, keys: Sequence[Key]) -> list[Record]:
    """Those rows as they are now; a row that is gone or has no text owes no vector."""
    return [record for record in scene.store.corpus(scene.migration.alias).read(keys) if record.text is not None]
