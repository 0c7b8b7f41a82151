"""The live application: readers and writers in threads of their own, each at its own pace, from start to stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

from .ledger import Failure, Ledger


class Actor(Protocol):
    """A reader or a writer."""

    @property
    def name(self) -> str:
        """Who it is in the figures."""
        ...

    def step(self) -> None:
        """Do one thing and enter it into the ledger; any exception is an error that an application met."""
        ...

    def close(self) -> None:
        """Let go of what it holds."""
        ...


@dataclass(frozen=True, slots=True)
class Paced:
    """An actor and how often a second it acts."""

    actor: Actor
    per_second: float


class Traffic:
    """All actors at work until ``stop``."""

    def __init__(self, actors: Sequence[Paced], *, ledger: Ledger) -> None:
        self._ledger, self._stop = ledger, threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(paced,), name=paced.actor.name, daemon=True) for paced in actors
        ]
        self._actors = [paced.actor for paced in actors]
        self._pauses = {paced.actor.name: 1.0 / paced.per_second for paced in actors}
        self._busy = {paced.actor.name: threading.Lock() for paced in actors}

    def start(self) -> None:
        """Begin."""
        for thread in self._threads:
            thread.start()

    @contextmanager
    def held(self, kind: str) -> Iterator[None]:
        """Let no actor whose name begins with ``kind`` act while the block runs, so that a count can be exact."""
        with ExitStack() as stack:
            for name, busy in self._busy.items():
                if name.startswith(kind):
                    stack.enter_context(busy)
            yield

    def slow(self, kind: str) -> None:
        """Let every actor whose name begins with ``kind`` act half as often from now on."""
        for name in self._pauses:
            if name.startswith(kind):
                self._pauses[name] *= 2

    def stop(self) -> None:
        """Let every actor finish what it is doing; an actor that hangs for a minute is entered as an error."""
        self._stop.set()
        for thread, actor in zip(self._threads, self._actors, strict=True):
            thread.join(timeout=60)
            if thread.is_alive():
                self._ledger.failed(Failure(actor.name, "stop", time.monotonic(), "no answer within a minute"))
            else:
                actor.close()

    def _run(self, paced: Paced) -> None:
        due = time.monotonic()
        while not self._stop.wait(max(0.0, due - time.monotonic())):
            with self._busy[paced.actor.name]:
                try:
                    paced.actor.step()
                except Exception as error:  # an application would meet whatever this is, so whatever this is counts
                    text = f"{type(error).__name__}: {error}".strip()
                    self._ledger.failed(Failure(paced.actor.name, "step", time.monotonic(), text))
            # A slow answer is not made up for afterwards: the pace is a user's, not a hammer's.
            due = max(due + self._pauses[paced.actor.name], time.monotonic())
