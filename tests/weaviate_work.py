"""Everybody at work at once, each in a thread of its own: what the stories of traffic on a server have in common."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def at_work(steps: Sequence[Callable[[], None]], *, every_s: float = 0.0) -> Iterator[None]:
    """Make each of the steps over and over in a thread of its own until the block ends; the first error is the test's.

    Between two steps of a thread lie ``every_s`` seconds. An error ends all of them.
    """
    stop, errors = threading.Event(), list[BaseException]()

    def run(step: Callable[[], None]) -> None:
        while not stop.wait(every_s) and not errors:
            try:
                step()
            except BaseException as error:  # raised by the test's own thread below
                errors.append(error)

    threads = [threading.Thread(target=run, args=(step,)) for step in steps]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stop.set()
        for thread in threads:
            thread.join()
    if errors:
        raise errors[0]
