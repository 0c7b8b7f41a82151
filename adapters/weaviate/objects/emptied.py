"""Tenants that are fetched from cold storage and may come back empty: kept in mind, for the server does not.

It says of one that it failed to fetch that it is awake, then and after every restart, and counts nothing in it. The first command
that wakes it says so and ends; without a note the same command again would take it for one that holds nothing, and the new side
would go live without it. So the ledger is told before the fetching, and told again when there was something in it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from transvase.adapters.weaviate.collections.tenants import EMPTIED, Tenants
from transvase.core.errors import StoreFailed

if TYPE_CHECKING:
    from .setting import Setting

_FETCHED: Final = "fetched tenant"
"""What a doubt of ours is of, as its fact ``of`` says."""


@contextmanager
def woken(setting: Setting, site: str, tenant: str) -> Iterator[None]:
    """As ``Tenants.awake``; StoreFailed also where the tenant came back empty for an earlier command, and is empty still.

    Only of the live side: what another one lacks is brought to it again. It ends when the tenant holds something or is removed.
    """
    _refuse(setting, site, tenant)
    noted: list[int] = []

    def note() -> None:
        if site == setting.look().live.site:
            why = f"the tenant {tenant} of {site} is being fetched, and might come back empty"
            noted.append(setting.ledger.doubt(setting.alias, why, facts={"of": _FETCHED, "site": site, "tenant": tenant}))

    with Tenants(setting.connection, site).awake(tenant, fetching=note):
        for number in noted:
            setting.ledger.clear(setting.alias, number)
        yield


def _refuse(setting: Setting, site: str, tenant: str) -> None:
    noted = [one for one in setting.ledger.doubts(setting.alias) if one.facts.get("of") == _FETCHED]
    noted = [one for one in noted if one.facts["site"] == site]
    if not noted or site != setting.look().live.site:
        return
    tenants = Tenants(setting.connection, site)
    there = tenants.statuses()
    for doubt in noted:
        name = str(doubt.facts["tenant"])
        if name == tenant and name in there:
            with tenants.awake(tenant):
                if not setting.connection.count(site, tenant):
                    raise StoreFailed(
                        f"the tenant {tenant} of {site} came back empty when it was fetched, and is empty still: "
                        "put back what it held, or remove the tenant; the same command goes on then",
                        code=EMPTIED,
                    )
        if name == tenant or name not in there:
            setting.ledger.clear(setting.alias, doubt.number)
