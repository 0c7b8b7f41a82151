"""A directory that appears under its name only when it is complete: work goes on in a sibling, which is renamed at the end."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import BadValue


@contextmanager
def complete_or_absent(out: Path) -> Iterator[Path]:
    """An empty sibling of ``out`` to work in; renamed to ``out`` when the block ends well, removed when it does not.

    A killed process leaves its sibling behind; the next call for the same ``out`` removes it. BadValue when ``out`` holds
    something already or cannot be made.
    """
    out = out.absolute()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadValue("out", str(out), why="it exists already; name a directory that does not, or remove it first")
    partial = out.parent / f".{out.name}.part-{os.getpid()}"
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        for leftover in out.parent.glob(f".{_escaped(out.name)}.part-*"):
            if not _alive(leftover):
                shutil.rmtree(leftover, ignore_errors=True)
        partial.mkdir()
    except OSError as error:
        raise BadValue("out", str(out), why=f"no directory can be made there ({error.strerror})") from error
    try:
        yield partial
        partial.rename(out)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _escaped(name: str) -> str:
    return "".join(f"[{letter}]" if letter in "*?[" else letter for letter in name)


def _alive(partial: Path) -> bool:
    """True while the process that made a sibling lives; a process of another user counts as alive."""
    try:
        os.kill(int(partial.name.rpartition("-")[2]), 0)
    except (ProcessLookupError, ValueError, OverflowError):
        return False
    except PermissionError:
        return True
    return True
