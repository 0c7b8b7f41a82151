"""How keys, places and lists of them are written into the ledger, and read from it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from transvase.core.errors import BadValue
from transvase.core.record import Key


def parts(key: Key) -> tuple[str, str]:
    """Tenant (empty: none) and UUID of a key, as text; BadValue for a key of another form."""
    match key:
        case (UUID() as uuid,):
            return "", str(uuid)
        case (str(tenant), UUID() as uuid) if tenant:
            return tenant, str(uuid)
    raise BadValue("key", key, why="the ledger takes (UUID,) or (tenant, UUID)")


def key(tenant: str, uuid: str) -> Key:
    """The key that was written so."""
    return (tenant, UUID(uuid)) if tenant else (UUID(uuid),)


def listed(keys: Sequence[Key]) -> str:
    """Keys as one value of a statement, each once."""
    return json.dumps(list(dict.fromkeys(map(parts, keys))))


def timed(times: Mapping[Key, int]) -> str:
    """Keys, each with a time, as one value of a statement."""
    return json.dumps([(*parts(key), at) for key, at in times.items()])


def numbered(entries: Iterable[int]) -> str:
    """Numbers as one value of a statement."""
    return json.dumps(list(entries))


def worded(words: Iterable[str]) -> str:
    """Words as one value of a statement."""
    return json.dumps(sorted(words))


def placed(after: Key | None) -> str:
    """The key of a place as text; empty for the start."""
    return "" if after is None else json.dumps(parts(after))


def unplaced(text: str) -> Key | None:
    """The key that was kept as this text."""
    if not text:
        return None
    found: Any = json.loads(text)
    return key(*found)
