"""One write from its intent to its settlement: noted, made on the live side, followed on the shadow, settled if it was alone.

    intend    durable, in flight; names the side that is written first
    capture   asked afterwards: a capture that begins later waits for the intent
    live      the application's own write, whose error is the application's
    shadow    the same state, read back and written whole; its failures are debts and nobody's error
    look      did another entry of the key overlap? then nobody knows the order, and the worker compares
    settle    what was alone and is on both sides

A process that dies anywhere in between leaves its entry, which a payer is handed once the process is seen to be dead. Once the
live side is written no failure of the ledger's is the application's: the end of the entry is noted as soon as it can be.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, TypeVar

from transvase.adapters.weaviate.objects.cargo import Vector
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.adapters.weaviate.wire.failures import in_doubt
from transvase.core.errors import Moved, Superseded, TransvaseError
from transvase.core.record import Key

from .following import Followed, Follower
from .late import HELD_S, Late
from .live import Brought, nothing_done
from .sides import Course, Sides
from .stripes import Stripes
from .wording import Wording

T = TypeVar("T")
TRIES: Final = 5
"""Looks at an alias that moves under a write before it gives up."""

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class Work:
    """What one write has found out and made so far."""

    course: Course
    texts: dict[Key, str | None] = field(default_factory=dict)
    """The text that each key's vector on the live side was made of."""
    vectors: dict[str, Vector] = field(default_factory=dict)
    """For the shadow, by text."""
    refused: set[Key] = field(default_factory=set)
    """Keys that the live side did not take."""
    sent: Brought | None = None
    """The one object of this write, where all that the live side holds of it now is what was sent."""
    uneven: set[Key] = field(default_factory=set)
    """Keys whose vector on the live side is not what it should be: owed to both sides."""
    deleted: bool = False
    """The keys are gone from the live side."""


