"""The application as a process of its own, as applications are: what it waits for is the database, not our interpreter.

The parent speaks over a pipe, one word at a time, and gets the ledger back when it says stop.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import signal
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from transvase.core.encoders import load
from transvase.core.errors import WorldFailed
from transvase.migrations.encoding import shared

from .cast import Cast
from .corpus import Document
from .ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What the application is told before it starts. ``base`` is the ENC whose vectors it has always used."""

    conninfo: str
    documents: tuple[Document, ...]
    queries: tuple[str, ...]
    base: str
    seed: int


class Company:
    """The running application, seen from outside. Every call returns when the application has done what was asked."""

    def __init__(self, script: Script) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_live, args=(script, theirs), name="application", daemon=True)
        self._process.start()
        theirs.close()
        self._ask("")

    def start(self) -> None:
        """Begin the traffic."""
        self._ask("start")

    def deploy(self, enc: str, width: int) -> None:
        """Release the new model: the writers leave vectors to the worker, the readers by SQL have the new ones at hand."""
        self._ask("deploy", enc, width)

    @contextlib.contextmanager
    def held(self) -> Iterator[Mapping[int, str | None]]:
        """Hold the writers while the block runs; gives the last text of every key (None: deleted)."""
        final: dict[int, str | None] = self._ask("hold")
        try:
            yield final
        finally:
            self._ask("release")

    def slow_writers(self) -> None:
        """Let the writers write half as often from now on."""
        self._ask("slow")

    def stop(self) -> Ledger:
        """End the traffic and the process; gives all that was done and seen."""
        ledger = self._ask("stop")
        self._process.join(timeout=30)
        assert isinstance(ledger, Ledger)
        return ledger

    def kill(self) -> None:
        """End the process whatever it is doing; one that has ended already is no error."""
        self._pipe.close()
        self._process.terminate()
        self._process.join(timeout=30)

    def _ask(self, *words: Any) -> Any:
        try:
            if words != ("",):
                self._pipe.send(words)
            done, answer = self._pipe.recv()
        except (EOFError, OSError) as error:
            raise WorldFailed("the demo's application has ended unasked") from error
        if not done:
            raise WorldFailed(f"the demo's application failed: {answer}")
        return answer


def _live(script: Script, pipe: Connection) -> None:
    """The process: do what is asked until stop, or until the parent is gone; an interruption is the parent's to answer."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        cast = _cast(script)
    except Exception as error:  # the parent must hear of whatever it is
        pipe.send((False, f"{type(error).__name__}: {error}"))
        return
    pipe.send((True, None))
    with contextlib.suppress(EOFError, OSError), contextlib.ExitStack() as held:
        while True:
            word, *rest = pipe.recv()
            try:
                answer = _obey(cast, held, word, rest)
            except Exception as error:  # as above
                pipe.send((False, f"{word}: {type(error).__name__}: {error}"))
                return
            pipe.send((True, answer))
            if word == "stop":
                return


def _obey(cast: Cast, held: contextlib.ExitStack, word: str, rest: Sequence[Any]) -> object:
    if word == "start":
        cast.traffic.start()
    elif word == "deploy":
        enc, width = rest
        cast.deploy(enc, width=width)
    elif word == "slow":
        cast.traffic.slow("writer")
    elif word == "hold":
        held.enter_context(cast.traffic.held("writer"))
        return cast.ledger.final()
    elif word == "release":
        held.close()
    elif word == "stop":
        cast.traffic.stop()
        return cast.ledger
    return None


def _cast(script: Script) -> Cast:
    ledger = Ledger()
    ledger.begin_with({row + 1: document.body for row, document in enumerate(script.documents)})
    return Cast(
        script.conninfo,
        documents=script.documents,
        queries=script.queries,
        base=script.base,
        encoders=shared(load),
        ledger=ledger,
        seed=script.seed,
    )
