"""The reader's door: it pins the alias' physical index together with that index's encoder, and never searches by the alias.

A reader that raced a cutover gets a whole answer from the side that it had pinned. Every answer carries the generation
of the alias that the same statement saw, so the next search knows without a round trip that it has to look again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from threading import Lock
from types import TracebackType
from typing import Self

from .connect import connect
from .errors import BadValue, NotReady, Superseded
from .fence import Fenced
from .hybrid import weighed
from .ports import Alias, Encoder, Index, Store
from .preload import Encoders, Given
from .record import Hit
from .space import Role


@dataclass(frozen=True, slots=True)
class Found:
    """What a search gave, and where: hits, the physical index they came from, the label of its Space, the alias' generation."""

    hits: tuple[Hit, ...]
    index: str
    space: str
    generation: int


@dataclass(frozen=True, slots=True)
class Pin:
    """An alias as it was resolved, with the one index and the one encoder that belong together."""

    alias: Alias
    index: Index
    encoder: Encoder


class Retriever:
    """Searches one alias. Safe to share between threads; one of them resolves while the others wait."""

    def __init__(self, store: Store, alias: str, *, encoders: Given | None = None) -> None:
        if not isinstance(alias, str) or not alias.strip():
            raise BadValue("alias", alias, why="name the alias to be searched")
        self._store, self._alias = store, alias
        self._encoders = Encoders(encoders)
        self._pin: Pin | None = None
        self._resolving = Lock()
        self._owned = False

    @classmethod
    def connect(cls, url: str, alias: str, *, encoders: Given | None = None) -> Self:
        """A retriever with a store of its own, which ``close`` lets go of. Looks at the alias only when it is first searched."""
        store = connect(url)
        try:
            retriever = cls(store, alias, encoders=encoders)
        except BaseException:
            store.close()
            raise
        retriever._owned = True
        return retriever

    def search(
        self, text: str, k: int = 5, *, where: Mapping[str, object] | None = None, lexical: float | None = None
    ) -> list[Hit]:
        """The ``k`` records nearest to ``text``, best first; ``where`` names columns and the values they must have.

        With ``lexical``, from 0 to 1, the words of the text weigh that much beside its vector (``transvase.core.hybrid``), and
        a hit's score is of both. BadValue and UnknownName for what cannot be asked; NotReady while the live index is of unknown
        make; SpaceMismatch when the encoder at hand is not the one that made the index.
        """
        return list(self.answer(text, k, where=where, lexical=lexical).hits)

    def answer(self, text: str, k: int = 5, *, where: Mapping[str, object] | None = None, lexical: float | None = None) -> Found:
        """As ``search``, with the index and the Space that answered."""
        _askable(text, k)
        weighed(text, lexical)
        try:
            return self._ask(text, k, where, lexical)
        except Superseded:  # its index was retired between resolving and searching: what is live now cannot be that one
            return self._ask(text, k, where, lexical)

    def close(self) -> None:
        """Let go of the store, if it is the retriever's own."""
        if self._owned:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def _ask(self, text: str, k: int, where: Mapping[str, object] | None, lexical: float | None) -> Found:
        pin = self._pinned()
        live = pin.alias.live
        try:
            answer = pin.index.search(pin.encoder.encode([text], Role.QUERY), k, where=where, text=text, lexical=lexical)
        except Superseded:
            self._drop(pin)
            raise
        if answer.generation != pin.alias.generation:
            self._drop(pin)
        return Found(answer.hits, live.name, live.label, answer.generation)

    def _pinned(self) -> Pin:
        pin = self._pin
        if pin is not None:
            return pin
        with self._resolving:
            if self._pin is None:
                self._pin = self._resolve()
            return self._pin

    def _drop(self, pin: Pin) -> None:
        with self._resolving:
            if self._pin is pin:
                self._pin = None

    def _resolve(self) -> Pin:
        alias, index = self._store.serving(self._alias)
        kept = [declaration for declaration in (alias.live, alias.shadow) if declaration is not None and declaration.space]
        self._encoders.keep(kept)
        if alias.shadow in kept:
            self._encoders.begin(alias.shadow)
        if alias.live.space is None:
            raise NotReady(
                "search", f"nobody knows which encoder made the vectors of {alias.live.name}; migrate {alias.name!r} first"
            )
        return Pin(alias, index, Fenced(self._encoders.of(alias.live), alias.live.width))


def _askable(text: object, k: object) -> None:
    if not isinstance(text, str):
        raise BadValue("query", text, why="a text is needed")
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise BadValue("k", k, why="ask for at least one hit")
