"""The deletion of a collection, which a crash may leave unrecorded: by then its name may be somebody else's.

From the moment of the deletion the name is free, and a server that makes collections by itself (auto-schema) gives it to whoever
writes by it. So what is to be deleted is noted first, with what it is known by again: its shards, whose names are drawn anew
whenever one is made, or with tenants their names. What is found under the name later and is known by something else stays.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any
from urllib.parse import quote

from transvase.adapters.ledger import Doubt
from transvase.adapters.weaviate.collections.schema import schema_found, tenanted
from transvase.adapters.weaviate.collections.tenants import Tenants
from transvase.core.errors import Superseded

from .aliases import Realm
from .witness import shards

_DELETION, _DELETED = "deletion", "deleted"
"""What a doubt of ours is of, as its fact ``of`` says: what is about to be deleted, and what is known to be."""


def remove(realm: Realm, alias: str, site: str) -> float:
    """Delete the collection, and give the moment at which that began (monotonic seconds).

    Nothing happens where there is none, or another of its name (``another``).
    """
    raw = schema_found(realm.connection, site)
    noted = _noted(realm, alias, site)
    if raw is None or _is_another(realm, noted, raw):
        return time.monotonic()
    if not noted:
        facts = {"of": _DELETION, "site": site, "known": _known_by(realm, raw)}
        realm.ledger.doubt(alias, f"the collection {site} is being deleted", facts=facts)
    begun = time.monotonic()
    with suppress(Superseded):
        realm.connection.rest("DELETE", f"/schema/{quote(site)}", doing=f"deleting {site}", index=site)
    return begun


def another(realm: Realm, alias: str, site: str) -> str | None:
    """What is in the collection that somebody made after we had deleted ours of that name; None where there is none."""
    raw = schema_found(realm.connection, site)
    if raw is None or not _is_another(realm, _noted(realm, alias, site), raw):
        return None
    if tenanted(raw):
        return _counted(len(Tenants(realm.connection, site).statuses()), "tenant")
    return _counted(realm.connection.count(site), "object")


def gone(realm: Realm, alias: str, site: str) -> None:
    """The collection was deleted, and it may take a while until that is recorded: whatever has its name now is another."""
    realm.ledger.doubt(alias, f"the collection {site} is deleted", facts={"of": _DELETED, "site": site})


def recorded(realm: Realm, alias: str, site: str) -> None:
    """The deletion is recorded elsewhere."""
    for doubt in _noted(realm, alias, site):
        realm.ledger.clear(alias, doubt.number)


def _noted(realm: Realm, alias: str, site: str) -> list[Doubt]:
    ours = (_DELETION, _DELETED)
    return [one for one in realm.ledger.doubts(alias) if one.facts.get("of") in ours and one.facts.get("site") == site]


def _is_another(realm: Realm, noted: list[Doubt], raw: Mapping[str, Any]) -> bool:
    if any(one.facts["of"] == _DELETED for one in noted):
        return True
    return bool(noted) and _known_by(realm, raw) not in [one.facts["known"] for one in noted]


def _known_by(realm: Realm, raw: Mapping[str, Any]) -> str:
    site = str(raw["class"])
    names = sorted(Tenants(realm.connection, site).statuses()) if tenanted(raw) else shards(realm, site)
    return hashlib.sha256(json.dumps([tenanted(raw), names]).encode()).hexdigest()[:32]


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"
