"""The verbs of a mirror, for one tenant or for a collection without tenants: what is prepared, and what is written how."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID, uuid4

from transvase.adapters.weaviate.collections.shape import Shape
from transvase.adapters.weaviate.mirror import live
from transvase.adapters.weaviate.wire.connection import Connection
from transvase.core.errors import BadValue
from transvase.core.record import Key

from .desk import Desk, Work
from .drafts import Draft, changed
from .given import Given, Id, Own, Properties, References, beacons_of, properties_of, uuid_of, vectors_of

AT_ONCE: Final = 500
"""Objects of one intent."""

Line = tuple[Key, str, object]
"""A reference to be added: from which object, by which property, to what."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of several objects, each by its number in the call: the ids of those taken, and why others were not."""

    uuids: Mapping[int, UUID] = field(default_factory=dict)
    errors: Mapping[int, str] = field(default_factory=dict)

    @property
    def has_errors(self) -> bool:
        """True where one was refused."""
        return bool(self.errors)


@dataclass(frozen=True, slots=True)
class Deleted:
    """How many objects met the filter, how many of them are gone, and how many the server would not delete."""

    matches: int
    successful: int
    failed: int


@dataclass(frozen=True, slots=True)
class Hand:
    """One desk, and the tenant that is written; empty where there are none."""

    desk: Desk
    tenant: str = ""

    def within(self, tenant: str) -> Hand:
        """The same for a tenant."""
        return replace(self, tenant=tenant)

    def whole(
        self,
        act: Callable[..., None],
        uuid: Id,
        properties: Properties | None,
        references: References | None,
        vector: Own,
    ) -> UUID:
        """Insert or replace one object, as ``act`` does it."""
        given = self.given(uuid, properties, references, vector)
        draft = Draft(self.desk, [given]).ahead()

        def write(work: Work) -> None:
            (brought,) = draft.brought(work)
            act(self._connection, self._shape(work), brought, moving=work.course.moving)
            work.sent = brought

        self.desk.write([given.key], write)
        return uuid_of(given.uuid)

    def change(self, uuid: Id, properties: Properties | None, references: References | None, vector: Own) -> None:
        """Some properties of one object."""
        given = self.given(uuid, properties, references, vector)

        def write(work: Work) -> None:
            brought = changed(self.desk, work, given)
            live.update(self._connection, self._shape(work), brought, moving=work.course.moving)

        self.desk.write([given.key], write)

    def delete(self, uuid: Id) -> bool:
        """One object; False where there was none."""
        key = self.key(uuid)
        gone, _ = self.desk.write([key], lambda work: self._deleted(work, [key], None))
        return gone > 0

    def delete_all(self, where: object) -> Deleted:
        """What meets the filter, found at the live side and noted before it is deleted there, if it meets it still."""
        filters = live.filters_of(where)
        matches = successful = failed = 0
        while True:
            site = self.desk.sides.alias.live.site
            keys = live.matching(self._connection, self.desk.sides.place(site).shape, filters, self.tenant)
            gone = 0
            for start in range(0, len(keys), AT_ONCE):
                went, left = self._delete_some(keys[start : start + AT_ONCE], filters)
                gone, failed = gone + went, failed + len(left)
            matches, successful = matches + len(keys), successful + gone
            if len(keys) < live.FOUND_AT_ONCE or not gone:
                return Deleted(matches, successful, failed)

    def several(self, objects: Iterable[object]) -> Outcome:
        """Objects over what is there."""
        givens = [self._object(one) for one in objects]
        refused = self.put(givens)
        uuids = {at: uuid_of(given.uuid) for at, given in enumerate(givens) if given.key not in refused}
        return Outcome(uuids, {at: refused[given.key] for at, given in enumerate(givens) if given.key in refused})

    def put(self, givens: Sequence[Given]) -> dict[Key, str]:
        """Objects over what is there, ``AT_ONCE`` of them under one intent; of one key the last. What was refused, and why."""
        some = list({given.key: given for given in givens}.values())
        refused: dict[Key, str] = {}
        for start in range(0, len(some), AT_ONCE):
            refused.update(self._put(some[start : start + AT_ONCE]))
        return refused

    def refer(self, uuid: Id, name: str, to: object, *, how: str) -> None:
        """Change the references of one property of one object."""
        key = self.key(uuid)

        def write(work: Work) -> None:
            shape = self._shape(work)
            beacons = beacons_of({name: to}, shape, ours=work.course.ours)[name]
            live.refer(self._connection, shape, key, name, beacons, how=how)

        self.desk.write([key], write)

    def refer_all(self, lines: Sequence[Line]) -> dict[int, str]:
        """Add references; what was refused, by number."""

        def write(work: Work) -> dict[int, str]:
            shape = self._shape(work)
            told = [
                (number, (key, name, one["beacon"]))
                for number, (key, name, to) in enumerate(lines)
                for one in beacons_of({name: to}, shape, ours=work.course.ours)[name]
            ]
            failed = live.refer_many(self._connection, shape, [line for _, line in told])
            return {told[at][0]: why for at, why in failed.items()}

        return self.desk.write([key for key, _, _ in lines], write) if lines else {}

    def exists(self, uuid: Id) -> bool:
        """True where the live side has it."""
        site = self.desk.sides.alias.live.site
        return live.exists(self._connection, self.desk.sides.place(site).shape, self.key(uuid))

    def given(self, uuid: Id, properties: Properties | None, references: References | None, vector: Own) -> Given:
        """An object as it was handed over. BadValue."""
        own, others = vectors_of(vector, self.desk.sides.alias.source.vector)
        return Given(
            key=self.key(uuid),
            properties=properties_of(properties),
            references=dict(references or {}),
            own=own,
            others=others,
        )

    def key(self, uuid: Id) -> Key:
        """The key of an object; BadValue where a tenant is needed, or there are none."""
        shape = self.desk.sides.place(self.desk.sides.alias.live.site).shape
        if shape.tenants != bool(self.tenant):
            why = "has tenants: write with_tenant(NAME)" if shape.tenants else "has no tenants"
            raise BadValue("tenant", self.tenant, why=f"{shape.name} {why}")
        return (self.tenant, uuid_of(uuid)) if self.tenant else (uuid_of(uuid),)

    def _object(self, one: object) -> Given:
        """A mapping of properties, or what has the fields of the driver's DataObject."""
        if isinstance(one, Mapping):
            return self.given(uuid4(), one, None, None)
        if not hasattr(one, "properties"):
            raise BadValue("object", one, why="give a mapping of properties, or a DataObject")
        found: Any = one
        return self.given(found.uuid or uuid4(), found.properties, found.references, found.vector)

    def _put(self, givens: Sequence[Given]) -> dict[Key, str]:
        draft = Draft(self.desk, givens).ahead()

        def write(work: Work) -> dict[Key, str]:
            brought, shape = draft.brought(work), self._shape(work)
            width = work.course.live.width
            refused = live.insert_many(self._connection, shape, brought, moving=work.course.moving, width=width)
            work.refused.update(refused)
            return refused

        return self.desk.write([given.key for given in givens], write)

    def _delete_some(self, keys: Sequence[Key], filters: Any) -> tuple[int, list[Key]]:
        return self.desk.write(keys, lambda work: self._deleted(work, keys, filters))

    def _deleted(self, work: Work, keys: Sequence[Key], filters: Any) -> tuple[int, list[Key]]:
        gone, left = live.delete(self._connection, self._shape(work), keys, filters=filters)
        # With a filter it is not known which of them went: the live side is asked.
        work.deleted, work.refused = filters is None, set(left)
        return gone, left

    def _shape(self, work: Work) -> Shape:
        return self.desk.sides.place(work.course.live.site).shape

    @property
    def _connection(self) -> Connection:
        return self.desk.setting.connection
