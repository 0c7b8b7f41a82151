"""Why a fill should wait now: a node that takes no writes or is not well, or a long queue of vectors to be indexed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from transvase.core.errors import TransvaseError

from .failures import passing

if TYPE_CHECKING:
    from .connection import Connection

QUEUE: Final = 100_000
"""Vectors that wait to be indexed, on one shard, where the server indexes asynchronously: some minutes of its work."""


def pressure(connection: Connection, site: str) -> str | None:
    """A sentence, or None."""
    try:
        answer = connection.rest("GET", f"/nodes/{site}?output=verbose", doing="looking at the load", index=site) or {}
    except TransvaseError as error:
        if not passing(error):
            raise
        return f"the cluster does not say how it is: {error}"
    for node in answer.get("nodes") or ():
        name, mode, status = node.get("name"), node.get("operationalMode") or "", node.get("status") or ""
        if mode not in ("", "ReadWrite"):
            return f"the node {name} takes no writes (operational mode {mode})"
        if status != "HEALTHY":
            return f"the node {name} is {status}"
        for shard in node.get("shards") or ():
            if int(shard.get("vectorQueueLength") or 0) > QUEUE:
                return f"the node {name} has {shard['vectorQueueLength']} vectors of {shard.get('class')} to index yet"
    return None