class Desk:
    """What all views of one mirror share. Threads write different keys side by side, and one key one after the other."""

    def __init__(self, setting: Setting, wording: Wording, *, by: str = "", held_s: float = HELD_S) -> None:
        self.setting = setting
        self.sides = Sides(setting)
        self.wording = wording
        self._follower = Follower(connection=setting.connection, sides=self.sides, wording=wording)
        self._stripes = Stripes()
        self._late = Late(setting.ledger, setting.alias, held_s=held_s)
        self._by = by
        self._ahead: object = None

    def write(self, keys: Sequence[Key], act: Callable[[Work], T]) -> T:
        """What ``act`` returns, which makes the write on ``work.course.live`` and may be called once more on another side.

        Its error is raised when what it may have done is owed. StoreFailed and LockNotGained when the intent could not be
        noted: then nothing was written.
        """
        some = list(dict.fromkeys(keys))
        with self._stripes.held(some):
            for _ in range(TRIES):
                work, entries = self._begun(some)
                try:
                    done = self._made(work, entries, act)
                except Superseded:  # retired between our look and our write: nothing was written there
                    self.sides.look()
                    continue
                self._ended(work, entries)
                return done
        raise Moved(f"the live side of {self.setting.alias!r}", expected="one that is there", found="one that goes each time")

    def course(self) -> Course:
        """Where a write would go now, for what is prepared before one."""
        return self._watched(self.sides.course(self.setting.ledger.capture(self.setting.alias)))

    def close(self) -> None:
        """Leave owed what is in doubt."""
        self._late.close()

    def _begun(self, keys: Sequence[Key]) -> tuple[Work, dict[Key, int]]:
        """The intent, which names the side that will be written first."""
        ledger, alias = self.setting.ledger, self.setting.alias
        for _ in range(TRIES):
            first = self.sides.alias.live.site
            entries = ledger.intend(alias, keys, first=first, by=self._by)
            try:
                course = self._watched(self.sides.course(ledger.capture(alias)))
            except BaseException:
                self._late.settle(entries)  # nothing was written
                raise
            if course.live.site == first:
                return Work(course), dict(zip(keys, entries, strict=True))
            self._late.settle(entries)  # a payer would take the newest state from the wrong side
        raise Moved(f"the alias {alias!r}", expected="a side that stays live for a moment", found="another each time")

    def _made(self, work: Work, entries: Mapping[Key, int], act: Callable[[Work], T]) -> T:
        try:
            return act(work)
        except BaseException as error:
            self._failed(work, list(entries.values()), error)
            raise

    def _failed(self, work: Work, entries: Sequence[int], error: BaseException) -> None:
        """The live side did not take it, or nobody knows."""
        captured = work.course.shadow is not None or work.course.unclear
        if in_doubt(error):
            self._late.hold(entries)
        elif isinstance(error, TransvaseError) and (not captured or nothing_done(error) or isinstance(error, Superseded)):
            self._late.settle(entries)
        else:
            self._late.leave(entries)

    def _ended(self, work: Work, entries: Mapping[Key, int]) -> None:
        course = work.course
        if course.unclear:
            self._late.leave(list(entries.values()))
            return
        if course.shadow is None:
            self._alone(work, entries)
            return
        try:
            followed = self._followed(work, list(entries))
        except BaseException:
            self._late.leave(list(entries.values()))
            raise
        self._settle(course.shadow.site, entries, followed)

    def _alone(self, work: Work, entries: Mapping[Key, int]) -> None:
        """No other side: owed is what the live side does not hold as it should, where its vectors are ours to keep."""
        uneven = work.uneven if work.course.kept else set[Key]()
        if uneven:
            self._late.leave(_of(entries, uneven))
        if rest := [entry for key, entry in entries.items() if key not in uneven]:
            self._late.settle(rest)

    def _followed(self, work: Work, keys: Sequence[Key]) -> Followed:
        echoed = self._follower.echoed(work.course, work.sent, vectors=work.vectors, texts=work.texts)
        done = self._copied(work, keys) if echoed is None else echoed
        if done.why is not None:
            _log.warning(
                "%d writes of %r are left to the worker: %s", len(done.left | done.doubtful), self.setting.alias, done.why
            )
        return done

    def _copied(self, work: Work, keys: Sequence[Key]) -> Followed:
        gone = [key for key in keys if work.deleted and key not in work.refused]
        done = self._follower.gone(work.course, gone) if gone else Followed()
        rest = [key for key in keys if key not in set(gone)]
        if rest:
            more = self._follower.follow(work.course, rest, texts=work.texts, vectors=work.vectors)
            done.left |= more.left
            done.doubtful |= more.doubtful
            done.otherwise |= more.otherwise
            done.why = done.why or more.why
        done.otherwise |= work.uneven
        return done

    def _settle(self, shadow: str, entries: Mapping[Key, int], followed: Followed) -> None:
        """What overlapped is owed to both sides; what the shadow lacks, to it alone."""
        crossed = (self._overlapped(entries) | followed.otherwise) - followed.doubtful
        alone = followed.left - crossed - followed.doubtful
        if followed.doubtful:
            self._late.hold(_of(entries, followed.doubtful))
        if crossed:
            self._late.leave(_of(entries, crossed))
        if alone:
            self._late.leave(_of(entries, alone), only=shadow)
        rest = [entry for key, entry in entries.items() if key not in crossed | alone | followed.doubtful]
        if rest:
            self._late.settle(rest)

    def _overlapped(self, entries: Mapping[Key, int]) -> set[Key]:
        try:
            return self.setting.ledger.overlapped(self.setting.alias, list(entries.values()))
        except TransvaseError as error:  # then nobody knows whom they met
            _log.warning("%d writes of %r are left to the worker: %s", len(entries), self.setting.alias, error)
            return set(entries)

    def _watched(self, course: Course) -> Course:
        """Have the shadow's encoder loaded before it is needed."""
        seen = (course.live.name, course.shadow and course.shadow.name)
        if seen != self._ahead:
            self._ahead = seen
            self.wording.ahead(course)
        return course


def _of(entries: Mapping[Key, int], keys: Collection[Key]) -> list[int]:
    return [entry for key, entry in entries.items() if key in keys]
