"""Rows whose vector is not that of their text, looked at again before they are accused: somebody may be writing them just now."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from transvase.core.ports import Store
from transvase.core.record import Key, Record

_LOOKS: Final = 4
_PAUSE_S: Final = 0.25

Differing = Callable[[Sequence[Record]], Sequence[Key]]
"""Which of these records, as they were read, differ from what is stored for their keys."""


def convicted(
    store: Store,
    alias: str,
    suspects: Sequence[Key],
    *,
    differing: Differing,
    meanwhile: Callable[[], object] | None = None,
    unseen: Callable[[Sequence[Key]], set[Key]] | None = None,
) -> list[Key]:
    """Those of the suspects that are wrong. One that was edited meanwhile is read again, and excused while it is owed or written.

    ``meanwhile`` is done between two looks: whoever has a worker lets it pay. ``unseen`` leaves owed, and gives, those that were
    written past the capture meanwhile: they are looked at again. What is wrong in the last look has no excuse.
    """
    wrong: list[Key] = []
    for look in range(_LOOKS):
        if not suspects:
            break
        sure, suspects = _look(store, alias, suspects, differing=differing)
        late = unseen(sure) if unseen is not None and sure and look < _LOOKS - 1 else set()
        wrong += [key for key in sure if key not in late]
        suspects = [*suspects, *late]
        if suspects:
            if meanwhile is not None:
                meanwhile()
            time.sleep(_PAUSE_S)
    return wrong


def _look(store: Store, alias: str, suspects: Sequence[Key], *, differing: Differing) -> tuple[list[Key], list[Key]]:
    """Of these rows: those that are wrong, and those of which nobody can say yet.

    The order of the reads decides: text, outbox, vector, text again. A row that was settled before its vector was read, and
    whose text is the same afterwards, has no excuse; asked the other way round, a payment in between would accuse it.
    """
    before = _with_text(store, alias, suspects)
    unsettled = store.outbox(alias).unsettled([record.key for record in before])
    bad = differing(before)
    after = {record.key: record.digest for record in _with_text(store, alias, bad)}
    same = {record.key for record in before if after.get(record.key) == record.digest}
    wrong = [key for key in bad if key in same and key not in unsettled]
    return wrong, [key for key in bad if key in after and key not in wrong]


def _with_text(store: Store, alias: str, keys: Sequence[Key]) -> list[Record]:
    """Those rows as they are now; a row that is gone or has no text owes no vector."""
    return [record for record in store.corpus(alias).read(keys) if record.text is not None]
