"""What a migration would cost and meet on this server: sizes, gaps of the wall, writes that nobody would see, rights to grant."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlencode

from transvase.adapters.weaviate.wire.majority import too_few
from transvase.core.errors import Unfit
from transvase.core.ports import Alias, Declaration, Outlook

from . import rights
from .activity import Activity
from .control import Control
from .leading import aliases_naming, references_of, references_to
from .names import canonical
from .schema import DEFAULT, WIDEST, Raw, VectorKind, schema_found, schema_of, tenanted, vector_kind, vector_kinds
from .shape import shaped
from .tenants import Tenants, listed

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection, NodeState

_SAMPLE: Final = 100
_NO_RESOLUTION: Final = "NoAutomatedResolution"
"""With it copies that disagree about a deletion stay so; it is not the default of 1.39."""
_EDGE_BYTES: Final = 8 * 1.5
"""One neighbour in the graph: 8 bytes, and the upper layers beside."""


def outlook(connection: Connection, alias: Alias, target: Declaration) -> Outlook:
    """Sizes are estimates: objects as JSON of a sample, a vector's floats, and a graph of twice ``maxConnections`` neighbours."""
    raw = schema_of(connection, alias.live.site)
    kind = vector_kind(raw, alias.source.vector)
    statuses = _statuses(connection, raw)
    awake = [tenant for tenant, status in statuses.items() if status is Activity.ACTIVE] if statuses else [""]
    records = sum(connection.count(alias.live.site, tenant) for tenant in awake)
    row = Control(connection).load(alias.name)
    also = row.also if row is not None else ()
    lacking = tuple(_lacking(connection, alias, target, raw, also=also))
    nodes = () if lacking else connection.nodes()
    shared = bool(target.shares)
    return Outlook(
        records=records,
        table_bytes=0 if shared else int(records * _object_bytes(connection, alias.live.site, awake)),
        index_bytes=0 if shared else records * (target.width * 4 + int(_neighbours(raw, kind) * _EDGE_BYTES)),
        locks=(),
        warnings=tuple(_warnings(connection, alias, target, raw=raw, statuses=statuses, also=also)),
        refusals=(*_refusals(alias, target, nodes), *(() if shared else _leading_nowhere(connection, raw)), *lacking),
    )


def blind_spots(raw: Mapping[str, Any]) -> str:
    """Which writes of those who do not use ``Mirror`` are found when, said in a sentence."""
    if (raw.get("invertedIndexConfig") or {}).get("indexTimestamps"):
        return (
            "writes that do not go through Mirror are found by their time right before a switch, else, and deletions always, "
            "by reconciling, which reads both sides whole; between two such walks they are stale"
        )
    return (
        f"{raw['class']} does not index timestamps: writes that do not go through Mirror are found by reconciling alone, "
        "which reads both sides whole; between two such walks they are stale"
    )


def _warnings(
    connection: Connection,
    alias: Alias,
    target: Declaration,
    *,
    raw: Raw,
    statuses: Mapping[str, Activity],
    also: Sequence[str],
) -> Iterator[str]:
    if not target.shares:
        yield from _copying(raw, vector_kind(raw, alias.source.vector))
        yield from _wall(alias, target, raw=raw, statuses=statuses)
        yield from _pointing_here(connection, alias, also=also)
        yield from _pointing_away(raw)
    yield from _copies(connection, raw)
    yield from _rights(connection, alias, target, raw)


def _copies(connection: Connection, raw: Raw) -> Iterator[str]:
    """What reading by a majority meets where there are several copies of each object."""
    name, copies = raw["class"], shaped(raw).copies
    if copies == 1:
        return
    if said := too_few(connection, name, copies):
        yield said
    if (raw.get("replicationConfig") or {}).get("deletionStrategy") == _NO_RESOLUTION:
        yield (
            f"{name} has the deletionStrategy {_NO_RESOLUTION}: an object that was deleted while a node was away cannot be read "
            "by a majority, and a walk that meets one ends with status 3 and its id; TimeBasedResolution mends it"
        )


def _copying(raw: Raw, kind: VectorKind) -> Iterator[str]:
    """What a copy of the objects cannot be, or does beside."""
    yield "the server sets an object's creation and update times itself: in the new collection they are those of the copying"
    if (raw.get("objectTtlConfig") or {}).get("enabled"):
        yield (
            "objects expire (objectTtlConfig): copies live longer than their originals, "
            "and an expiry is a deletion that only reconciling sees"
        )
    if kind.module != "none":
        yield (
            f"{kind.module} makes the vector {kind.name or DEFAULT!r} now, the new one is brought by the writer: nearText and "
            "writes without a vector end for it with the switch; write through Mirror, search through the Retriever"
        )
    others = [other for other in vector_kinds(raw) if other.name != kind.name and other.module != "none"]
    for other in others:
        yield f"an object without the vector {other.name or DEFAULT!r} gets one from {other.module} when it is copied"


def _wall(alias: Alias, target: Declaration, *, raw: Raw, statuses: Mapping[str, Activity]) -> Iterator[str]:
    """Where a vector of the other width would be taken: the first one decides for each shard and tenant."""
    if target.width == alias.live.width:
        yield f"both sides are {target.width} wide: the server refuses nothing that goes to the wrong one"
    yield (
        "the wall of widths stands for each shard and tenant from its first vector on, and falls for an empty one when the "
        "server restarts, until the worker's next beat; `prove` names the tenants without an object"
    )
    yield (
        "auto-schema (AUTOSCHEMA_ENABLED, on by default; the server does not tell) adds a property for each name it does not "
        "know, to one side alone where it was written past Mirror, and makes a collection for a write through an alias whose "
        "collection is gone: switch it off"
    )
    if statuses:
        asleep = [tenant for tenant, status in statuses.items() if status is not Activity.ACTIVE]
        if asleep:
            count = f"{len(asleep)} of {len(statuses)} tenants"
            yield f"{count} are not active: not counted in rows, woken for the work and then put back: {listed(asleep)}"
        if (raw.get("multiTenancyConfig") or {}).get("autoTenantCreation"):
            yield "autoTenantCreation is on: a tenant may appear on one side alone, until the next walk makes it on the other"


