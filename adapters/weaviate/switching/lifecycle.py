"""Indexes and aliases come and go: adopt, create, discard. Each is safe to do again after a crash at any point.

A row is written before the collection that it speaks of, and removed after it: what a crash leaves behind has a name.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from transvase.adapters.ledger import Mark
from transvase.adapters.weaviate.collections.control import AliasRow
from transvase.adapters.weaviate.collections.inspect import KEY, TENANT_KEY, collection
from transvase.adapters.weaviate.collections.names import canonical, is_class_name
from transvase.adapters.weaviate.collections.schema import (
    DEFAULT,
    Raw,
    compare,
    derived,
    schema_found,
    schema_of,
    tenanted,
    vector_kind,
    vector_kinds,
)
from transvase.adapters.weaviate.collections.tenants import Tenants
from transvase.adapters.weaviate.collections.vectors import at_first, grown
from transvase.adapters.weaviate.comparing.walking import OVERLAP_MS
from transvase.adapters.weaviate.wire.failures import Kind, kind_of, retrying
from transvase.core.declaration import openable
from transvase.core.errors import BadValue, NotReady, TransvaseError, UnknownName
from transvase.core.ports import Declaration, Proposal, Source

from .aliases import Known, Realm, demanded, known, load, named
from .leaving import leave
from .pinning import pin
from .removing import recorded, remove

KNOWN_S: Final = 10.0
"""How long the node that is spoken to may take to hear of a collection that was made."""
_PAUSE_S: Final = 0.05


def completed(realm: Realm, proposal: Proposal) -> Proposal:
    """The proposal with what can be left out filled in: the key, the spelling of the collection and of its vector."""
    raw = collection(realm.connection, proposal.source.table)
    source = proposal.source
    key = source.key or (TENANT_KEY if tenanted(raw) else KEY)
    held = {kind.name for kind in vector_kinds(raw)}
    vector = (
        source.vector if source.vector in held or source.vector not in ("", DEFAULT) else vector_kind(raw, source.vector).name
    )
    return replace(proposal, source=Source(table=str(raw["class"]), key=key, text=source.text, vector=vector))


def adopt(realm: Realm, proposal: Proposal, declaration: Declaration) -> None:
    """Give the server's alias to the collection and write down what it is; the collection is not touched."""
    connection, control, name = realm.connection, realm.control, proposal.alias
    row = control.load(name)
    if row is not None:
        _same(load(connection, control, name), proposal, declaration)
        known(realm, name)
        return
    spelled = [one for one in control.aliases() if canonical(one) == canonical(name)]
    if spelled:
        raise BadValue("alias", name, why=f"the server cannot tell it from {spelled[0]!r}, which was adopted before")
    control.keep(declaration, alias=name, built=True)
    if named(connection, name) is None:
        body = {"alias": canonical(name), "class": declaration.site}
        connection.rest("POST", "/aliases", body=body, doing=f"making the alias {canonical(name)}")
    control.save(
        AliasRow(
            name=name,
            source=proposal.source,
            live=declaration.name,
            shadow=None,
            generation=1,
            ledger=realm.ledger.identity,
        )
    )


def create(realm: Realm, alias: str, target: Declaration) -> None:
    """Declaration, the row's shadow, collection, tenants, widths, capture: in this order, each step once."""
    seen = known(realm, alias)
    openable(seen.alias, target)
    if not target.shares and (not is_class_name(target.name) or target.name != canonical(target.name)):
        raise BadValue("target", target.name, why="that is no collection's name on this server")
    live = seen.alias.live
    if target.name == live.name:
        return
    if seen.alias.shadow != target:
        if not target.shares:
            _never_used(realm, target)
        realm.control.keep(target, alias=alias, built=bool(target.shares))
        realm.control.save(replace(seen.row, live=live.name, shadow=target.name, generation=seen.alias.generation + 1))
    if not target.shares:
        _collection(realm, seen, target)
    realm.ledger.begin_capture(alias, live=live.site, shadow=target.site)


def discard(realm: Realm, alias: str, index: str) -> None:
    """Take the shadow away. What is captured for it is captured no longer."""
    seen = known(realm, alias)
    if seen.alias.live.name == index:
        raise NotReady("abort", f"{index} is live")
    declared = realm.control.index(index)
    if declared is not None and declared.adopted and not declared.shares:
        raise NotReady("abort", f"{index} was the application's before it was ours; retire it instead")
    leave(realm, seen, index, verb="abort")
    if declared is not None and realm.control.alias_of(index) == alias:
        if not declared.shares:
            remove(realm, alias, declared.site)
        forget(realm, alias, declared)


