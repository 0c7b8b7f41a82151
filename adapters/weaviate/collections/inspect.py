"""What must hold of a server, a collection, its vector and a text template before they can be adopted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from transvase.core.errors import BadValue, Unfit, UnknownName
from transvase.core.ports import Declaration, Proposal
from transvase.core.template import columns_of

from . import rights
from .activity import Activity
from .control import Control
from .names import CONTROL, alias_name, canonical, is_class_name
from .schema import DEFAULT, DISTANCES, Raw, VectorKind, all_schemas, schema_found, tenanted, vector_kind, vector_kinds
from .tenants import Tenants

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection

FORM: Final = "float32"
KEY: Final = ("uuid",)
TENANT_KEY: Final = ("tenant", "uuid")
TEXTS: Final = ("text", "text[]", "int", "boolean", "date", "uuid")
"""Kinds of property whose value has one text, the same over REST and gRPC."""

_PAGE: Final = 100
_FARTHEST: Final = 1_000
"""Objects looked at for one that has the vector."""
_TENANTS_ASKED: Final = 20
"""Tenants that hold such vectors; those that hold none are passed over."""


def inspected(connection: Connection, proposal: Proposal) -> Declaration:
    """Everything that can stand against an adoption, in the order in which a person would want to be told; changes nothing.

    BadValue and UnknownName for what the call got wrong, Unfit for what the collection or the server is.
    """
    alias = alias_name(proposal.alias)
    raw = collection(connection, proposal.source.table)
    name = str(raw["class"])
    tenants = tenanted(raw)
    _check_key(raw, proposal.source.key, tenants=tenants)
    kind = _kind(raw, proposal.source.vector)
    _check_vector(name, kind)
    _check_text(raw, proposal.source.text)
    _check_rights(connection, alias, name, tenants=tenants)
    _check_alias(connection, alias, name)
    _check_free(connection, proposal.alias, name)
    width = _width(connection, raw, kind)
    space = proposal.space
    if space is not None and width not in (space.dimension, space.dimension + 1):  # one more is an earlier migration's fence
        raise Unfit(
            f"{name} holds vectors of {width} dimensions, and {proposal.encoder} makes {space.dimension}",
            remedy="name the encoder that made them, or another vector with --vector",
        )
    return Declaration(
        name=name,
        space=space,
        encoder=proposal.encoder,
        text=proposal.source.text,
        width=width,
        metric=metric_of(kind),
        form=FORM,
        adopted=True,
    )


def collection(connection: Connection, given: str) -> Raw:
    """The configuration of the collection that was named; UnknownName, BadValue for ours, Unfit for an alias."""
    name = canonical(given)
    if not is_class_name(given):
        raise BadValue("table", given, why="that is no collection's name: a letter, then letters, digits and underscores")
    if name == CONTROL:
        raise BadValue("table", given, why="it holds what Transvase itself remembers")
    raw = schema_found(connection, name)
    if raw is not None:
        return raw
    target = connection.rest("GET", f"/aliases/{name}", doing="looking for an alias")
    if target is not None:
        raise Unfit(f"{name} is an alias, of the collection {target['class']}", remedy=f"name the collection: {target['class']}")
    there = sorted(str(one["class"]) for one in all_schemas(connection) if one["class"] != CONTROL)
    raise UnknownName("collection", given, hint=f"there are {', '.join(there) or 'no collections that this user may see'}")


def metric_of(kind: VectorKind) -> str:
    """Our name for the vector's distance; Unfit for those that no encoder's vectors are compared by here."""
    for metric, distance in DISTANCES.items():
        if kind.distance == distance:
            return metric
    raise Unfit(
        f"the vector {kind.name or DEFAULT!r} is compared by {kind.distance}", remedy="cosine, dot and l2-squared are understood"
    )


def _check_key(raw: Raw, key: tuple[str, ...], *, tenants: bool) -> None:
    wanted = TENANT_KEY if tenants else KEY
    if key == wanted:
        return
    why = "it has tenants, and an object's id is its own within one of them" if tenants else "objects are known by their ids"
    said = f"the key of {raw['class']} is {','.join(wanted)}: {why}; --key can be left out"
    there = {str(prop["name"]) for prop in raw.get("properties") or ()}
    for name in key:
        if name not in there and name not in TENANT_KEY:
            raise UnknownName("key", name, hint=said)
    if there & set(key):
        raise Unfit(f"{','.join(key)} does not identify the objects of {raw['class']}", remedy=said)
    raise BadValue("key", ",".join(key), why=said)


def _kind(raw: Raw, vector: str) -> VectorKind:
    held = {kind.name for kind in vector_kinds(raw)}
    if vector and vector not in held and vector in {prop["name"] for prop in raw.get("properties") or ()}:
        raise Unfit(f"{vector} of {raw['class']} is a property and holds no vectors", remedy="name one of its vectors")
    return vector_kind(raw, vector)


def _check_vector(name: str, kind: VectorKind) -> None:
    called = f"the vector {kind.name or DEFAULT!r} of {name}"
    if kind.several:
        raise Unfit(f"{called} is a multi-vector: a matrix for each object", remedy="name a single one with --vector")
    if kind.skipped:
        raise Unfit(f"{called} has no index (skip is on)", remedy="name one that can be searched")
    if kind.module.startswith(("ref2vec", "multi2vec", "img2vec")):
        raise Unfit(f"{called} is made by {kind.module}, not from a text", remedy="name one that is made from a text")
    metric_of(kind)


def _check_text(raw: Mapping[str, Any], text: str) -> None:
    kinds = {str(prop["name"]): str(prop["dataType"][0]) for prop in raw.get("properties") or ()}
    for field in columns_of(text, called="property"):
        if field not in kinds:
            there = ", ".join(kinds) or "none"
            raise BadValue("text expression", text, why=f"{raw['class']} has no property {field!r}; its properties are {there}")
        if kinds[field] not in TEXTS:
            raise BadValue(
                "text expression",
                text,
                why=f"the property {field!r} is of type {kinds[field]}; those of {', '.join(TEXTS)} have a text",
            )


def _check_rights(connection: Connection, alias: str, name: str, *, tenants: bool) -> None:
    rights.demanded(connection, rights.needed(aliases=(alias,), collections=(name,), adopted=name, tenants=tenants))


def _check_alias(connection: Connection, alias: str, name: str) -> None:
    if alias in {one["class"] for one in all_schemas(connection)}:  # to ask for one of that name is a right of its own
        same = alias == name
        raise Unfit(
            f"{alias} is the name of {'the collection itself' if same else 'a collection'}, and an alias cannot have it",
            remedy="choose another alias and let the application use it; `retire --take-name` gives it the old name",
        )
    found = connection.rest("GET", f"/aliases/{alias}", doing=f"looking for the alias {alias}")
    if found is not None and found["class"] != name:
        raise Unfit(
            f"the alias {alias} is there and names {found['class']}", remedy="adopt that collection, or choose another alias"
        )


def _check_free(connection: Connection, alias: str, name: str) -> None:
    """One collection under two aliases: each migration would end what the other one serves."""
    other = Control(connection).occupant(name)
    if other is not None and other != alias:
        raise Unfit(f"{name} is served under the alias {other!r} already", remedy="use that alias, or let go of it first")


def _width(connection: Connection, raw: Raw, kind: VectorKind) -> int:
    """The one width of the vectors that are held, from a sample of every tenant that is looked at."""
    name = str(raw["class"])
    places, asleep = [""], 0
    if tenanted(raw):
        statuses = Tenants(connection, name).statuses()
        places = [tenant for tenant, status in statuses.items() if status is Activity.ACTIVE]
        asleep = len(statuses) - len(places)
        if not places:
            raise Unfit(
                f"none of the {len(statuses)} tenants of {name} is active, and what its vectors are cannot be seen",
                remedy="activate one of them",
            )
    told = (found for tenant in places if (found := Counter(_widths(connection, name, kind, tenant))))
    widths = sum(islice(told, _TENANTS_ASKED), Counter[int]())
    if not widths:
        sleeping = f" ({asleep} of its tenants sleep and were not looked at)" if asleep else ""
        raise Unfit(
            f"{name} holds no vector {kind.name or DEFAULT!r} among its first objects{sleeping}",
            remedy="one is needed to see what is there: put objects in first, or name another vector",
        )
    if len(widths) > 1:
        several = ", ".join(str(width) for width in sorted(widths))
        remedy = "every search over them fails already: write those objects again in one width"
        raise Unfit(f"{name} holds vectors of {several} dimensions in different shards or tenants", remedy=remedy)
    return next(iter(widths))


def _widths(connection: Connection, name: str, kind: VectorKind, tenant: str) -> Iterator[int]:
    """Widths of the vectors on the first page of objects that has any."""
    after, seen = "", 0
    while seen < _FARTHEST:
        query = {"class": name, "limit": _PAGE, "after": after, "include": "vector", **({"tenant": tenant} if tenant else {})}
        answer = connection.rest("GET", f"/objects?{urlencode(query)}", doing=f"reading from {name}", index=name)
        objects = (answer or {}).get("objects") or []
        held = [one.get("vector") if not kind.name else (one.get("vectors") or {}).get(kind.name) for one in objects]
        found = [len(vector) for vector in held if vector]
        yield from found
        seen += len(objects)
        if found or len(objects) < _PAGE:
            return
        after = objects[-1]["id"]
