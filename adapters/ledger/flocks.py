"""Locks on files that die with their process: the operator's, and a writer's sign of life.

``flock`` belongs to the open file and not to the process, which is why two threads exclude each other too, and why a forked
child would keep its parent's lock alive: the child closes what it inherited. (A program that is executed inherits nothing.)
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import uuid4

from transvase.core.errors import Busy, StoreFailed

from .pages import myself

PATIENCE_S: Final = 2.0
"""How long an operator waits for another one who is just leaving."""
_PAUSE_S: Final = 0.05

_held: set[int] = set()
_guard = threading.Lock()


def _forked() -> None:
    global _guard  # noqa: PLW0603 -- a lock that another thread held in the parent is never released in the child
    _guard = threading.Lock()
    for descriptor in _held:
        with suppress(OSError):
            os.close(descriptor)
    _held.clear()


os.register_at_fork(after_in_child=_forked)


def ends_with_us(descriptor: int) -> None:
    """Have a forked child close its copy at once: what hangs on the descriptor ends with this process then."""
    with _guard:
        _held.add(descriptor)


def ended(descriptor: int) -> bool:
    """The descriptor is about to be closed here; False in a child, which has closed it already."""
    with _guard:
        there = descriptor in _held
        _held.discard(descriptor)
    return there


@contextmanager
def hold(ledger: Path, alias: str) -> Iterator[None]:
    """Be the only operator of ``alias``; Busy with what the holder wrote into the file. The file stays, and means nothing."""
    path = ledger.with_name(f"{ledger.name}.{_name_of(alias)}.lock")
    with _open(path, os.O_RDWR | os.O_CREAT) as descriptor:
        give_up = time.monotonic() + PATIENCE_S
        while not _taken(descriptor, fcntl.LOCK_EX):
            if time.monotonic() > give_up:
                raise Busy(alias, os.pread(descriptor, 400, 0).decode("utf-8", "replace") or "it has just begun")
            time.sleep(_PAUSE_S)
        os.ftruncate(descriptor, 0)
        os.pwrite(descriptor, f"{myself()}, since {time.strftime('%Y-%m-%d %H:%M:%S')}".encode(), 0)
        try:
            yield
        finally:
            with suppress(OSError):  # a full disk does not keep the lock
                os.ftruncate(descriptor, 0)


@contextmanager
def opening(ledger: Path) -> Iterator[None]:
    """Be the only process that makes or opens this ledger: two that change its journal mode at once refuse each other."""
    with _open(ledger.with_name(f"{ledger.name}.open.lock"), os.O_RDWR | os.O_CREAT) as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


@dataclass(slots=True)
class FileLife:
    """A file that stays locked as long as this process lives. Fits ``Life``."""

    token: str
    path: Path
    descriptor: int

    def sound(self) -> bool:
        """True while the file is there: somebody who cleared the directory has declared us dead."""
        return self.path.exists()

    def end(self) -> None:
        """Let go and remove the file."""
        if not ended(self.descriptor):
            return
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        os.close(self.descriptor)


def enlist(ledger: Path) -> FileLife:
    """A sign of life of our own; files of the dead are removed on the way. StoreFailed when it cannot be made."""
    place = _lives(ledger)
    try:
        place.mkdir(exist_ok=True)
        for path in place.iterdir():
            _bury(path)
        while True:
            token = uuid4().hex
            descriptor = os.open(place / token, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            # Somebody who cleared up just now may have found it before it was locked.
            if _same(descriptor, place / token):
                ends_with_us(descriptor)
                return FileLife(token, place / token, descriptor)
            os.close(descriptor)
    except OSError as error:
        raise StoreFailed(f"no sign of life can be made beside the ledger {ledger}: {error.strerror}") from error


def living(ledger: Path, tokens: Iterable[str]) -> set[str]:
    """Those whose file is there and locked."""
    return {token for token in tokens if _locked(_lives(ledger) / token)}


def _lives(ledger: Path) -> Path:
    return ledger.with_name(f"{ledger.name}.writers")


def _locked(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except OSError:  # not ours to open: then somebody else's, and better taken for alive
        return True
    try:
        return not _taken(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _bury(path: Path) -> None:
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            if _taken(descriptor, fcntl.LOCK_SH):
                path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)


@contextmanager
def _open(path: Path, flags: int) -> Iterator[int]:
    try:
        descriptor = os.open(path, flags, 0o666)
    except OSError as error:
        raise StoreFailed(f"the lock file {path} cannot be opened: {error.strerror}") from error
    ends_with_us(descriptor)
    try:
        yield descriptor
    finally:
        if ended(descriptor):
            os.close(descriptor)


def _taken(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False


def _name_of(alias: str) -> str:
    """The alias as a part of a file's name: itself where it can be that, else what can stay of it and a digest."""
    plain = re.sub(r"[^A-Za-z0-9_-]", "-", alias)[:60]
    return plain if plain == alias else f"{plain}-{hashlib.sha256(alias.encode()).hexdigest()[:12]}"
