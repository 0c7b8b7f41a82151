"""Objects on their way to the live side: their texts, and the vectors of both sides, made before the write where possible."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from transvase.adapters.weaviate.objects.cargo import Vector
from transvase.adapters.weaviate.objects.texts import expression
from transvase.core.errors import TransvaseError
from transvase.core.record import Key
from transvase.core.template import columns_of

from .desk import Desk, Work
from .given import Given, beacons_of
from .live import Brought, properties
from .sides import Course, Place
from .wording import fitting, own_for


@dataclass(frozen=True, slots=True)
class Draft:
    """Some objects of one write. What was encoded for a side is remembered, so that a look ahead costs nothing twice."""

    desk: Desk
    givens: Sequence[Given]
    _made: dict[tuple[str, str], Vector] = field(default_factory=dict)

    def unfit(self) -> dict[Key, TransvaseError]:
        """Objects whose own vector belongs to neither side as they are known now, each with the error that this is."""
        course, found = self._known(), dict[Key, TransvaseError]()
        for given in self.givens:
            try:
                fitting(course, given.own)
            except TransvaseError as error:
                found[given.key] = error
        return found

    def ahead(self) -> Draft:
        """Encode for the sides as they are known now, before anything is noted. The encoder's errors; SpaceMismatch, BadValue."""
        course = self._known()
        texts = self._texts(course, self._place(course))
        for given in self.givens:
            fitting(course, given.own)
        self._live(course, self._place(course), texts)
        self._shadow(course, texts)
        return self

    def brought(self, work: Work) -> list[Brought]:
        """The objects with the vectors that the live side is given; what the shadow needs is left in ``work``."""
        course = work.course
        place = self._place(course)
        texts = self._texts(course, place)
        vectors = self._live(course, place, texts)
        work.texts.update(texts)
        work.vectors.update(self._shadow(course, texts))
        return [
            Brought(given, vectors.get(at), beacons_of(given.references, place.shape, ours=course.ours))
            for at, given in enumerate(self.givens)
        ]

    def _known(self) -> Course:
        alias = self.desk.sides.alias
        return Course(alias=alias, live=alias.live, shadow=alias.shadow)

    def _place(self, course: Course) -> Place:
        return self.desk.sides.place(course.live.site, {name for given in self.givens for name in given.properties})

    def _texts(self, course: Course, place: Place) -> dict[Key, str | None]:
        return {
            given.key: self.desk.sides.text(course, place, dict(given.properties if given.whole is None else given.whole))
            for given in self.givens
        }

    def _live(self, course: Course, place: Place, texts: Mapping[Key, str | None]) -> dict[int, Vector]:
        """By number of the object: its own vector, or its text's where nobody else makes one."""
        side = course.live
        found = {at: own for at, given in enumerate(self.givens) if (own := own_for(side, given.own)) is not None}
        if not place.brought or side.space is None:
            return found
        wanted = {at: text for at, given in enumerate(self.givens) if at not in found and (text := texts[given.key]) is not None}
        lacking = [text for text in wanted.values() if (side.name, text) not in self._made]
        self._made.update({(side.name, text): vector for text, vector in self.desk.wording.live(side, lacking).items()})
        return {**found, **{at: self._made[side.name, text] for at, text in wanted.items()}}

    def _shadow(self, course: Course, texts: Mapping[Key, str | None]) -> dict[str, Vector]:
        """By text, as far as it can be had now."""
        side = course.shadow
        if side is None or side.space is None:
            return {}
        found: dict[str, Vector] = {}
        for given in self.givens:
            text, own = texts[given.key], own_for(side, given.own)
            if text is not None and own is not None:
                found[text] = own
        lacking = [text for text in texts.values() if text is not None and text not in found]
        fresh = [text for text in lacking if (side.name, text) not in self._made]
        self._made.update({(side.name, text): vector for text, vector in self.desk.wording.shadow(side, fresh).items()})
        return {**found, **{text: self._made[side.name, text] for text in lacking if (side.name, text) in self._made}}


def changed(desk: Desk, work: Work, given: Given) -> Brought:
    """An object of which only some properties are given: its text is read from all that it will have.

    A change that does not touch the text brings no vector. Without a text there is none to be had, and the one on the live side,
    which no partial update takes away, is left to the worker.
    """
    course = work.course
    place = desk.sides.place(course.live.site, given.properties)
    expression(course.alias.source.text, place.shape)
    columns = set(columns_of(course.alias.source.text))
    if not columns & given.properties.keys() and given.own is None:
        return Brought(given, None, beacons_of(given.references, place.shape, ours=course.ours))
    whole = dict(given.properties)
    if not columns <= whole.keys():
        whole = {**properties(desk.setting.connection, place.shape, given.key), **whole}
    fitting(course, given.own)
    fuller = Given(
        key=given.key,
        properties=given.properties,
        references=given.references,
        own=given.own,
        others=given.others,
        whole=whole,
    )
    (brought,) = Draft(desk, [fuller]).brought(work)
    if work.texts[given.key] is None and place.brought:
        work.uneven.add(given.key)
    return brought
