"""Vectors that a collection got after it was made: the server lets it grow by those that have names, and by no other way.

One whose vector has no name may be given others that have one, but nobody can make it so at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import quote

from .schema import Raw, schema_of

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection


def at_first(wanted: Raw) -> Raw:
    """As much of the configuration as a new collection can be made with."""
    if not wanted.get("vectorIndexType"):
        return wanted
    return {key: value for key, value in wanted.items() if key != "vectorConfig"}


def grown(connection: Connection, wanted: Raw, found: Raw) -> Raw:
    """The collection, found like this, once it was given the named vectors that it lacks of those wanted."""
    held = found.get("vectorConfig") or {}
    lacking = {name: config for name, config in (wanted.get("vectorConfig") or {}).items() if name not in held}
    if not lacking:
        return found
    site = str(found["class"])
    body = {**found, "vectorConfig": {**held, **lacking}}
    connection.rest("PUT", f"/schema/{quote(site)}", body=body, doing=f"adding vectors to {site}", index=site)
    return schema_of(connection, site)
