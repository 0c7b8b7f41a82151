"""What strangers write and delete all the time: what differs because of them is told from what was lost.

The last walk over both sides left equal, or owed, whatever there was when it began. So what differs now is either new, or it was
lost. An object bears the time of its last write, whether the server indexes times or not, and what was written after that walk
began is new. Of a deletion there is no time: what the other side has too much is new unless it was found by that walk too, and
has not been written since. What is new is owed and paid like anything else. Paid, and wrong all the same, it was lost.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from transvase.core.figures import Round
from transvase.core.record import Key

from .walking import OVERLAP_MS, Sides, differing, owed


def lasting(written: Mapping[Key, int], before: Round | None) -> tuple[Key, ...]:
    """Of what a walk found wrong those that nobody wrote since the walk ``before`` began; all of them without one."""
    if before is None:
        return tuple(sorted(written))
    return tuple(sorted(key for key, at in written.items() if not _new(key, at, before)))


def unseen(sides: Sides, keys: Sequence[Key]) -> dict[Key, int]:
    """Those of the keys that differ by what was written or deleted since the last walk began, and when; they are owed then.

    Where no walk was made nobody can tell, and none is.
    """
    return _owed(sides, _wrong(sides, keys))


def pardoned(sides: Sides, keys: Sequence[Key], *, pay: Callable[[], object]) -> set[Key]:
    """Those of the keys that are right after all, and those ``unseen`` that are right, or written anew, once ``pay`` was called.

    A vector without a text is wrong here whoever made it, as in a census; it is owed where it is ours.
    """
    strict = replace(sides, own=frozenset())
    wrong = _wrong(strict, keys)
    new = _owed(sides, wrong)
    if new:
        pay()
    after = _wrong(strict, list(new))
    return {key for key in keys if key not in wrong or (key in new and after.get(key) != new[key])}


def _wrong(sides: Sides, keys: Sequence[Key]) -> dict[Key, int]:
    """Those that differ, and when the live side's object was written last; 0 where it has none."""
    return {key: live.updated if live is not None else 0 for key, live, _ in differing(sides, keys)}


def _owed(sides: Sides, wrong: Mapping[Key, int]) -> dict[Key, int]:
    began = sides.setting.ledger.marked(sides.setting.alias, sides.site).walked
    if began is None or sides.alone:
        return {}
    new = {key: at for key, at in wrong.items() if not at or at >= began - OVERLAP_MS}
    owed(sides, list(new))
    return new


def _new(key: Key, at: int, before: Round) -> bool:
    if key in before.written:
        return at != before.written[key]
    return not at or at >= before.begun - OVERLAP_MS
