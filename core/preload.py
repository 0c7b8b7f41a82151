"""Which encoders a reader holds, and when they are loaded: that of a shadow ahead of its cutover, behind the readers' backs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from threading import Lock, Thread
from typing import Final

from .errors import SpaceMismatch
from .ports import Declaration, Encoder

Given = Mapping[str, Encoder] | Callable[[str], Encoder]
"""Encoders that an application brings: by ENC or by the id of a Space, or a function from ENC to Encoder."""

LEAVING_S: Final = 60.0
"""A program that ends so soon after a load began waits for it: to take its thread away in the middle aborts the process."""

_log = logging.getLogger(__name__)


class Encoders:
    """The encoders of the indexes that an alias keeps, each loaded once however many threads ask for it."""

    def __init__(self, given: Given | None) -> None:
        self._given = given
        self._loaded: dict[tuple[str, str], Future[Encoder]] = {}
        self._lock = Lock()

    def of(self, declaration: Declaration) -> Encoder:
        """The encoder that made this index, loaded now or waited for. A load that failed is tried again by the next call."""
        future, mine = self._claim(declaration)
        if mine:
            self._load(declaration, future)
        return future.result()

    def begin(self, declaration: Declaration) -> None:
        """Start loading in the background. A failure is logged; it is the readers' only when the index has become live."""
        future, mine = self._claim(declaration)
        if mine:
            future.add_done_callback(lambda done: _warn(declaration, done))
            self._behind(declaration, future)

    def ready(self, declaration: Declaration, *, within_s: float) -> Encoder | None:
        """As ``of``, for a caller who does without: None while it is loading, which goes on in the background."""
        future, mine = self._claim(declaration)
        if mine:
            self._behind(declaration, future)
        try:
            return future.result(within_s)
        except FutureTimeout:
            return None

    def keep(self, declarations: list[Declaration]) -> None:
        """Forget every encoder but those of these indexes."""
        wanted = {_identity(declaration) for declaration in declarations}
        with self._lock:
            self._loaded = {identity: future for identity, future in self._loaded.items() if identity in wanted}

    def _claim(self, declaration: Declaration) -> tuple[Future[Encoder], bool]:
        with self._lock:
            known = self._loaded.get(_identity(declaration))
            if known is not None:
                return known, False
            return self._loaded.setdefault(_identity(declaration), Future()), True

    def _load(self, declaration: Declaration, future: Future[Encoder]) -> None:
        try:
            encoder = _of_its_space(self._find(declaration), declaration)
        except BaseException as error:  # whoever waits must hear of it, whatever it is
            with self._lock:
                if self._loaded.get(_identity(declaration)) is future:
                    del self._loaded[_identity(declaration)]
            future.set_exception(error)
        else:
            future.set_result(encoder)

    def _behind(self, declaration: Declaration, future: Future[Encoder]) -> None:
        thread = Thread(target=self._load, args=(declaration, future), name=f"load {declaration.encoder}", daemon=True)
        thread.start()
        Thread(target=thread.join, args=(LEAVING_S,), name=f"{thread.name}, waiting", daemon=False).start()

    def _find(self, declaration: Declaration) -> Encoder:
        if callable(self._given):
            return self._given(declaration.encoder)
        given = self._given or {}
        for name in (declaration.encoder, declaration.label):
            if name in given:
                return given[name]
        from .encoders import load

        return load(declaration.encoder)


def _of_its_space(encoder: Encoder, declaration: Declaration) -> Encoder:
    if encoder.space != declaration.space:
        raise SpaceMismatch(expected=declaration.label, found=encoder.space.id, where=declaration.name)
    return encoder


def _identity(declaration: Declaration) -> tuple[str, str]:
    return declaration.encoder, declaration.label


def _warn(declaration: Declaration, done: Future[Encoder]) -> None:
    if done.exception() is not None:
        _log.warning("the encoder of %s is not ready for its cutover: %s", declaration.name, done.exception())
