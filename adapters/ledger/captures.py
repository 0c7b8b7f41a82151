"""Capture epochs: from which moment on writes are mirrored, and the wait for those that began before it.

A mirror writes its intent first and asks what is captured afterwards. So whoever began before the capture has an entry with
a lower number than the capture's, and is waited for; everybody else sees the capture.
"""

from __future__ import annotations

import time
from typing import Final

from transvase.core.errors import LockNotGained

from . import statements
from .figures import Epoch
from .pages import Pages, Run

_PAUSE_S: Final = 0.02


def capture(run: Run, alias: str) -> Epoch:
    """What is captured now."""
    rows = run(statements.CAPTURE, {"alias": alias})
    return Epoch(rows[0][0], rows[0][1], rows[0][2], bool(rows[0][3])) if rows else Epoch()


def begin(pages: Pages, alias: str, *, live: str, shadow: str, patience_s: float) -> Epoch:
    """Begin to capture between the sites, and wait for every writer that may not have seen it."""
    with pages.write("beginning to capture") as run:
        now = capture(run, alias)
        if not now.on or (now.live, now.shadow) != (live, shadow):
            ((begun,),) = run(statements.TICKET)
            run(statements.BEGIN_CAPTURE, {"alias": alias, "live": live, "shadow": shadow, "begun": begun})
            now = capture(run, alias)
    with pages.read("looking when the capture began") as run:
        ((number,),) = run(statements.BEGUN, {"alias": alias})
    what = f"the beginning of capture on {alias!r}: writes that began before it"
    _awaited(pages, alias, int(number), what=what, grace_s=0.0, patience_s=patience_s)
    return now


def outlast(pages: Pages, alias: str, *, grace_s: float, patience_s: float) -> None:
    """Wait for every write that is under way now, and for the last requests of a writer that has just died."""
    with pages.write("looking for writers", durable=False) as run:
        ((number,),) = run(statements.TICKET)
    what = f"the end of the writes of {alias!r} that were under way"
    _awaited(pages, alias, int(number), what=what, grace_s=grace_s, patience_s=patience_s)


def end(run: Run, alias: str) -> None:
    """Capture no longer."""
    run(statements.END_CAPTURE, {"alias": alias})


def _awaited(pages: Pages, alias: str, begun: int, *, what: str, grace_s: float, patience_s: float) -> None:
    give_up = time.monotonic() + patience_s
    while names := _earlier(pages, alias, begun, grace_s=grace_s):
        if time.monotonic() > give_up:
            raise LockNotGained(what, waited_s=patience_s, blockers=names)
        time.sleep(_PAUSE_S)


def _earlier(pages: Pages, alias: str, begun: int, *, grace_s: float) -> str:
    """Who lives, or died less than ``grace_s`` after it began, and is still writing what has a lower number than ``begun``."""
    with pages.read("looking for earlier writers") as run:
        rows = run(statements.EARLIER, {"alias": alias, "begun": begun, "grace": grace_s})
    alive = pages.living({str(token) for token, _, _ in rows}) if rows else set()
    return "; ".join(sorted({str(named) for token, named, fresh in rows if fresh or token in alive}))