def _pointing_here(connection: Connection, alias: Alias, *, also: Sequence[str]) -> Iterator[str]:
    """What names the old collection and would not come along."""
    site = alias.live.site
    pointing = references_to(connection, site)
    if pointing:
        yield f"references of other collections lead to {site} and stay there (no reference takes an alias): {listed(pointing)}"
    ours = {canonical(alias.name), *also}
    others = [name for name in aliases_naming(connection, site) if name not in ours]
    if others:
        yield f"other aliases name {site} and are not moved: {listed(others)}"


def _pointing_away(raw: Raw) -> Iterator[str]:
    """Where references lead that the server may not take again."""
    to = sorted(kind for kinds in references_of(raw).values() for kind in kinds if kind != raw["class"])
    if to and tenanted(raw):
        yield (
            "within a tenant the server takes no reference to what is not there any more: those to objects that were deleted "
            f"from {listed(list(dict.fromkeys(to)))} stay behind, and `prove` names them"
        )


def _leading_nowhere(connection: Connection, raw: Raw) -> Iterator[str]:
    """Properties that no new collection can have, while what they refer to is gone."""
    for name, kinds in references_of(raw).items():
        for kind in kinds:
            if _seen_to_be_gone(connection, kind):
                yield (
                    f"{raw['class']}.{name} refers to the collection {kind}, which is not there, and the server makes no such "
                    f"property anew: make an empty collection {kind} for the time of the migration"
                )


def _seen_to_be_gone(connection: Connection, name: str) -> bool:
    try:
        return schema_found(connection, name) is None
    except Unfit:  # this user may not look
        return False


def _rights(connection: Connection, alias: Alias, target: Declaration, raw: Raw) -> Iterator[str]:
    """Who would lose what with the switch, and what our own readers and writers need beside."""
    if rights.own(connection) is None:
        return
    live = alias.live.site
    shut_out = rights.shut_out(connection, live=live, target=target.site)
    if shut_out is None:
        yield f"this user may not read the roles: see that whoever may use {live} may do the same on {target.site}"
        return
    for role, permissions in sorted(shut_out.items()):
        yield f"before the switch grant to the role {role}: {'; '.join(str(one) for one in permissions)}"
    name = canonical(alias.name)
    unready = rights.unready(connection, alias=name, live=live, target=target.site, tenants=tenanted(raw))
    for role, permissions in sorted(unready.items()):
        yield f"to search through the Retriever or write through Mirror {role} needs also: {'; '.join(map(str, permissions))}"


def _lacking(connection: Connection, alias: Alias, target: Declaration, raw: Raw, *, also: Sequence[str]) -> Iterator[str]:
    """What the operator lacks."""
    has = rights.own(connection)
    if has is None:
        return
    adopted = alias.live.name if alias.live.adopted else ""
    aliases, sites = (canonical(alias.name), *also), tuple(dict.fromkeys((alias.live.site, target.site)))
    lost = rights.lacking(has, rights.needed(aliases=aliases, collections=sites, adopted=adopted, tenants=tenanted(raw)))
    if lost:
        yield f"this user lacks rights that the moves need: {'; '.join(str(one) for one in lost)}"


def _refusals(alias: Alias, target: Declaration, nodes: tuple[NodeState, ...]) -> Iterator[str]:
    if target.width > WIDEST:
        yield f"{target.width} dimensions are needed, and Weaviate takes {WIDEST}: cut the model"
    if alias.shadow is not None and alias.shadow.name != target.name:
        yield f"{alias.shadow.name} is still open beside the live index"
    for node in nodes:
        if node.mode not in ("", "ReadWrite"):
            yield f"the node {node.name} takes no reads or no writes (operational mode {node.mode}): switch it back"
        elif node.status != "HEALTHY":
            yield f"the node {node.name} is {node.status}: wait until the cluster is whole"


def _statuses(connection: Connection, raw: Raw) -> dict[str, Activity]:
    return Tenants(connection, str(raw["class"])).statuses() if tenanted(raw) else {}


def _object_bytes(connection: Connection, name: str, tenants: list[str]) -> float:
    """Mean size of some objects without the moving vector, as JSON."""
    for tenant in tenants:
        query = {"class": name, "limit": _SAMPLE, **({"tenant": tenant} if tenant else {})}
        answer = connection.rest("GET", f"/objects?{urlencode(query)}", doing=f"reading from {name}", index=name) or {}
        objects = answer.get("objects") or []
        if objects:
            return sum(len(json.dumps(one.get("properties") or {})) + 64 for one in objects) / len(objects)
    return 0.0


def _neighbours(raw: Raw, kind: VectorKind) -> int:
    """Links of one object in the graph's lowest layer; none where there is no graph."""
    config = raw["vectorConfig"][kind.name]["vectorIndexConfig"] if kind.name else raw["vectorIndexConfig"]
    config = config.get("hnsw") or config
    return 2 * int(config.get("maxConnections") or 0)
