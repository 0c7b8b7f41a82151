"""The application's door for writes: the calls of the driver's collection, written to the live side and to the one beside it."""

from __future__ import annotations

from types import TracebackType
from typing import Any, Protocol, Self

from transvase.adapters.weaviate.objects.setting import Setting
from transvase.core.errors import BadValue, Superseded, UnknownName
from transvase.core.preload import Given as Encoders

from .batch import Batches
from .data import Data
from .desk import Desk
from .given import Id
from .hand import Hand
from .late import HELD_S
from .tenants import MirroredTenants, name_of
from .wording import Wording


class Ground(Protocol):
    """What a mirror needs of the store: the setting of an alias, and to be let go of."""

    def setting(self, alias: str) -> Setting:
        """What every port of the alias stands on; UnknownName."""
        ...

    def close(self) -> None:
        """Let go of every connection."""
        ...


class Mirror(Data):
    """Writes one alias, and its shadow while there is one. Threads share it, and so do the views of single tenants.

    What the driver has under ``collection.data`` may be called on it directly too.

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
        self._store, self._owned, self._whole = store, False, True
        super().__init__(Hand(Desk(store.setting(alias), Wording(encoders), by=by, held_s=held_s)))
        self._batches = Batches(self._hand)

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
    def tenant(self) -> str | None:
        """The tenant that is written."""
        return self._hand.tenant or None

    @property
    def data(self) -> Data:
        """The writes: what was written ``collection.data.insert(…)`` stays so."""
        return Data(self._hand)

    @property
    def batch(self) -> Batches:
        """Batches as the driver's collection has them: ``with mirror.batch.dynamic() as batch: batch.add_object(…)``."""
        return self._batches

    @property
    def tenants(self) -> MirroredTenants:
        """The tenants of both sides."""
        return MirroredTenants(self._hand.desk)

    def with_tenant(self, tenant: object) -> Mirror:
        """The same mirror for one tenant: a name, or the driver's Tenant."""
        return self._view(self._hand.within(name_of(tenant)))

    def with_consistency_level(self, consistency_level: object) -> Mirror:
        """The same mirror. It writes by QUORUM where there are replicas, which is more than ONE asks for; BadValue for ALL."""
        level = str(getattr(consistency_level, "value", consistency_level))
        if level not in ("ONE", "QUORUM"):
            why = "a mirror writes by QUORUM where there are replicas, and by no other level"
            raise BadValue("consistency_level", level, why=why)
        return self._view(self._hand)

    def exists(self, uuid: Id | None = None) -> bool:
        """Whether the alias and its live side are there, as the driver's collection says it; with an id, as ``data.exists``."""
        if uuid is not None:
            return super().exists(uuid)
        try:
            self._hand.desk.sides.described(self._hand.desk.sides.look().live.site)
        except (Superseded, UnknownName):
            return False
        return True

    def _view(self, hand: Hand) -> Mirror:
        view = object.__new__(type(self))
        view._store, view._owned, view._whole = self._store, False, False
        view._hand, view._batches = hand, Batches(hand)
        return view

    def close(self) -> None:
        """Leave owed what is in doubt, and let go of the store if it is the mirror's own. Of ``with_tenant``: nothing."""
        if not self._whole:
            return
        self._hand.desk.close()
        if self._owned:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
