"""Stores, encoders and loaders that watch what a reader does with them."""

from __future__ import annotations

from threading import Event, current_thread
from threading import enumerate as threads

from costless import HashEncoder
from transvase.adapters.memory import MemoryStore
from transvase.core.errors import EncoderFailed
from transvase.core.ports import Alias, Declaration, Encoder
from transvase.core.space import Role, Vectors
from worlds import NEW, OLD, MemoryWorld, body, fill, shadowed

BOTH = {"old": OLD, "new": NEW}


class CountingStore(MemoryStore):
    """A memory store that counts how often an alias is resolved."""

    def __init__(self) -> None:
        super().__init__()
        self.resolved = 0

    def alias(self, name: str) -> Alias:
        self.resolved += 1
        return super().alias(name)


class Listening:
    """An encoder that remembers the roles and the texts it was asked for."""

    def __init__(self, inner: HashEncoder) -> None:
        self.name, self.space, self.inner = inner.name, inner.space, inner
        self.heard: list[tuple[tuple[str, ...], Role]] = []

    def encode(self, texts, role: Role) -> Vectors:
        self.heard.append((tuple(texts), role))
        return self.inner.encode(texts, role)

    def tokens(self, texts) -> list[int]:
        return self.inner.tokens(texts)


class Loader:
    """A function from ENC to Encoder that remembers who asked, and that can be made slow or broken."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, bool]] = []
        self.open = Event()
        self.open.set()
        self.broken: set[str] = set()

    def __call__(self, enc: str) -> Encoder:
        self.asked.append((enc, current_thread().daemon))
        assert self.open.wait(20)
        if enc in self.broken:
            raise EncoderFailed(enc, "the disk is full")
        return BOTH[enc]


def filled(store: CountingStore) -> tuple[Declaration, Declaration]:
    """Twenty records under ``docs``, live in the old Space, with a filled shadow in the new one."""
    world = MemoryWorld(store)
    live, shadow = shadowed(world, [body(i) for i in range(20)])
    fill(world, shadow)
    store.resolved = 0
    return live.declaration, shadow.declaration


def switch(store: MemoryStore, index: str) -> None:
    """Point the alias at ``index``, whatever is owed."""
    store.point("docs", index, expect=MemoryStore.alias(store, "docs").generation, allow_owed=99)


def settle() -> None:
    """Wait until no encoder is being loaded in the background."""
    for thread in threads():
        if thread.name.startswith("load "):
            thread.join(20)
