"""The memory adapter: the reference of every port, for tests, for examples and for trying things out."""

from __future__ import annotations

from threading import Lock

from transvase.core.errors import BadValue

from .store import MemoryStore
from .table import Table, VectorColumn

__all__ = ["MemoryStore", "Table", "VectorColumn", "connect"]

_SHARED: dict[str, MemoryStore] = {}
_LOCK = Lock()


def connect(url: str) -> MemoryStore:
    """``memory:`` gives a store of its own, ``memory:NAME`` the one of that name in this process; BadValue for any other URL."""
    scheme, colon, name = url.partition(":")
    if scheme != "memory" or not colon:
        raise BadValue("store", url, why="the memory store is `memory:` or `memory:NAME`")
    if not name:
        return MemoryStore()
    with _LOCK:
        return _SHARED.setdefault(name, MemoryStore())
