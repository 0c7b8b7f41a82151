"""When a host may be believed that something is not there: one that is being started says so of all that it has not loaded yet.

From its first answers on it asks the leader which collections there are. Their objects it serves a moment later: until then a
request for one is answered with 404, and a search as if the collection were gone. That was seen at every one of 25 starts of a
single server, up to two seconds after its first answer, and never once it said that it is ready (nor of a node that came back to
two others). Whether it is ready is not what is asked there: a node may say that it is not because another is away.

Of the schema it is: a host's own copy of it is empty until then too (at half of the starts of a busy machine), and once in some
forty so was a leader's. What was waited for in vain is not waited for again soon.
"""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from typing import Final

from .failures import unreached

STEADY_S: Final = 0.5
"""For how long a collection that was served is believed to be: a host that ends needs longer to answer anew."""
NOT_FOUND: Final = 404
PATIENCE_S: Final = 5.0
"""How long a host that is being started is waited for."""
SETTLING_S: Final = 10.0
"""How long a host that does not say that it is ready is waited for before it is believed of the schema."""
UNREADY_S: Final = 60.0
"""How long one that did not become ready in that time is believed at once: another node may be away for good."""
READY: Final = "/.well-known/ready"
_UNREADY: Final = 503
_PAUSE_S: Final = 0.05
_DESCRIBED: Final = re.compile(r"^/(?:schema|aliases)/")
_LOADED: Final = re.compile(r"^/objects(?:/|\?(?:[^#]*&)?class=)(\w+)|^/schema/(\w+)/shards")


class Presence:
    """What one host has been seen to serve. ``status`` gives the HTTP status of a GET below ``/v1``. Safe for many threads."""

    def __init__(self, status: Callable[[str], int], *, host: str) -> None:
        self._status, self._host = status, host
        self._served: dict[str, float] = {}
        self._unready_until = -math.inf

    def believed(self, collection: str, *, asked: float) -> bool:
        """Whether what was asked at ``asked`` (monotonic seconds) of the collection, and not found, is not there.

        False: it has to be asked again, for the collection may have been loaded in between. StoreFailed (``not reached``) where
        the host does not come to serve within ``PATIENCE_S`` what the leader says is there.
        """
        if 0 <= asked - self._served.get(collection, -math.inf) <= STEADY_S:
            return True
        end = time.monotonic() + PATIENCE_S
        while True:
            now = time.monotonic()
            if self._status(f"/objects?class={collection}&limit=1") != NOT_FOUND:
                self._served[collection] = now
                return False
            if self._status(f"/schema/{collection}") == NOT_FOUND and self._gone(collection):
                return True
            if now > end:
                raise unreached(f"{self._host} is being started and does not serve {collection} yet; do it again later")
            time.sleep(_PAUSE_S)

    def _gone(self, collection: str) -> bool:
        """Whether the schema does not name it either when that may be believed."""
        self.settled()
        return self._status(f"/schema/{collection}") == NOT_FOUND

    def settled(self) -> None:
        """Return when what the host does not find of the schema is not there: it is to be asked once more after this."""
        end = time.monotonic() + SETTLING_S
        while self._status(READY) == _UNREADY:
            now = time.monotonic()
            if now < self._unready_until:
                return
            if now > end:
                self._unready_until = now + UNREADY_S
                return
            time.sleep(_PAUSE_S)


def described(path: str) -> bool:
    """Whether ``path`` asks for a collection's description, its tenants, or an alias."""
    return _DESCRIBED.match(path) is not None


def collection_of(path: str, named: str | None = None) -> str | None:
    """The collection whose objects or shards ``path`` asks the host for; None for a path that the leader answers.

    A path that names none (a deletion of several objects does so in its body) is about the one that is ``named``.
    """
    found = _LOADED.match(path)
    if found is None:
        return named if path.startswith("/batch/objects") else None
    return found[1] or found[2]
