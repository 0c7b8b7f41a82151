"""What both sides must have alike beside their objects: settings, properties, vectors, tenants. Brought along where that can be.

A target is made like its source once, and the application goes on: it adds a property, a vector, a tenant, puts one to sleep,
changes a setting. A walk meets such a thing only where an object has it. So before a walk, a proof and a switch the other side
is given what can be given to a collection that is there; what is left is told, for after the switch whoever writes or reads
would meet it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

from transvase.adapters.weaviate.collections.schema import Difference, Raw, derived, differences, schema_of, tenanted
from transvase.adapters.weaviate.collections.settings import settled
from transvase.adapters.weaviate.collections.shape import shaped
from transvase.adapters.weaviate.collections.tenants import Tenants, Unlike, listed
from transvase.adapters.weaviate.collections.vectors import grown
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.adapters.weaviate.objects.writing import aligned
from transvase.core.errors import TransvaseError
from transvase.core.figures import Likeness
from transvase.core.ports import Alias, Declaration

from .pinning import pin

_log = logging.getLogger(__name__)


def liken(setting: Setting, side: Declaration) -> Likeness:
    """Bring along what can be brought, and tell what differs still; nothing for a site that is live itself."""
    alias = setting.look()
    if side.site == alias.live.site:
        return Likeness()
    bring(setting, side)
    raw = schema_of(setting.connection, alias.live.site)
    found = differences(_wanted(alias, side, raw), schema_of(setting.connection, side.site))
    unlike = setting.tenancy(alias.live.site).compared(setting.tenancy(side.site)) if tenanted(raw) else None
    return Likeness(
        differences=(
            *(_said(one, side.site) for one in found if not one.served),
            *(_of_tenants(unlike, alias.live.site, side.site) if unlike is not None else ()),
        ),
        remarks=tuple(_said(one, side.site) for one in found if one.served),
    )


def bring(setting: Setting, side: Declaration) -> None:
    """Give the side every property, named vector, setting and tenant that the live one has, and each tenant its state.

    A tenant that is too much goes when it holds nothing: what is in it is owed by a walk, like any object that is too much.
    """
    connection, alias = setting.connection, setting.look()
    raw = schema_of(connection, alias.live.site)
    aligned(connection, shaped(raw), setting.shape(side.site))
    wanted = _wanted(alias, side, raw)
    settled(connection, wanted, grown(connection, wanted, schema_of(connection, side.site)))
    if not tenanted(raw):
        return
    target = setting.tenancy(side.site)
    unlike = setting.tenancy(alias.live.site).mirrored(target, states=True)
    if unlike.missing and not side.adopted:
        pin(connection, side.site, vector=alias.source.vector, width=side.width, only=unlike.missing.keys())
    for name in unlike.extra:
        _ended(setting, target, side.site, name)


def _wanted(alias: Alias, side: Declaration, raw: Raw) -> Raw:
    return derived(raw, name=side.site, vector=alias.source.vector, width=side.width, metric=side.metric)


def _ended(setting: Setting, target: Tenants, site: str, name: str) -> None:
    with setting.awake(site, name):
        if setting.connection.count(site, name):
            return
    try:
        target.remove((name,))
    except TransvaseError as error:  # who may make tenants need not be allowed to remove them
        _log.warning("the empty tenant %s of %s, which the live side has not, was not removed: %s", name, site, error)


def _said(one: Difference, site: str) -> str:
    what = one.path.removeprefix("/")
    if one.there is None:
        return f"{site} lacks {what}"
    if one.here is None:
        return f"{site} has {what} and the live side has not"
    return f"{what} is {_short(one.there)} on {site} and should be {_short(one.here)}"


def _short(value: Any) -> str:
    said = repr(value)
    return said if len(said) <= 60 else f"{said[:60]} …"


def _of_tenants(unlike: Unlike, live: str, site: str) -> Iterator[str]:
    if unlike.missing:
        yield f"{site} lacks {len(unlike.missing)} tenants of {live}: {listed(list(unlike.missing))}"
    if unlike.extra:
        yield f"{site} has {len(unlike.extra)} tenants that {live} has not: {listed(unlike.extra)}"
    if unlike.otherwise:
        yield f"{len(unlike.otherwise)} tenants sleep on one side alone: {listed(list(unlike.otherwise))}"
