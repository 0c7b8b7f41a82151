"""The loop of a fill, whatever its vectors are made of: reading, making and writing overlap, and a crash costs the last batch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from transvase.core.errors import StoreFailed
from transvase.core.ports import Index, Place, Progress, Store
from transvase.core.record import Key, Record
from transvase.core.space import Vectors

from .pipeline import overlap
from .throttle import Patience, Throttle

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
    """Pour from the index' place to the end of the table, one batch after another; the figures of this run.

    What fails for a reason that may pass is made again, reading and writing each from where it stood.
    """
    place = index.place()
    if place.finished:
        return {"rows": place.done, "rows_this_run": 0}
    throttle = Throttle(store, alias, progress=progress)
    total, started, stop = throttle.through(store.corpus(alias).count), time.monotonic(), threading.Event()
    store.journal.note(alias, BEGUN, {"done": place.done, "epoch_s": round(time.time(), 3)})
    reached, waited, left, bare = place.done, 0.0, 0, 0
    reading, writing = (throttle.patience(lambda: (reached, max(total, reached)), stop=stop) for _ in range(2))

    def work(batch: Batch) -> tuple[Batch, Vectors]:
        nonlocal waited
        waited += throttle.wait(reached, total, stop=stop)
        return batch, vectors(batch)

    def write(item: tuple[Batch, Vectors]) -> None:
        nonlocal reached, left, bare
        batch, made = item
        # A batch may be half written when that fails: written again, nothing changes.
        writing.through(lambda: index.fill(batch.records, made, place=batch.place, lacking=batch.lacking, bare=batch.bare))
        reached, left, bare = batch.place.done, left + len(batch.lacking), bare + len(batch.bare)
        progress("filling", reached, max(total, reached))

    overlap(_resumed(batches, place, reading), work, write, stop=stop)
    seconds, waited = time.monotonic() - started, waited + writing.waited_s
    passed = reached - place.done
    rate = round(passed / max(seconds - waited, 1e-9), 1)
    figures: dict[str, object] = {"rows": reached, "rows_this_run": passed, "rows_per_s": rate, "waited_s": round(waited, 1)}
    return figures | {name: count for name, count in (("left_owed", left), ("without_text", bare)) if count}


def _resumed(batches: Callable[[Place], Iterable[Batch]], at: Place, reading: Patience) -> Iterator[Batch]:
    """The batches from a place on; where reading fails and may be tried again, those after the last one that was read."""
    while True:
        try:
            for batch in batches(at):
                reading.over()
                yield batch
                at = batch.place
        except StoreFailed as error:
            reading.after(error)
        else:
            return