def forget(realm: Realm, alias: str, declared: Declaration) -> None:
    """Remove what is known of an index whose collection has ended, or which was only a name."""
    realm.control.drop(declared.name)
    if not declared.shares:
        realm.ledger.forget(alias, declared.site)
        recorded(realm, alias, declared.site)


def let_go(realm: Realm, alias: str, *, ledger_lost: bool) -> None:
    """Know nothing of an alias any more, so that it can be adopted anew; its collections and the server's alias stay as they are.

    UnknownName; NotReady while a side is kept beside the live one, which has to end first. Unfit with another ledger than its
    own, unless that is said to be lost: then what was owed is lost with it, and both sides stay.
    """
    row = realm.control.load(alias)
    if row is None:
        raise UnknownName("alias", alias, hint=f"there are {', '.join(realm.control.aliases()) or 'none'}")
    ours = row.ledger == realm.ledger.identity
    if not ours and not ledger_lost:
        demanded(realm.ledger, row)
    if ours and row.shadow is not None:
        raise NotReady("let go", f"{row.shadow} is kept beside {row.live}: abort the migration, or retire its old side, first")
    for declared in realm.control.indexes(alias):
        forget(realm, alias, declared)
    realm.control.forget(alias)


def there(realm: Realm, index: str) -> bool:
    """Whether an index of that name is declared and its collection exists."""
    declared = realm.control.index(index)
    return declared is not None and schema_found(realm.connection, declared.site) is not None


def _same(seen: Known, proposal: Proposal, declaration: Declaration) -> None:
    live, source = seen.alias.live, seen.alias.source
    was = (source.key, source.text, source.vector, live.label, live.name)
    now = (proposal.source.key, proposal.source.text, proposal.source.vector, declaration.label, declaration.name)
    if was != now:
        raise BadValue(
            "alias", proposal.alias, why=f"it is taken: {live.name} ({live.label}), text {source.text!r}; choose another name"
        )


def _never_used(realm: Realm, target: Declaration) -> None:
    """A name that is free, or the very target that a crash left half made: nobody's objects may be in it."""
    declared = realm.control.index(target.name)
    there = schema_found(realm.connection, target.site) is not None
    if (declared is not None and declared != target) or (declared is None and there):
        raise BadValue("target", target.name, why="there is another index of that name; physical names are never used twice")


def _collection(realm: Realm, seen: Known, target: Declaration) -> None:
    """Make it, with the source's tenants; a new one has its width pinned, and its fill is watched from now on."""
    connection, live, vector = realm.connection, seen.alias.live, seen.alias.source.vector
    if realm.ledger.marked(seen.row.name, target.site).swept_to is not None:
        return  # it was made whole before
    raw = schema_of(connection, live.site)
    wanted = derived(raw, name=target.site, vector=vector, width=target.width, metric=target.metric)
    found = grown(connection, wanted, schema_found(connection, target.site) or _posted(realm, at_first(wanted)))
    unlike = compare(wanted, found)
    if unlike:
        raise BadValue("target", target.name, why=f"a collection of that name is there and differs: {unlike[0]}")
    if tenanted(raw):
        Tenants(connection, live.site).mirrored(Tenants(connection, target.site))
    retrying(  # shards that were just given another vector take nothing for a moment
        f"pinning the width of {target.site}",
        lambda: pin(connection, target.site, vector=vector, width=target.width),
        budget_s=KNOWN_S,
        among=(Kind.STILL,),
    )
    realm.ledger.mark(seen.row.name, target.site, Mark(swept_to=realm.control.now_ms() - OVERLAP_MS))


def _posted(realm: Realm, wanted: Raw) -> Raw:
    try:
        realm.connection.rest("POST", "/schema", body=wanted, doing=f"making the collection {wanted['class']}")
    except TransvaseError as error:
        if kind_of(error) is not Kind.EXISTS:  # it was made by a request of ours that we took for lost
            raise
    site, end = str(wanted["class"]), time.monotonic() + KNOWN_S
    while realm.connection.rest("GET", f"/schema/{quote(site)}", local=True) is None and time.monotonic() < end:
        time.sleep(_PAUSE_S)  # the leader has it, and the node that we speak to hears of it a moment later
    return schema_of(realm.connection, site)
