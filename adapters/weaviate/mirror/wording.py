"""Vectors of texts for each side: by the encoder of that side's Space, or the application's own where its width is the side's.

The live side's encoder is waited for, since without a vector there is no write. The shadow's never is: a model that is still
loading, or fails, leaves what is written owed, and the worker pays.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable
from typing import Final

import numpy as np
from transvase.adapters.weaviate.objects.cargo import Vector
from transvase.core.declaration import Declaration
from transvase.core.errors import BadValue, SpaceMismatch, TransvaseError
from transvase.core.fence import Fenced
from transvase.core.preload import Encoders, Given
from transvase.core.space import Role, Vectors

from .sides import Course

LOADING_S: Final = 0.5
"""How long a write waits for the shadow's model, once; then again after ``RETRY_S``."""
RETRY_S: Final = 15.0

_log = logging.getLogger(__name__)


class Wording:
    """The encoders of one mirror."""

    def __init__(self, given: Given | None) -> None:
        self._encoders = Encoders(given)
        self._not_before: dict[str, float] = {}

    def live(self, declaration: Declaration, texts: Iterable[str]) -> dict[str, Vector]:
        """The vector of each text; EncoderFailed, SpaceMismatch."""
        some = list(dict.fromkeys(texts))
        return self._encoded(Fenced(self._encoders.of(declaration), declaration.width), some) if some else {}

    def shadow(self, declaration: Declaration, texts: Iterable[str]) -> dict[str, Vector]:
        """The same as far as it can be had now; what fails is logged, and left out."""
        some = list(dict.fromkeys(texts))
        if not some or time.monotonic() < self._not_before.get(declaration.name, 0.0):
            return {}
        try:
            encoder = self._encoders.ready(declaration, within_s=LOADING_S)
        except TransvaseError as error:
            _log.warning("writes to %s are left to the worker: %s", declaration.name, error)
            encoder = None
        if encoder is None:
            self._not_before[declaration.name] = time.monotonic() + RETRY_S
            return {}
        try:
            return self._encoded(Fenced(encoder, declaration.width), some)
        except TransvaseError as error:
            _log.warning("%d texts for %s are left to the worker: %s", len(some), declaration.name, error)
            return {}

    def ahead(self, course: Course) -> None:
        """Forget the encoders of sides that are gone, and begin to load that of a new shadow."""
        sides = [side for side in (course.live, course.shadow) if side is not None and side.space is not None]
        self._encoders.keep(sides)
        if course.shadow is not None and course.shadow.space is not None:
            self._encoders.begin(course.shadow)

    def _encoded(self, encoder: Fenced, texts: list[str]) -> dict[str, Vector]:
        return dict(zip(texts, encoder.encode(texts, Role.DOCUMENT).matrix, strict=True))


def own_for(side: Declaration, own: Vector | Vectors | None) -> Vector | None:
    """The application's own vector where it is one of this side's: by its Space, or by its width. None where it is not."""
    if own is None:
        return None
    if isinstance(own, Vectors):
        if own.space != side.space or len(own) != 1:
            return None
        row: Vector = np.pad(own.matrix[0], (0, side.width - own.width)) if own.width < side.width else own.matrix[0]
        return row
    return own if own.shape == (side.width,) else None


def fitting(course: Course, own: Vector | Vectors | None) -> None:
    """Return when the vector is one of either side's. SpaceMismatch before anything is written; BadValue for several rows."""
    sides = [side for side in (course.live, course.alias.shadow) if side is not None]
    if own is None or any(own_for(side, own) is not None for side in sides):
        return
    if isinstance(own, Vectors):
        if len(own) != 1:
            raise BadValue("vector", len(own), why="an object takes one row")
        raise SpaceMismatch(expected=course.live.label, found=own.space.id, where=course.live.name)
    if own.ndim != 1:
        raise BadValue("vector", own.shape, why=f"{course.live.name} takes one vector of {course.live.width} numbers")
    raise SpaceMismatch(expected=f"{course.live.width} wide", found=f"{own.size} wide", where=course.live.name)
