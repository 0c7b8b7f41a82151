"""Broken lines of a log: so many are left out and counted, more refuse the file, and then all of them are named at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final, TypeVar

from transvase.core.errors import BadValue, Misuse

from .harvest import Tally

REASON: Final = "broken line"
_NAMED: Final = 20
"""Line numbers that a refusal lists: enough to see whether a file is torn in one place or wrong throughout."""

_Read = TypeVar("_Read")


class Faults:
    """Collects what is wrong with a file's lines while the rest of it is read."""

    def __init__(self, path: Path, *, most: int, tally: Tally) -> None:
        if most < 0:
            raise BadValue("broken lines", most, why="a number of lines is 0 or more")
        self._path, self._most, self._tally = path, most, tally
        self._lines: list[str] = []
        self._first: Misuse | None = None
        self._count = 0

    def note(self, where: str, error: Misuse) -> None:
        """This line, ``file:number``, is left out."""
        self._first = self._first or error
        self._count += 1
        if len(self._lines) < _NAMED:
            self._lines.append(where.rpartition(":")[2])
        self._tally.drop(REASON, where)

    def tried(self, where: str, read: Callable[[], _Read]) -> _Read | None:
        """What ``read`` makes of the line, None where it finds a fault."""
        try:
            return read()
        except Misuse as error:
            self.note(where, error)
            return None

    def settle(self) -> None:
        """Raise when more lines are broken than may be left out: the fault itself of a single one, else a list of them."""
        if self._count <= self._most or self._first is None:
            return
        if self._count == 1:
            raise self._first
        more = f" and {self._count - _NAMED:,} more" if self._count > _NAMED else ""
        raise BadValue(
            "file",
            str(self._path),
            why=f"{self._count:,} lines are broken: {', '.join(self._lines)}{more}; the first: {self._first}; "
            f"mend them, or leave them out and have them counted with --most-broken {self._count}",
        ) from self._first
