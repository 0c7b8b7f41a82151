"""What leads to a collection from elsewhere: the aliases that name it, and the references of other collections."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from .schema import all_schemas

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection


def aliases_naming(connection: Connection, site: str) -> list[str]:
    """The aliases that name the collection, those that this user may see, in order."""
    answer = connection.rest("GET", f"/aliases?{urlencode({'class': site})}", doing="listing aliases") or {}
    return sorted(str(one["alias"]) for one in answer.get("aliases") or () if one["class"] == site)


def references_of(raw: Mapping[str, Any]) -> dict[str, list[str]]:
    """The properties of a collection that refer, each with the collections that it may refer to."""
    return {one["name"]: list(one["dataType"]) for one in raw.get("properties") or () if one["dataType"][0][:1].isupper()}


def references_to(connection: Connection, site: str) -> list[str]:
    """The properties of other collections that refer to its objects, as ``Collection.property``, in order.

    A reference names a collection and never an alias, so none of them comes along when an alias moves.
    """
    return sorted(
        f"{one['class']}.{prop['name']}"
        for one in all_schemas(connection)
        for prop in one.get("properties") or ()
        if site in prop["dataType"] and one["class"] != site
    )
