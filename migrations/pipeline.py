"""Three steps at once: one thread reads, the calling thread works, one thread writes, with short queues in between.

What is in flight is bounded by the depth of the queues, whatever the length of the source; the first failure anywhere
stops all three and is raised in the calling thread.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Final, Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")

_LOOK_S: Final = 0.1
"""How soon a thread that waits on a queue notices that another one has failed."""


class Belt(Generic[A]):
    """A short queue between two threads that lets go of both when ``stop`` is set."""

    def __init__(self, depth: int, stop: threading.Event) -> None:
        self._queue: queue.Queue[tuple[A] | None] = queue.Queue(depth)
        self._stop = stop

    def feed(self, items: Iterable[A]) -> None:
        """Put everything, then the end mark; returns early when stopped."""
        for item in items:
            if not self._put((item,)):
                return
        self._put(None)

    def end(self) -> None:
        """Say that nothing more comes."""
        self._put(None)

    def __iter__(self) -> Iterator[A]:
        """What was put, up to the end mark or the stop."""
        while not self._stop.is_set():
            try:
                found = self._queue.get(timeout=_LOOK_S)
            except queue.Empty:
                continue
            if found is None:
                return
            yield found[0]

    def put(self, item: A) -> bool:
        """Put one thing as soon as there is room; False when stopped."""
        return self._put((item,))

    def _put(self, item: tuple[A] | None) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(item, timeout=_LOOK_S)
            except queue.Full:
                continue
            return True
        return False


def overlap(
    source: Iterable[A], work: Callable[[A], B], sink: Callable[[B], None], *, stop: threading.Event, depth: int = 2
) -> None:
    """Pass every item of ``source`` through ``work`` into ``sink``, in order; raises what any of the three raised first."""
    read: Belt[A] = Belt(depth, stop)
    done: Belt[B] = Belt(depth, stop)
    failures: list[BaseException] = []

    def write() -> None:
        for item in done:
            sink(item)

    def guarded(step: Callable[[], None]) -> None:
        try:
            step()
        except BaseException as error:  # whatever it is, it must reach the calling thread
            failures.append(error)
            stop.set()

    reader = threading.Thread(target=guarded, args=(lambda: read.feed(source),), name="reader", daemon=True)
    writer = threading.Thread(target=guarded, args=(write,), name="writer", daemon=True)
    reader.start()
    writer.start()
    try:
        for item in read:
            done.put(work(item))
        done.end()
        writer.join()
    except BaseException:
        stop.set()
        raise
    finally:
        if failures:
            stop.set()
        reader.join()
        writer.join()
    if failures:
        raise failures[0]
