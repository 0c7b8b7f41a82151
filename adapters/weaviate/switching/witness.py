"""What a verdict is bound to: which two collections stand there, and what decides how they are searched."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from transvase.adapters.weaviate.collections.schema import schema_of, tenanted
from transvase.core.ports import Declaration

from .aliases import Realm, load

_KEPT = ("vectorIndexConfig", "vectorIndexType", "vectorConfig", "invertedIndexConfig", "multiTenancyConfig", "replicationConfig")


def witness(realm: Realm, alias: str, index: str) -> str:
    """A digest of the identity and the settings of the live side and of ``index``, and of what they are declared to be.

    A collection is known again by its shards, whose names are drawn anew whenever one is made; one with tenants has shards of
    the tenants' names, and is known by its settings alone. Properties are no part: the application may add one at any time.
    """
    seen = load(realm.connection, realm.control, alias)
    sides = [_side(realm, side) for side in (seen.alias.live, seen.declaration(index))]
    return hashlib.sha256(json.dumps(sides, sort_keys=True).encode()).hexdigest()[:32]


def _side(realm: Realm, declared: Declaration) -> Mapping[str, Any]:
    raw = schema_of(realm.connection, declared.site)
    facts = {name: value for name, value in asdict(declared).items() if name != "space"}
    return {
        "declared": {**facts, "space": declared.label},
        "built": realm.control.built(declared.name),
        "shards": [] if tenanted(raw) else shards(realm, declared.site),
        "settings": {name: raw.get(name) for name in _KEPT},
    }


def shards(realm: Realm, site: str) -> list[str]:
    """The names of the collection's shards."""
    answer = realm.connection.rest("GET", f"/schema/{site}/shards", doing=f"looking at the shards of {site}", index=site)
    return sorted({str(one["name"]) for one in answer or ()})
