"""The composition root: the one place where a URL becomes a store and ENC a model."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TypeVar

from transvase.core.connect import connect
from transvase.core.encoders import load
from transvase.core.encoders.derivation import Derivation, derivation_of
from transvase.core.ports import Progress, Store
from transvase.core.space import UNKNOWN
from transvase.migrations.beginning import Beginning
from transvase.migrations.encoding import shared
from transvase.migrations.runner import Encoders

from .progress import Lines

T = TypeVar("T")


@contextmanager
def opened(url: str | None, *, beginning: Beginning) -> Iterator[Store]:
    """The store at ``url``, closed afterwards; BadValue without a URL. One that asks to wait is waited for."""
    store = beginning.through(lambda: connect(url))
    try:
        yield store
    finally:
        store.close()


def patiently(url: str | None, command: Callable[[Store], T], *, progress: Progress | None = None) -> T:
    """What the command gives on the store at ``url``. Made anew while it may succeed later, for a minute from its beginning."""
    beginning = Beginning(progress or Lines())
    with opened(url, beginning=beginning) as store:
        return beginning.through(lambda: command(store))


@cache
def encoders() -> Encoders:
    """Every model of this process, each loaded once."""
    return shared(load)


def derivations(enc: str, source: str) -> Derivation | None:
    """How the documents of ENC come from those of the Space with this id, read from the model's files; None where they do not."""
    return derivation_of(enc, source=source)


def enc_as_kept(enc: str) -> str:
    """ENC as it is written into the database: a directory by its full path, so that it is found from anywhere on this machine."""
    return str(Path(enc).resolve()) if enc not in ("", UNKNOWN) and Path(enc).is_dir() else enc
