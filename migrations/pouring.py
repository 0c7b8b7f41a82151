"""The loop of a fill, whatever its vectors are made of: reading, making and writing overlap, and a crash costs the last batch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Final

from transvase.core.errors import StoreFailed
from transvase.core.ports import Index, Place, Progress, Store
from transvase.core.record import Key, Record
from transvase.core.space import Vectors

from .pipeline import overlap
from .throttle import Throttle

BEGUN: Final = "fill begins"
"""The line of the audit log from which ``status`` takes the rate of the run."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Records with a text that are written at once, the place they lead to, and the keys whose vector is paid for later."""

    records: tuple[Record, ...]
    place: Place
    lacking: tuple[Key, ...] = ()
    held: Vectors | None = None
    """The vectors that another index holds for the records, where the new ones are made of those."""
    bare: tuple[Record, ...] = ()
    """Records without a text: no vector is made of them, and where whole things move they do so too."""


def pour(
    store: Store,
    alias: str,
    index: Index,
    *,
    batches: Callable[[Place], Iterable[Batch]],
    vectors: Callable[[Batch], Vectors],
    progress: Progress,
) -> dict[str, object]:
    """Pour from the index' place to the end of the table, one batch after another; the figures of this run."""
    place = index.place()
    if place.finished:
        return {"rows": place.done, "rows_this_run": 0}
    total, started, stop = store.corpus(alias).count(), time.monotonic(), threading.Event()
    store.journal.note(alias, BEGUN, {"done": place.done, "epoch_s": round(time.time(), 3)})
    throttle = Throttle(store, alias, progress=progress)
    reached, waited, left = place.done, 0.0, 0

    def work(batch: Batch) -> tuple[Batch, Vectors]:
        nonlocal waited
        waited += throttle.wait(reached, total, stop=stop)
        return batch, vectors(batch)

    def write(item: tuple[Batch, Vectors]) -> None:
        nonlocal reached, left
        batch, made = item
        while True:
            try:
                index.fill(batch.records, made, place=batch.place, lacking=batch.lacking, bare=batch.bare)
                break
            except StoreFailed as error:  # a batch may be half written: written again, nothing changes
                throttle.after(error, reached, max(total, reached), stop=stop)
        reached, left = batch.place.done, left + len(batch.lacking)
        progress("filling", reached, max(total, reached))

    overlap(batches(place), work, write, stop=stop)
    seconds = time.monotonic() - started
    passed = reached - place.done
    rate = round(passed / max(seconds - waited, 1e-9), 1)
    figures: dict[str, object] = {"rows": reached, "rows_this_run": passed, "rows_per_s": rate, "waited_s": round(waited, 1)}
    return {**figures, "left_owed": left} if left else figures
