"""The second half of a write: the shadow is given what the live side holds now, whole, with its own vector.

What was sent to the live side is not what is copied: what the server made of it is read back. So a partial update, a value that
the server normalised, and a vector of one of its modules arrive as they are, and two writers of a key end alike more often.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from transvase.adapters.weaviate.collections.tenants import Tenants
from transvase.adapters.weaviate.objects.cargo import Vector
from transvase.adapters.weaviate.objects.copies import fetch
from transvase.adapters.weaviate.objects.reading import Seen, single
from transvase.adapters.weaviate.objects.writing import drop, put
from transvase.adapters.weaviate.wire.failures import DOUBTFUL, Kind, in_doubt, kind_said
from transvase.core.errors import TransvaseError, UnknownName
from transvase.core.record import Key
from transvase.core.template import columns_of

from .live import Brought, echo, kept
from .sides import Course, Place, Sides
from .wording import Wording

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection


@dataclass(slots=True)
class Followed:
    """What became of the keys on the shadow; what is in neither set is there."""

    left: set[Key] = field(default_factory=set)
    """Owed: refused, not reached, or without a vector."""
    doubtful: set[Key] = field(default_factory=set)
    """Of unknown outcome."""
    otherwise: set[Key] = field(default_factory=set)
    """Whose text on the live side is another than the one that its vector there was made of: owed to both."""
    why: TransvaseError | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """Writes shadows. ``texts`` and ``vectors`` of a write are what was encoded for it before."""

    connection: Connection
    sides: Sides
    wording: Wording

    def follow(
        self, course: Course, keys: Sequence[Key], *, texts: Mapping[Key, str | None], vectors: Mapping[str, Vector]
    ) -> Followed:
        """Bring the keys on the shadow to what the live side holds. No failure of the shadow's leaves this."""
        done = Followed()
        try:
            self._follow(course, keys, texts, vectors, done)
        except TransvaseError as error:
            done.why = error
            (done.doubtful if in_doubt(error) else done.left).update(keys)
        return done

    def echoed(
        self, course: Course, sent: Brought | None, *, vectors: Mapping[str, Vector], texts: Mapping[Key, str | None]
    ) -> Followed | None:
        """Send the shadow what the live side was sent, where nothing has to be read back for that; None where it was not done."""
        if sent is None or course.shadow is None or sent.beacons:
            return None
        names, text = sent.given.properties.keys(), texts.get(sent.given.key)
        if text is None and course.shadow.adopted:
            return None
        try:
            source, target = self.sides.place(course.live.site), self.sides.place(course.shadow.site)
        except TransvaseError:
            return None  # the longer way meets it again, and knows whose failure it is
        known = source.shape.properties.keys() & target.shape.properties.keys()
        worded = all(source.shape.properties[name].kind == "text" for name in columns_of(course.alias.source.text))
        if not (source.alone and target.alone and worded and names <= known) or (text is not None and text not in vectors):
            return None
        vector = None if text is None else vectors[text]
        try:
            echo(self.connection, target.shape, replace(sent, vector=vector), moving=course.moving)
        except TransvaseError as error:
            # The longer way finds out what is wrong, and mends what can be mended.
            return Followed(doubtful={sent.given.key}, why=error) if in_doubt(error) else None
        return Followed()

    def gone(self, course: Course, keys: Sequence[Key]) -> Followed:
        """The same for keys that were deleted on the live side."""
        done = Followed()
        assert course.shadow is not None, "called only where there is one"
        try:
            self._drop(self.sides.place(course.shadow.site), keys)
        except TransvaseError as error:
            done.why = error
            (done.doubtful if in_doubt(error) else done.left).update(keys)
        return done

    def _follow(
        self,
        course: Course,
        keys: Sequence[Key],
        texts: Mapping[Key, str | None],
        vectors: Mapping[str, Vector],
        done: Followed,
    ) -> None:
        assert course.shadow is not None, "called only where there is one"
        now = self._now(course, keys)
        names = {name for one in now.values() for name in one.cargo.properties}
        source, target = self.sides.place(course.live.site, names), self.sides.shadow_place(course, names)
        found = {key: self.sides.text(course, source, dict(one.cargo.properties)) for key, one in now.items()}
        done.otherwise.update(key for key, text in found.items() if key in texts and texts[key] != text)
        known = {
            **vectors,
            **self.wording.shadow(course.shadow, [t for t in found.values() if t is not None and t not in vectors]),
        }
        ready = []
        for key, one in now.items():
            text = found[key]
            if text is None and course.shadow.adopted:  # it may have a vector of the application's own, which a payment keeps
                done.left.add(key)
            elif text is None or text in known:
                ready.append(one.holding(None if text is None else known[text]))
            else:
                done.left.add(key)
        refused = self._put(course, target, ready)
        kept(self.connection, target.shape, [one.key for one in ready])
        for key, why in refused.items():
            (done.doubtful if kind_said(why) in DOUBTFUL else done.left).add(key)
        self._drop(target, [key for key in keys if key not in now])

    def _now(self, course: Course, keys: Sequence[Key]) -> dict[Key, Seen]:
        """What the live side holds. A single one is read with whatever it has; many with a description that is fresh."""
        if len(keys) == 1:
            one = single(self.connection, self.sides.place(course.live.site).shape, course.lens, keys[0])
            return {} if one is None else {one.key: one}
        return fetch(self.connection, self.sides.described(course.live.site).shape, course.lens, keys)

    def _put(self, course: Course, target: Place, objects: Sequence[Seen]) -> dict[Key, str]:
        assert course.shadow is not None, "called only where there is one"
        width = course.shadow.width
        failed = put(self.connection, target.shape, objects, moving=course.moving, width=width) if objects else {}
        strange = {key for key, why in failed.items() if kind_said(why) is Kind.NO_TENANT}
        if not strange:
            return failed
        Tenants(self.connection, course.live.site).mirrored(Tenants(self.connection, course.shadow.site))
        again = put(
            self.connection, target.shape, [one for one in objects if one.key in strange], moving=course.moving, width=width
        )
        return {**{key: why for key, why in failed.items() if key not in strange}, **again}

    def _drop(self, target: Place, keys: Sequence[Key]) -> None:
        for tenant in sorted({str(key[0]) if len(key) > 1 else "" for key in keys}):
            with suppress(UnknownName):  # a tenant that the shadow has not holds nothing
                drop(self.connection, target.shape, [key for key in keys if (str(key[0]) if len(key) > 1 else "") == tenant])
