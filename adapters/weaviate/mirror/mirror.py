"""The application's door for writes: the calls of the driver's collection, written to the live side and to the one beside it."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType
from typing import Any, Protocol, Self
from uuid import UUID, uuid4

from transvase.adapters.weaviate.mirror import live
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.core.errors import BadValue
from transvase.core.preload import Given as Encoders

from .batch import Batches
from .desk import Desk
from .given import Id, Own, Properties, References
from .hand import Deleted, Hand, Outcome
from .late import HELD_S
from .tenants import MirroredTenants
from .wording import Wording


class Ground(Protocol):
    """What a mirror needs of the store: the setting of an alias, and to be let go of."""

    def setting(self, alias: str) -> Setting:
        """What every port of the alias stands on; UnknownName."""
        ...

    def close(self) -> None:
        """Let go of every connection."""
        ...


class Mirror:
    """Writes one alias, and its shadow while there is one. Threads share it, and so do the views of single tenants.

    ``encoders`` are given as to a Retriever. An application that brings its own vectors goes on bringing them: each goes to the
    side that is as wide as it is, or of its Space; what the other side needs is encoded. ``by`` says in messages who writes.
    """

    def __init__(
        self, store: Ground, alias: str, *, encoders: Encoders | None = None, by: str = "", held_s: float = HELD_S
    ) -> None:
        if not isinstance(alias, str) or not alias.strip():
            raise BadValue("alias", alias, why="name the alias to be written")
        if not hasattr(store, "setting"):
            why = "a mirror is for weaviate://; other stores capture every write by themselves"
            raise BadValue("store", type(store).__name__, why=why)
        self._store, self._owned = store, False
        self._hand = Hand(Desk(store.setting(alias), Wording(encoders), by=by, held_s=held_s))

    @classmethod
    def connect(cls, url: str, alias: str, *, encoders: Encoders | None = None) -> Self:
        """A mirror with a store of its own (``weaviate://…``, with the operator's ledger), which ``close`` lets go of."""
        from transvase.core.connect import connect

        store: Any = connect(url)
        try:
            mirror = cls(store, alias, encoders=encoders)
        except BaseException:
            store.close()
            raise
        mirror._owned = True
        return mirror

    @property
    def data(self) -> Self:
        """Itself: what was written ``collection.data.insert(…)`` stays so."""
        return self

    @property
    def batch(self) -> Batches:
        """Batches as the driver's collection has them: ``with mirror.batch.dynamic() as batch: batch.add_object(…)``."""
        return Batches(self._hand)

    @property
    def tenants(self) -> MirroredTenants:
        """The tenants of both sides."""
        return MirroredTenants(self._hand.desk)

    def with_tenant(self, tenant: object) -> Mirror:
        """The same mirror for one tenant: a name, or the driver's Tenant."""
        name = str(getattr(tenant, "name", tenant))
        if not name:
            raise BadValue("tenant", tenant, why="name a tenant")
        view = object.__new__(type(self))
        view._store, view._owned, view._hand = self._store, False, self._hand.within(name)
        return view

    def insert(
        self,
        properties: Properties | None = None,
        references: References | None = None,
        *,
        uuid: Id | None = None,
        vector: Own = None,
    ) -> UUID:
        """A new object; its id. StoreFailed where there is one of this id already."""
        return self._hand.whole(live.insert, uuid or uuid4(), properties, references, vector)

    def replace(
        self, uuid: Id, properties: Properties | None = None, *, references: References | None = None, vector: Own = None
    ) -> None:
        """The whole object anew. StoreFailed where there is none of this id."""
        self._hand.whole(live.replace, uuid, properties, references, vector)

    def update(
        self, uuid: Id, properties: Properties | None = None, *, references: References | None = None, vector: Own = None
    ) -> None:
        """Some properties of an object. A changed text gets its new vector, which the driver's own update leaves as it was.

        StoreFailed where there is no object of this id.
        """
        self._hand.change(uuid, properties, references, vector)

    def delete(self, uuid: Id) -> bool:
        """Delete the object; False where there was none."""
        return self._hand.delete(uuid)

    delete_by_id = delete

    def delete_many(self, where: object) -> Deleted:
        """Delete what meets the driver's filter (or the ids of a list) now; what comes to meet it meanwhile may stay."""
        return self._hand.delete_all(where)

    def insert_many(self, objects: Iterable[object]) -> Outcome:
        """Several objects, over what is there: mappings of properties, or DataObjects. Of one id the last one counts."""
        return self._hand.several(objects)

    def reference_add(self, from_uuid: Id, from_property: str, *, to: object) -> None:
        """Add references of a property: an id, several, or the driver's ReferenceToMulti."""
        self._hand.refer(from_uuid, from_property, to, how="POST")

    def reference_delete(self, from_uuid: Id, from_property: str, *, to: object) -> None:
        """Take references away."""
        self._hand.refer(from_uuid, from_property, to, how="DELETE")

    def reference_replace(self, from_uuid: Id, from_property: str, *, to: object) -> None:
        """Let a property refer to these alone."""
        self._hand.refer(from_uuid, from_property, to, how="PUT")

    def exists(self, uuid: Id) -> bool:
        """True where the live side has an object of this id."""
        return self._hand.exists(uuid)

    def close(self) -> None:
        """Leave owed what is in doubt, and let go of the store if it is the mirror's own. Of a tenant's view: nothing."""
        if self._hand.tenant:
            return
        self._hand.desk.close()
        if self._owned:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
