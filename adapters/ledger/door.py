"""The door before which writers wait for a moment, so that the last debts can be paid: it is shut in the ledger's own time.

Payments of keys that are written all the time cross with those writes, and what crossed is owed again. While nobody begins a
write, what is under way ends and what is owed can be paid to the last. Nobody's safety depends on it: who comes in all the same
leaves entries as ever. Whoever shut it may die, so it opens by itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from . import statements
from .pages import Pages

PATIENT_S: Final = 15.0
"""How long a writer stands there at most, however often it is shut again."""
LONGEST_S: Final = 60.0
"""Nobody shuts it for longer: a moment that lies further away was told by a clock that has been set since."""
_PAUSE_S: Final = 0.02


@contextmanager
def held(pages: Pages, alias: str, *, most_s: float) -> Iterator[None]:
    """Keep it shut until the block ends, or ``most_s`` have passed."""
    _shut(pages, alias, min(most_s, LONGEST_S))
    try:
        yield
    finally:
        _shut(pages, alias, 0.0)


def stood_before(pages: Pages, alias: str, *, end: float) -> None:
    """Return when it is open, or at ``end`` (monotonic seconds); who waits only reads."""
    values = {"alias": alias, "longest": LONGEST_S}
    while time.monotonic() < end:
        with pages.read("waiting at the door") as run:
            if not run(statements.SHUT, values):
                return
        time.sleep(_PAUSE_S)


def _shut(pages: Pages, alias: str, seconds: float) -> None:
    with pages.write("holding writers back", durable=False) as run:
        run(statements.SHUT_FOR, {"alias": alias, "seconds": seconds})
