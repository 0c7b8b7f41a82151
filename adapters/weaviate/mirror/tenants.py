"""The tenants of both sides: made on the shadow first, so that a write finds them there, and removed with every key noted."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

from transvase.adapters.weaviate.collections.activity import Activity
from transvase.adapters.weaviate.collections.tenants import Tenants
from transvase.adapters.weaviate.objects.copies import pages
from transvase.adapters.weaviate.objects.reading import Lens
from transvase.core.errors import BadValue, TransvaseError
from transvase.core.record import Key
from weaviate.collections.classes.tenants import TenantActivityStatus, TenantOutput

from .desk import Desk
from .lacking import Partial
from .sides import Course

NOTED_AT_ONCE: Final = 10_000

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class MirroredTenants(Partial):
    """Changes of tenants, as the driver's ``collection.tenants``: names, or its Tenant objects."""

    desk: Desk

    def get(self) -> dict[str, TenantOutput]:
        """The live side's tenants and their states, by name."""
        states = self._of(self.desk.course().live.site).statuses()
        return {name: TenantOutput(name=name, activity_status=TenantActivityStatus(state)) for name, state in states.items()}

    def get_by_names(self, tenants: Sequence[object]) -> dict[str, TenantOutput]:
        """Those of them that are named here and are there; all of them where none is named."""
        names = {name_of(one) for one in tenants}
        return {name: one for name, one in self.get().items() if name in names or not names}

    def get_by_name(self, tenant: object) -> TenantOutput | None:
        """One of them; None where there is none of that name."""
        return self.get_by_names([tenant]).get(name_of(tenant))

    def exists(self, tenant: object) -> bool:
        """True where the live side has the tenant."""
        return self.get_by_name(tenant) is not None

    def activate(self, tenant: object) -> None:
        """Bring tenants to ACTIVE on both sides, as ``update`` does."""
        self.update(_towards(tenant, TenantActivityStatus.ACTIVE))

    def deactivate(self, tenant: object) -> None:
        """Bring tenants to INACTIVE."""
        self.update(_towards(tenant, TenantActivityStatus.INACTIVE))

    def offload(self, tenant: object) -> None:
        """Bring tenants to OFFLOADED."""
        self.update(_towards(tenant, TenantActivityStatus.OFFLOADED))

    def create(self, tenants: object) -> None:
        """Make tenants on both sides; one that is there stays as it is."""
        states = _states(tenants)
        course = self.desk.course()
        if course.shadow is not None:
            self._beside(course, lambda side: side.add(states), "made")
        self._of(course.live.site).add(states)

    def update(self, tenants: object) -> None:
        """Bring tenants to other states on both sides: the shadow first, whose refusal is raised with nothing changed."""
        states = _states(tenants)
        course = self.desk.course()
        live = self._of(course.live.site)
        self._released(course, states)
        if course.shadow is None:
            live.bring(states)
            return
        shadow = self._of(course.shadow.site)
        live.mirrored(shadow)  # somebody else may have made one on the live side alone
        before = {name: state for name, state in shadow.statuses().items() if name in states}
        try:
            shadow.bring(states)
            live.bring(states)
        except TransvaseError:
            with suppress(TransvaseError):  # the first failure is the one to be told; of several tenants some may have changed
                shadow.bring(before)
            raise

    def remove(self, tenants: object) -> None:
        """Remove tenants with all that they hold. While there is a shadow their keys are noted first, however many those are."""
        names = tuple(_states(tenants))
        course = self.desk.course()
        if course.shadow is None:
            self._of(course.live.site).remove(names)
            return
        ledger, alias = self.desk.setting.ledger, self.desk.setting.alias
        noted: list[int] = []
        settled = False
        try:
            for name in names:
                keys = self._keys(course, name)
                for start in range(0, len(keys), NOTED_AT_ONCE):
                    some = keys[start : start + NOTED_AT_ONCE]
                    noted += ledger.intend(alias, some, first=course.live.site)
            self._of(course.live.site).remove(names)
            settled = self._beside(course, lambda side: side.remove(names), "removed")
        finally:
            (ledger.settle if settled else ledger.leave)(alias, noted)

    def _released(self, course: Course, states: Mapping[str, Activity]) -> None:
        """Whoever is just in one that is to be awake from now on leaves it so."""
        awake = [name for name, state in states.items() if state is Activity.ACTIVE]
        for side in (course.live, course.shadow):
            if side is not None and awake:
                self.desk.setting.wakings(side.site).release(awake)

    def _keys(self, course: Course, tenant: str) -> list[Key]:
        """Every key of a tenant, on either side; one that sleeps is woken for it."""
        found: dict[Key, None] = {}
        lens = Lens(course.moving, vector=False, others=False, properties=False)
        for side in (course.live, course.shadow):
            if side is None or tenant not in self._of(side.site).statuses():
                continue
            with self._of(side.site).awake(tenant):
                for page in pages(self.desk.setting.connection, side.site, lens, limit=NOTED_AT_ONCE, tenant=tenant):
                    found.update(dict.fromkeys(one.key for one in page))
        return list(found)

    def _beside(self, course: Course, act: Callable[[Tenants], None], done: str) -> bool:
        """The same on the shadow. Its failure is nobody's error: a write makes the tenant there, what is owed empties it."""
        assert course.shadow is not None, "called only where there is one"
        try:
            act(self._of(course.shadow.site))
        except TransvaseError as error:
            _log.warning("tenants were not %s on %s: %s", done, course.shadow.site, error)
            return False
        return True

    @property
    def _named(self) -> str:
        return self.desk.setting.alias

    def _of(self, site: str) -> Tenants:
        return self.desk.setting.tenancy(site)


def name_of(tenant: object) -> str:
    """The name that was meant, by itself or by the driver's Tenant; BadValue."""
    name = tenant if isinstance(tenant, str) else getattr(tenant, "name", None)
    if not isinstance(name, str) or not name:
        raise BadValue("tenant", tenant, why="give a name, or a Tenant")
    return name


def _several(tenants: object) -> Sequence[object]:
    return tenants if isinstance(tenants, Sequence) and not isinstance(tenants, str) else [tenants]


def _towards(tenants: object, state: TenantActivityStatus) -> list[TenantOutput]:
    return [TenantOutput(name=name_of(one), activity_status=state) for one in _several(tenants)]


def _states(tenants: object) -> Mapping[str, Activity]:
    """Names and states of what the driver takes: a name, a Tenant, or several. BadValue."""
    found: dict[str, Activity] = {}
    for one in _several(tenants):
        name = name_of(one)
        state = getattr(one, "activity_status", None)
        said = str(getattr(state, "value", state) or Activity.ACTIVE)
        try:
            found[name] = Activity({"HOT": "ACTIVE", "COLD": "INACTIVE", "FROZEN": "OFFLOADED"}.get(said, said))
        except ValueError:
            raise BadValue("tenant", said, why=f"the states are {', '.join(Activity)}") from None
    return found
