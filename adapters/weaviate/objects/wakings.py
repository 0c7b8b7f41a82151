"""Tenants that are woken for the time of our work, kept in mind in the ledger: the server does not say who woke one, or why.

Two things are noted, each before anything is done. That a tenant was *woken*, and how it was found: whoever is in it too leaves
it awake, whoever wants it awake from now on takes the note away, and what a process left behind that was killed is put back by
the next operator. And that one is being *fetched* from cold storage: the server says of one that it failed to fetch that it is
awake, then and after every restart, and counts nothing in it. The first command that wakes it says so and ends; without a note
the same command again would take it for one that holds nothing, and the new side would go live without it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from transvase.adapters.ledger import Doubt
from transvase.adapters.weaviate.collections.activity import AWAY, Activity
from transvase.adapters.weaviate.collections.tenants import Tenants
from transvase.adapters.weaviate.collections.waking import EMPTIED
from transvase.core.errors import StoreFailed, Superseded, UnknownName

if TYPE_CHECKING:
    from transvase.adapters.ledger.port import Ledger
    from transvase.adapters.weaviate.wire.connection import Connection

_FETCHED: Final = "fetched tenant"
_WOKEN: Final = "woken tenant"
"""What a doubt of ours is of, as its fact ``of`` says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wakings:
    """One site whose tenants are woken. Fits ``Keeping``."""

    ledger: Ledger
    alias: str
    site: str
    live: Callable[[], str]
    """The live side's site; what another one lacks is brought to it again, so only of this one is a fetching kept in mind."""
    _noted: dict[str, list[int]] = field(default_factory=dict, repr=False)
    """Our notes, by tenant: that of the waking first."""

    def found(self) -> Mapping[str, Activity]:
        """How those were found that somebody has woken; the first who did knows it."""
        states: dict[str, Activity] = {}
        for one in self._of(_WOKEN):
            states.setdefault(str(one.facts["tenant"]), Activity(str(one.facts["before"])))
        return states

    def woken(self, tenant: str, before: Activity) -> None:
        """Note it, and that it is being fetched where it was away."""
        why = f"the tenant {tenant} of {self.site} was {before} and is awake for our work"
        noted = [self._note(why, {"of": _WOKEN, "tenant": tenant, "before": str(before)}, own=True)]
        if before in AWAY and self.site == self.live():
            why = f"the tenant {tenant} of {self.site} is being fetched, and might come back empty"
            noted.append(self._note(why, {"of": _FETCHED, "tenant": tenant}, own=False))
        self._noted[tenant] = noted

    def arrived(self, tenant: str) -> None:
        """It was fetched."""
        while len(self._noted[tenant]) > 1:
            self.ledger.clear(self.alias, self._noted[tenant].pop())

    def wanted(self, tenant: str) -> bool:
        """True where our note was taken away."""
        noted = self._noted.get(tenant, [])
        return bool(noted) and noted[0] not in {one.number for one in self._of(_WOKEN, tenant)}

    def others(self, tenant: str) -> bool:
        """True where another note of it is of a process that lives."""
        ours = self._noted.get(tenant, [])[:1]
        return any(one.owned and one.number not in ours for one in self._of(_WOKEN, tenant))

    def left(self, tenant: str) -> bool:
        """Take our note away; True where it was there."""
        noted = self._noted.pop(tenant, [])
        return self.ledger.clear(self.alias, noted[0]) if noted else True

    def failed(self, tenant: str) -> None:
        """The note stays, and is nobody's from now on."""
        noted = self._of(_WOKEN, tenant)
        ours = self._noted.pop(tenant, [])[:1]
        for one in noted:
            if one.number in ours:
                self._note(one.why, {name: value for name, value in one.facts.items() if name != "site"}, own=False)
                self.ledger.clear(self.alias, one.number)

    def release(self, tenants: Collection[str]) -> None:
        """Take away every note of their waking, whosoever it is."""
        for one in self._of(_WOKEN):
            if one.facts["tenant"] in tenants:
                self.ledger.clear(self.alias, one.number)

    def fetched(self) -> list[Doubt]:
        """Notes of fetchings of which nobody has seen that they went well."""
        return self._of(_FETCHED)

    def _note(self, why: str, facts: Mapping[str, str | int], *, own: bool) -> int:
        return self.ledger.doubt(self.alias, why, facts={**facts, "site": self.site}, own=own)

    def _of(self, kind: str, tenant: str | None = None) -> list[Doubt]:
        found = (one for one in self.ledger.doubts(self.alias) if one.facts.get("of") == kind and one.facts["site"] == self.site)
        return [one for one in found if tenant in (None, one.facts["tenant"])]


@contextmanager
def woken(connection: Connection, wakings: Wakings, tenant: str) -> Iterator[None]:
    """As ``Tenants.awake``; StoreFailed also where the tenant came back empty for an earlier command, and is empty still.

    It ends when the tenant holds something or is removed.
    """
    _refuse(connection, wakings, tenant)
    with Tenants(connection, wakings.site, keeping=wakings).awake(tenant):
        yield


def put_back(connection: Connection, ledger: Ledger, alias: str) -> None:
    """Put every tenant back that a process left awake that is no more; called by the only operator of the alias.

    One that may have come back empty, or holds nothing, stays awake: putting it away would write over what is stored.
    """
    noted = [one for one in ledger.doubts(alias) if one.facts.get("of") == _WOKEN]
    alive = {(one.facts["site"], one.facts["tenant"]) for one in noted if one.owned}
    unsure = {(one.facts["site"], one.facts["tenant"]) for one in ledger.doubts(alias) if one.facts.get("of") == _FETCHED}
    for one in noted:
        place = (one.facts["site"], one.facts["tenant"])
        if one.owned:
            continue
        with suppress(Superseded, UnknownName):  # nothing is left to be put back
            if place not in alive and not _slept(connection, one, unsure=place in unsure):
                continue
        ledger.clear(alias, one.number)


def _slept(connection: Connection, noted: Doubt, *, unsure: bool) -> bool:
    """Put one back; False where it is still on its way, and the note has to stay."""
    site, tenant, before = str(noted.facts["site"]), str(noted.facts["tenant"]), Activity(str(noted.facts["before"]))
    tenants = Tenants(connection, site)
    now = tenants.status(tenant)
    if now is Activity.ACTIVE and not (before in AWAY and (unsure or not connection.count(site, tenant))):
        tenants.bring({tenant: before})
    return now is not Activity.ONLOADING


def _refuse(connection: Connection, wakings: Wakings, tenant: str) -> None:
    noted: Sequence[Doubt] = wakings.fetched()
    if not noted or wakings.site != wakings.live():
        return
    tenants = Tenants(connection, wakings.site, keeping=wakings)
    there = tenants.statuses()
    for doubt in noted:
        name = str(doubt.facts["tenant"])
        if name == tenant and name in there:
            with tenants.awake(tenant):
                if not connection.count(wakings.site, tenant):
                    raise StoreFailed(
                        f"the tenant {tenant} of {wakings.site} came back empty when it was fetched, and is empty still: "
                        "put back what it held, or remove the tenant; the same command goes on then",
                        code=EMPTIED,
                    )
        if name == tenant or name not in there:
            wakings.ledger.clear(wakings.alias, doubt.number)
