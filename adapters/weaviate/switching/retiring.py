"""The end of a side that was live: nobody may be led to it any more when it goes, and what was the user's goes only when told to.

A collection cannot be renamed. So what was adopted stays as it stands unless it is to be dropped; then its name may go to the
live side, as one more alias, for those who still use it. Between the two the name stands for nothing: for that long a query by
it fails, and a write by it may make a new collection where the server makes them by itself (auto-schema).
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING
from urllib.parse import quote

from transvase.adapters.weaviate.collections.leading import aliases_naming, references_to
from transvase.adapters.weaviate.collections.rights import ALIASES, Permission, demanded
from transvase.core.errors import NotReady, StoreFailed
from transvase.core.ports import Declaration

from .aliases import Known, Realm, known
from .leaving import leave
from .lifecycle import forget
from .removing import another, gone, remove

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection


def retire(realm: Realm, alias: str, index: str, *, drop: bool, take_name: bool = False) -> str:
    """End the index that was live before. Says what was done, and with ``take_name`` how long the name stood for nothing.

    NotReady while another alias, or a reference of another collection, still leads to what would be deleted; and where its name
    is to be given away, while something has it that somebody made after the deletion.
    """
    seen = known(realm, alias)
    if seen.alias.live.name == index:
        raise NotReady("retire", f"{index} is live")
    declared = realm.control.index(index)
    if declared is None or realm.control.alias_of(index) != alias:
        return f"{index} was retired before"
    shared = declared.site == seen.alias.live.site
    deletes = not shared and (drop or take_name or not declared.adopted)
    anew = another(realm, alias, declared.site) if deletes else None
    if anew and take_name:
        raise NotReady("retire", _reoccupied(alias, declared.site, anew))
    if deletes:
        _permitted(realm.connection, declared.site, seen, take_name=take_name)
        if not anew:
            _not_led_to(realm.connection, declared.site)
    leave(realm, seen, index, verb="retire")
    said = _ended(realm, alias, declared, seen, shared=shared, deletes=deletes, take_name=take_name)
    if anew:
        said += f"; another of that name, made by somebody since, was left as it is ({anew})"
    if shared:
        realm.control.drop(declared.name)
    else:
        forget(realm, alias, declared)
    return said


def _ended(realm: Realm, alias: str, declared: Declaration, seen: Known, *, shared: bool, deletes: bool, take_name: bool) -> str:
    live, site = seen.alias.live, declared.site
    if shared:
        return f"ended the name {declared.name}; its vectors serve {live.name}"
    vector = seen.alias.source.vector
    of = f" with its vector {vector!r}" if vector and declared.adopted else ""
    if not deletes:
        return (
            f"left the collection {site}{of} as it stands, which was the application's: no write reaches it from now on; "
            "delete it when nobody reads it"
        )
    if not take_name:
        remove(realm, alias, site)
        return f"deleted the collection {site}{of}"
    gap = _taken(realm, alias, site, live.site)
    return f"deleted the collection {site}{of} and gave its name to {live.site}; for {gap * 1000:.0f} ms it stood for nothing"


def _taken(realm: Realm, alias: str, name: str, site: str) -> float:
    """Give the name of the collection that is deleted to the live one; seconds in which it stood for nothing."""
    begun = remove(realm, alias, name)
    body = {"alias": name, "class": site}
    try:
        realm.connection.rest("POST", "/aliases", body=body, doing=f"making the alias {name}")
    except StoreFailed as error:
        found = realm.connection.rest("GET", f"/aliases/{quote(name)}", doing=f"looking at the alias {name}")
        if found is None or found["class"] != site:  # else it was made by a request that we took for lost
            gone(realm, alias, name)
            anew = another(realm, alias, name)
            what = f" ({error}); do it again" if anew is None else f": {_reoccupied(alias, name, anew)}"
            raise StoreFailed(
                f"the collection {name} is deleted and its name could not be given to {site}{what}", code=error.code
            ) from error
    gap = time.monotonic() - begun
    row = realm.control.load(alias)
    if row is not None and name not in row.also:
        realm.control.save(replace(row, also=(*row.also, name), generation=row.generation + 1))
    return gap


def _reoccupied(alias: str, name: str, anew: str) -> str:
    return (
        f"{name} was deleted, and somebody has made another collection by writing to that name since ({anew}): write its objects "
        f"through {alias!r}, delete it, then make the same move again"
    )


def _permitted(connection: Connection, site: str, seen: Known, *, take_name: bool) -> None:
    """Unfit before anything is deleted: whoever may delete the collection may not be allowed to give its name away."""
    wanted = [Permission("delete_collections", site)]
    if take_name:
        wanted += [Permission(action, seen.alias.live.site, site) for action in ALIASES]
    demanded(connection, wanted)


def _not_led_to(connection: Connection, site: str) -> None:
    aliases = aliases_naming(connection, site)
    if aliases:
        raise NotReady("retire", f"{', '.join(aliases)} still names {site}: move or delete what names it first")
    pointing = references_to(connection, site)
    if pointing:
        raise NotReady(
            "retire",
            f"references of {', '.join(pointing)} lead to {site} and would lead nowhere; let them lead elsewhere first, "
            "or retire without dropping it",
        )
