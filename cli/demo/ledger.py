"""What the applications did and saw, kept so that it can be checked afterwards: every text a key ever had, every answer given."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from .waits import Operation


@dataclass(frozen=True, slots=True)
class Version:
    """A text that a key had (None: deleted), with the times (monotonic) around the statement that committed it."""

    key: int
    text: str | None
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class SeenHit:
    """One row of an answer: ``space`` is the label that stood beside it."""

    key: int
    score: float
    space: str


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer as its reader got it. ``space`` is the Space of the vector that was asked with."""

    reader: str
    query: str
    space: str
    hits: tuple[SeenHit, ...]
    began: float
    ended: float


@dataclass(frozen=True, slots=True)
class Failure:
    """An exception that reached a reader or a writer, as it reads."""

    actor: str
    kind: str
    at: float
    text: str


class Ledger:
    """The application's notebook. Its threads append; the checks read it when it has been handed over to another process.

    ``asked`` holds the query vectors that the application's own encoders gave, by Space and query.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.operations: list[Operation] = []
        self.seen: list[Seen] = []
        self.failures: list[Failure] = []
        self.refusals: list[Failure] = []
        self.asked: dict[str, dict[str, NDArray[np.float32]]] = {}
        self._versions: defaultdict[int, list[Version]] = defaultdict(list)

    def __getstate__(self) -> dict[str, object]:
        with self._lock:
            return {name: value for name, value in self.__dict__.items() if name != "_lock"}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._lock = threading.Lock()

    def begin_with(self, texts: Mapping[int, str]) -> None:
        """The rows that stood in the table before anybody wrote."""
        for key, text in texts.items():
            self._versions[key].append(Version(key, text, 0.0, 0.0))

    def did(self, operation: Operation) -> None:
        """An operation that ended well."""
        with self._lock:
            self.operations.append(operation)

    def saw(self, seen: Seen) -> None:
        """An answer."""
        with self._lock:
            self.seen.append(seen)

    def wrote(self, version: Version) -> None:
        """A write that was committed."""
        with self._lock:
            self._versions[version.key].append(version)

    def failed(self, failure: Failure) -> None:
        """An exception that no application should have met."""
        with self._lock:
            self.failures.append(failure)

    def refused(self, failure: Failure) -> None:
        """The database's own refusal of a vector of the other space: what ought to happen to it."""
        with self._lock:
            self.refusals.append(failure)

    def versions(self, key: int) -> list[Version]:
        """Every text that the key had, oldest first."""
        with self._lock:
            return list(self._versions.get(key, ()))

    def final(self) -> dict[int, str | None]:
        """The last text of every key that ever was; None where it was deleted."""
        with self._lock:
            return {key: versions[-1].text for key, versions in self._versions.items()}
