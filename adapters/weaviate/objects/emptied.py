"""Tenants that are fetched from cold storage and may come back empty: kept in mind, for the server does not.

It says of one that it failed to fetch that it is awake, then and after every restart, and counts nothing in it. The first command
that wakes it says so and ends; without a note the same command again would take it for one that holds nothing, and the new side
would go live without it. So the ledger is told before the fetching, and told again when there was something in it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from transvase.adapters.ledger.port import Ledger
from transvase.adapters.weaviate.collections.tenants import EMPTIED, Tenants
from transvase.adapters.weaviate.wire.connection import Connection
from transvase.core.errors import StoreFailed

_FETCHED: Final = "fetched tenant"
"""What a doubt of ours is of, as its fact ``of`` says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Waking:
    """One site whose tenants are woken, and where it is kept in mind which of them are being fetched."""

    connection: Connection
    ledger: Ledger
    alias: str
    site: str
    live: Callable[[], str]
    """The live side's site; what another one lacks is brought to it again, so only of this one is anything kept in mind."""


@contextmanager
def woken(waking: Waking, tenant: str) -> Iterator[None]:
    """As ``Tenants.awake``; StoreFailed also where the tenant came back empty for an earlier command, and is empty still.

    It ends when the tenant holds something or is removed.
    """
    _refuse(waking, tenant)
    noted: list[int] = []

    def note() -> None:
        if waking.site == waking.live():
            why = f"the tenant {tenant} of {waking.site} is being fetched, and might come back empty"
            facts = {"of": _FETCHED, "site": waking.site, "tenant": tenant}
            noted.append(waking.ledger.doubt(waking.alias, why, facts=facts))

    with Tenants(waking.connection, waking.site).awake(tenant, fetching=note):
        for number in noted:
            waking.ledger.clear(waking.alias, number)
        yield


def _refuse(waking: Waking, tenant: str) -> None:
    noted = [one for one in waking.ledger.doubts(waking.alias) if one.facts.get("of") == _FETCHED]
    noted = [one for one in noted if one.facts["site"] == waking.site]
    if not noted or waking.site != waking.live():
        return
    tenants = Tenants(waking.connection, waking.site)
    there = tenants.statuses()
    for doubt in noted:
        name = str(doubt.facts["tenant"])
        if name == tenant and name in there:
            with tenants.awake(tenant):
                if not waking.connection.count(waking.site, tenant):
                    raise StoreFailed(
                        f"the tenant {tenant} of {waking.site} came back empty when it was fetched, and is empty still: "
                        "put back what it held, or remove the tenant; the same command goes on then",
                        code=EMPTIED,
                    )
        if name == tenant or name not in there:
            waking.ledger.clear(waking.alias, doubt.number)
