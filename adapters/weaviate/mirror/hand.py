"""The verbs of a mirror, for one tenant or for a collection without tenants: what is prepared, and what is written how."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from transvase.adapters.weaviate.collections.names import canonical
from transvase.adapters.weaviate.collections.shape import Shape
from transvase.adapters.weaviate.mirror import live
from transvase.adapters.weaviate.wire.connection import Connection
from transvase.adapters.weaviate.wire.failures import refusal
from transvase.core.errors import BadValue
from transvase.core.record import Key
from weaviate.collections.classes.batch import DeleteManyObject, DeleteManyReturn

from .desk import Desk, Work
from .drafts import Draft, changed
from .given import Given, Id, Own, Properties, References, beacons_of, properties_of, uuid_of, vectors_of

AT_ONCE: Final = 500
"""Objects of one intent."""


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
            act(self.connection, self.shape_of(work), brought, moving=work.course.moving)
            work.sent = brought

        self.desk.write([given.key], write)
        return uuid_of(given.uuid)

    def change(self, uuid: Id, properties: Properties | None, references: References | None, vector: Own) -> None:
        """Some properties of one object."""
        given = self.given(uuid, properties, references, vector)

        def write(work: Work) -> None:
            brought = changed(self.desk, work, given)
            live.update(self.connection, self.shape_of(work), brought, moving=work.course.moving)

        self.desk.write([given.key], write)

    def delete(self, uuid: Id) -> bool:
        """One object; False where there was none."""
        key = self.key(uuid)

        def write(work: Work) -> bool:
            told = self._deleted(work, [key], None)
            for why in filter(None, told.values()):
                name = self.shape_of(work).name
                raise refusal(why, doing=f"deleting the object {key[-1]} from {name}", index=name)
            return key in told

        return self.desk.write([key], write)

    def delete_all(self, where: object, *, verbose: bool = False) -> DeleteManyReturn[Any]:
        """What meets the filter, found at the live side and noted before it is deleted there, if it meets it still."""
        filters = live.filters_of(where)
        gone, left, objects = 0, dict[Key, str](), list[DeleteManyObject]()
        while True:
            keys = live.matching(self.connection, self.live_shape, filters, self.tenant)
            told: dict[Key, str] = {}
            for start in range(0, len(keys), AT_ONCE):
                told.update(self._delete_some(keys[start : start + AT_ONCE], filters))
            left.update((key, why) for key, why in told.items() if why)
            went = [key for key, why in told.items() if not why]
            gone += len(went)
            if verbose:
                objects += [DeleteManyObject(uuid=uuid_of(key[-1]), successful=True) for key in went]
            if len(keys) < live.FOUND_AT_ONCE or not went:
                objects += [DeleteManyObject(uuid=uuid_of(key[-1]), successful=False, error=why) for key, why in left.items()]
                return DeleteManyReturn(
                    failed=len(left), matches=gone + len(left), objects=objects if verbose else None, successful=gone
                )

    def would_delete(self, where: object, *, verbose: bool = False) -> DeleteManyReturn[Any]:
        """What the server says that ``delete_all`` would do; nothing is noted, and nothing deleted."""
        reply = live.would_delete(self.connection, self.live_shape, live.filters_of(where), self.tenant)
        objects = [
            DeleteManyObject(uuid=UUID(bytes=one.uuid), successful=one.successful, error=one.error or None)
            for one in reply.objects
        ]
        return DeleteManyReturn(
            failed=reply.failed, matches=reply.matches, objects=objects if verbose else None, successful=reply.successful
        )

    def refer(self, uuid: Id, name: str, to: object, *, how: str) -> None:
        """Change the references of one property of one object."""
        key = self.key(uuid)

        def write(work: Work) -> None:
            shape = self.shape_of(work)
            beacons = beacons_of({name: to}, shape, ours=work.course.ours)[name]
            live.refer(self.connection, shape, key, name, beacons, how=how)

        self.desk.write([key], write)

    def exists(self, uuid: Id) -> bool:
        """True where the live side has it."""
        return live.exists(self.connection, self.live_shape, self.key(uuid))

    @property
    def collection(self) -> str:
        """The alias as the server knows it: what the driver would call the collection."""
        return canonical(self.desk.setting.alias)

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
        shape = self.live_shape
        if shape.tenants != bool(self.tenant):
            why = "has tenants: write with_tenant(NAME)" if shape.tenants else "has no tenants"
            raise BadValue("tenant", self.tenant, why=f"{shape.name} {why}")
        return (self.tenant, uuid_of(uuid)) if self.tenant else (uuid_of(uuid),)

    def _delete_some(self, keys: Sequence[Key], filters: Any) -> dict[Key, str]:
        return self.desk.write(keys, lambda work: self._deleted(work, keys, filters))

    def _deleted(self, work: Work, keys: Sequence[Key], filters: Any) -> dict[Key, str]:
        told = live.delete(self.connection, self.shape_of(work), keys, filters=filters)
        # With a filter it is not known which of them went: the live side is asked.
        work.deleted, work.refused = filters is None, {key for key, why in told.items() if why}
        return told

    def shape_of(self, work: Work) -> Shape:
        """The collection that a write goes to."""
        return self.desk.sides.place(work.course.live.site).shape

    @property
    def live_shape(self) -> Shape:
        """The collection that is live just now."""
        return self.desk.sides.place(self.desk.sides.alias.live.site).shape

    @property
    def connection(self) -> Connection:
        """To the server."""
        return self.desk.setting.connection
