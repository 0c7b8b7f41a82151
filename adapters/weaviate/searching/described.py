"""The description that searches of one collection go by. Asking for it takes as long as a search, so it is kept for a while."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from transvase.adapters.weaviate.collections.shape import Shape, shape_here
from transvase.core.errors import StoreFailed

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection

KNOWN_S: Final = 10.0
"""How long a search does without a property that appeared."""


class Described:
    """What was seen of the collection ``site`` last. Safe for many threads, none of which waits for another."""

    def __init__(self, connection: Connection, site: str) -> None:
        self._connection, self._site = connection, site
        self._shape: Shape | None = None
        self._at = 0.0

    def shape(self) -> Shape:
        """``KNOWN_S`` old as a rule, and older where nobody says how it is just now. Superseded when the collection is gone."""
        if self._shape is None:
            self._shape, self._at = shape_here(self._connection, self._site), time.monotonic()
        elif time.monotonic() - self._at > KNOWN_S:
            self._at = time.monotonic()
            try:
                self._shape = shape_here(self._connection, self._site)
            except StoreFailed:  # the search itself finds out whether that is in its way
                return self._shape
        return self._shape
