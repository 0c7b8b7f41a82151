"""Several objects or references under one call: what one of them, or one request, fails by is told; the rest is written."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import uuid4

from transvase.adapters.weaviate.mirror import live
from transvase.core.errors import BadValue, StoreFailed, TransvaseError
from transvase.core.record import Key
from weaviate.outputs.batch import BatchObjectReturn, BatchReferenceReturn

from .answers import Handed, Line, objects_told, references_told
from .desk import Work
from .drafts import Draft
from .given import Given, Id, Own, Properties, References, beacon, targets_of
from .hand import AT_ONCE, Hand

SHOWN: Final = 3
"""Reasons that one sentence repeats."""


@dataclass(frozen=True, slots=True)
class Several:
    """What writes more than one object at a time."""

    hand: Hand

    def insert(self, objects: Iterable[object]) -> BatchObjectReturn:
        """Objects over what is there. Where none is taken, the error of the first request, or StoreFailed with their reasons."""
        begun = time.monotonic()
        some = [self.object_of(number, one) for number, one in enumerate(objects)]
        refused = self.put([one.given for one in some])
        if some and all(one.given.key in refused for one in some):
            reasons = list(dict.fromkeys(refused.values()))
            more = f" (and {len(reasons) - SHOWN} other reasons)" if len(reasons) > SHOWN else ""
            raise StoreFailed(f"none of {len(some)} objects was taken: {'; '.join(reasons[:SHOWN])}{more}")
        return objects_told(some, refused, collection=self.hand.collection, seconds=time.monotonic() - begun)

    def put(self, givens: Sequence[Given]) -> dict[Key, str]:
        """Objects over what is there, ``AT_ONCE`` of them under one intent; of one key the last. What was refused, and why.

        A request that fails as a whole is a refusal of its objects, and the others are written; its error is raised where
        nothing was.
        """
        some = list({given.key: given for given in givens}.values())
        refused: dict[Key, str] = {}
        errors: list[TransvaseError] = []
        for start in range(0, len(some), AT_ONCE):
            part = some[start : start + AT_ONCE]
            unfit = Draft(self.hand.desk, part).unfit()
            errors += unfit.values()
            refused.update((key, str(error)) for key, error in unfit.items())
            fit = [given for given in part if given.key not in unfit]
            try:
                refused.update(self._put(fit) if fit else {})
            except TransvaseError as error:
                errors.append(error)
                refused.update((given.key, str(error)) for given in fit)
        if errors and len(refused) == len(some):
            raise errors[0]
        return refused

    def lines(self, number: int, uuid: Id, name: str, to: object) -> list[Line]:
        """A line for each reference, counted on from ``number``. BadValue."""
        key = self.hand.key(uuid)
        return [Line(number=number + at, key=key, name=name, to=one) for at, one in enumerate(targets_of(to))]

    def refer(self, references: Iterable[Any]) -> BatchReferenceReturn:
        """What the driver's DataReference and DataReferenceMulti say, added. The error of the request where all failed by it."""
        begun, lines = time.monotonic(), list[Line]()
        for one in references:
            collection = str(getattr(one, "target_collection", ""))
            lines += [
                replace(line, to=(collection, line.to[1]))
                for line in self.lines(len(lines), one.from_uuid, one.from_property, one.to_uuid)
            ]
        refused = self.refer_all(lines)
        return references_told(lines, refused, collection=self.hand.collection, seconds=time.monotonic() - begun)

    def refer_all(self, lines: Sequence[Line]) -> dict[int, str]:
        """Add references; what was refused, by their numbers. An error is raised where nothing else came of it."""
        refused: dict[int, str] = {}
        errors: list[TransvaseError] = []
        for start in range(0, len(lines), AT_ONCE):
            part = lines[start : start + AT_ONCE]
            try:
                refused.update(self._refer(part))
            except TransvaseError as error:
                errors.append(error)
                refused.update((line.number, str(error)) for line in part)
        if errors and len(refused) == len(lines):
            raise errors[0]
        return refused

    def object_of(self, number: int, one: object) -> Handed:
        """A mapping of properties, or what has the fields of the driver's DataObject. BadValue."""
        if isinstance(one, Mapping):
            return self.handed(number, one, None, None, None)
        if not hasattr(one, "properties"):
            raise BadValue("object", one, why="give a mapping of properties, or a DataObject")
        found: Any = one
        return self.handed(number, found.properties, found.references, found.uuid, found.vector)

    def handed(
        self, number: int, properties: Properties | None, references: References | None, uuid: Id | None, vector: Own
    ) -> Handed:
        """One of several objects."""
        given = self.hand.given(uuid or uuid4(), properties, references, vector)
        kept = None if properties is None else dict(properties)  # the application may use its own for the next object
        return Handed(number=number, given=given, properties=kept, references=references, vector=vector)

    def _put(self, givens: Sequence[Given]) -> dict[Key, str]:
        draft = Draft(self.hand.desk, givens).ahead()

        def write(work: Work) -> dict[Key, str]:
            brought, shape = draft.brought(work), self.hand.shape_of(work)
            width = work.course.live.width
            refused = live.insert_many(self.hand.connection, shape, brought, moving=work.course.moving, width=width)
            work.refused.update(refused)
            return refused

        return self.hand.desk.write([given.key for given in givens], write)

    def _refer(self, lines: Sequence[Line]) -> dict[int, str]:
        def write(work: Work) -> dict[int, str]:
            shape, ours = self.hand.shape_of(work), work.course.ours
            told = [(line.key, line.name, beacon(line.to, line.name, shape, ours=ours)["beacon"]) for line in lines]
            return {lines[at].number: why for at, why in live.refer_many(self.hand.connection, shape, told).items()}

        return self.hand.desk.write([line.key for line in lines], write)
