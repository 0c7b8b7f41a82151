"""A fork server: a program without threads or connections, which forks a child for each order; the child may be killed.

One process writes orders, each a line of JSON, and reads two lines for each: the child's number when it begins, and its end.
What a child does is the program's own: it calls ``serve`` where it is run, and is named where a ``Server`` is made.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self


@dataclass
class Tally:
    """The steps that a child has made so far."""

    steps: int = 0


@dataclass(frozen=True, slots=True)
class End:
    """How a child ended: by which signal (0: by itself), after how many steps, and what it said (nothing when it went well)."""

    signal: int
    steps: int
    said: str


class Server:
    """The server seen from outside, as a context. One child at a time; two servers have two children."""

    def __init__(self, program: str) -> None:
        self._program = program

    def __enter__(self) -> Self:
        command = [sys.executable, self._program]
        self._server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.communicate(timeout=60)

    def order(self, order: Any) -> int:
        """Have a child forked that does this; the number of its process."""
        assert self._server.stdin is not None
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        return int(self.answer())

    def answer(self) -> Any:
        """What the server says next: about the end of the child that was ordered last."""
        assert self._server.stdout is not None
        return json.loads(self._server.stdout.readline())

    def ended(self) -> End:
        """The end of the child that was ordered last, of a program that goes by ``serve``."""
        return End(*self.answer())

    def done(self, order: Any) -> End:
        """Have it done, and wait for its end."""
        self.order(order)
        return self.ended()


def serve(work: Callable[[Any, Tally], int]) -> None:
    """Fork a child for each order, which does ``work`` and leaves its steps in the tally; it returns those that count."""

    def child(order: Any, report: int) -> None:
        tally = Tally()
        try:
            said = json.dumps([work(order, tally), ""])
        except BaseException as error:  # whatever it is, the parent must hear of it
            said = json.dumps([tally.steps, f"{type(error).__name__}: {error}"])
        os.write(report, said.encode())

    for line in sys.stdin:
        number, said = forked(child, json.loads(line))
        steps, words = json.loads(said) if said else (0, "")
        say([killed_by(number), steps, words])


def forked(child: Callable[[Any, int], None], order: Any) -> tuple[int, str]:
    """Fork a child, tell its number, and wait until it has closed the pipe it was given; its number, and what it reported."""
    read, write = os.pipe()
    number = os.fork()
    if number == 0:
        try:
            os.close(read)
            child(order, write)
        finally:
            os._exit(0)
    say(number)
    os.close(write)
    with os.fdopen(read, "rb") as pipe:
        return number, pipe.read().decode()


def killed_by(number: int) -> int:
    """Wait for the child's end: the signal that ended it, or 0."""
    status = os.waitpid(number, 0)[1]
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def say(something: Any) -> None:
    """One line of the answer."""
    print(json.dumps(something), flush=True)
