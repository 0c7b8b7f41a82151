"""A collection's configuration as the server gives and takes it, and the configuration of a target made from it.

The raw JSON is used, for it is exact: the driver's objects lose ``multivector.enabled`` and the distance of a flat index on
their way out and in again, and say nothing.
"""

from __future__ import annotations

import copy
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

from transvase.core.errors import Superseded, Unfit, UnknownName

if TYPE_CHECKING:
    from transvase.adapters.weaviate.wire.connection import Connection

Raw = dict[str, Any]
"""One collection as ``GET /v1/schema/NAME`` tells it and ``POST /v1/schema`` takes it."""

DEFAULT: Final = "default"
DISTANCES: Final = {"cosine": "cosine", "ip": "dot", "l2": "l2-squared"}
"""Our metrics as the server calls them: its order by squared distance is that by distance."""
WIDEST: Final = 65_535

_SERVED: Final = re.compile(
    r"/(vectorConfig/[^/]+/)?vectorIndexConfig(/|$)|/invertedIndexConfig/usingBlockMaxWAND$|(/.*)?/description$"
)
"""Settings of an index over vectors (a quantiser that has learnt changes its own), a state of the server's upkeep, and what is
said of a property (auto-schema says of a nested one when it was made)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class VectorKind:
    """How one vector of a collection is kept."""

    name: str
    """Empty for the one of a collection that names none."""
    index: str
    """``hnsw``, ``flat``, ``dynamic`` or ``hfresh``."""
    distance: str
    module: str
    """The module that makes it from the object; ``none`` where the writer brings it."""
    several: bool
    """True for a multi-vector: a matrix for each object."""
    skipped: bool
    """True where no index is kept over it."""
    quantiser: str
    """``pq``, ``bq``, ``sq``, ``rq`` or empty."""


def schema_found(connection: Connection, name: str) -> Raw | None:
    """The configuration of the collection of exactly that name, from the leader; None for none, and for an alias."""
    raw = connection.rest("GET", f"/schema/{quote(name)}", doing=f"reading the configuration of {name}")
    return raw if raw is not None and raw.get("class") == name else None


def schema_of(connection: Connection, name: str) -> Raw:
    """The same for a collection that is ours or was adopted; Superseded when it is gone."""
    raw = schema_found(connection, name)
    if raw is None:
        raise Superseded(name)
    return raw


def schema_here(connection: Connection, name: str) -> Raw | None:
    """The collection, or the one that an alias of this name stands for, as the host that is asked has it just now, leader or not.

    It follows the leader within a fraction of a second; None where it knows none (yet).
    """
    raw: Raw | None = connection.rest("GET", f"/schema/{quote(name)}", local=True, doing=f"reading the schema of {name}")
    return raw


def all_schemas(connection: Connection) -> list[Raw]:
    """Every collection that this user may see."""
    answer = connection.rest("GET", "/schema", doing="reading the schema") or {}
    return list(answer.get("classes") or ())


def tenanted(raw: Mapping[str, Any]) -> bool:
    """True for a collection with tenants, each of which is a shard."""
    return bool((raw.get("multiTenancyConfig") or {}).get("enabled"))


def vector_kinds(raw: Mapping[str, Any]) -> tuple[VectorKind, ...]:
    """All vectors of a collection; the nameless one first, where it has one."""
    kinds = []
    if raw.get("vectorIndexType"):
        kinds.append(_kind("", raw["vectorIndexType"], raw.get("vectorIndexConfig") or {}, raw.get("vectorizer") or "none"))
    for name, held in (raw.get("vectorConfig") or {}).items():
        module = next(iter(held.get("vectorizer") or {}), "none")
        kinds.append(_kind(name, held.get("vectorIndexType", ""), held.get("vectorIndexConfig") or {}, module))
    return tuple(kinds)


def vector_kind(raw: Mapping[str, Any], name: str) -> VectorKind:
    """The vector that ``name`` means: nothing or ``default`` is the nameless one, or the one that is called so. UnknownName."""
    kinds = {kind.name: kind for kind in vector_kinds(raw)}
    if name in kinds:
        return kinds[name]
    if name in ("", DEFAULT):
        other = kinds.get(DEFAULT if not name else "")
        if other is not None:
            return other
    there = ", ".join(kind or "one without a name" for kind in kinds) or "no vectors"
    raise UnknownName("vector", name or DEFAULT, hint=f"the collection {raw.get('class')} has {there}: name the one that moves")


def derived(raw: Mapping[str, Any], *, name: str, vector: str, width: int, metric: str) -> Raw:
    """The configuration of a new collection ``name`` for the objects of ``raw`` whose vector ``vector`` is ``width`` wide.

    Everything is as in the source but that vector: it is brought by us and made by no module, its metric is ``metric``, and its
    product quantiser has segments that divide ``width`` (a server takes no vector of a width they do not divide). References
    to the collection itself lead to the new one. UnknownName for the vector, Unfit for a multi-vector or too wide a one.
    """
    kind = vector_kind(raw, vector)
    if kind.several:
        raise Unfit(f"the vector {kind.name or DEFAULT!r} of {raw['class']} is a multi-vector", remedy="name a single one")
    if not 0 < width <= WIDEST:
        raise Unfit(f"{width} dimensions are needed", remedy=f"Weaviate takes up to {WIDEST}: cut the model")
    made: Raw = copy.deepcopy(dict(raw))
    made["class"] = name
    if tenanted(made):  # the server tells both, and takes one of them
        made.pop("shardingConfig", None)
    source = str(raw["class"])
    for prop in made.get("properties") or ():
        prop["dataType"] = [name if target == source else target for target in prop["dataType"]]
    if kind.name:
        held = made["vectorConfig"][kind.name]
        held["vectorizer"] = {"none": {}}
        _refit(held["vectorIndexConfig"], width=width, metric=metric)
    else:
        made["vectorizer"] = "none"
        _refit(made["vectorIndexConfig"], width=width, metric=metric)
        _without_module(made, kind.module)
    return made


@dataclass(frozen=True, slots=True)
class Difference:
    """One place in which two configurations differ; None where one has nothing there."""

    path: str
    here: object
    there: object

    def __str__(self) -> str:
        return f"{self.path}: {self.here!r} -> {self.there!r}"

    @property
    def served(self) -> bool:
        """True for what changes how fast and how exactly is searched and nothing else, or what the server changes by itself."""
        return _SERVED.match(self.path) is not None


def differences(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[Difference, ...]:
    """Where two configurations differ, in the first's order; nothing where they mean the same.

    The order of properties and vectors means nothing, nor do empty settings beside absent ones.
    """
    sides = [
        {key: value for key, value in side.items() if key != "shardingConfig" or not tenanted(side)} for side in (one, other)
    ]
    return tuple(_differences("", _keyed(sides[0]), _keyed(sides[1])))


def compare(one: Mapping[str, Any], other: Mapping[str, Any]) -> tuple[str, ...]:
    """The same as ``path: here -> there``."""
    return tuple(str(each) for each in differences(one, other))


def _kind(name: str, index: str, config: Mapping[str, Any], module: str) -> VectorKind:
    quantisers = (quantiser for quantiser in ("pq", "bq", "sq", "rq") if (config.get(quantiser) or {}).get("enabled"))
    return VectorKind(
        name=name,
        index=index,
        distance=str(config.get("distance") or "cosine"),
        module=module,
        several=bool((config.get("multivector") or {}).get("enabled")),
        skipped=bool(config.get("skip")),
        quantiser=next(quantisers, ""),
    )


def _refit(config: Raw, *, width: int, metric: str) -> None:
    """Make an index configuration, and those that a dynamic one holds, fit the width and the metric."""
    if "distance" in config:
        config["distance"] = DISTANCES[metric]
    for name, inner in config.items():
        if name == "pq" and inner.get("segments"):
            inner["segments"] = _segments(inner["segments"], width)
        elif name in ("hnsw", "flat") and isinstance(inner, dict):
            _refit(inner, width=width, metric=metric)


def _segments(wanted: int, width: int) -> int:
    """The divisor of ``width`` that is by its ratio nearest to ``wanted``; the larger of two: it keeps more."""
    divisors = (part for number in range(1, math.isqrt(width) + 1) if width % number == 0 for part in (number, width // number))
    return min(divisors, key=lambda part: (abs(math.log(part / wanted)), -part))


def _without_module(made: Raw, module: str) -> None:
    """A collection without vector names says in each property what its module makes of it: settings that no longer hold."""
    for holder in (made, *(made.get("properties") or ())):
        settings = holder.get("moduleConfig")
        if isinstance(settings, dict):
            settings.pop(module, None)
            if not settings:
                del holder["moduleConfig"]


def _keyed(value: Any) -> Any:
    """Lists of named things become mappings by their name; empty values are left out."""
    if isinstance(value, Mapping):
        kept = {key: _keyed(inner) for key, inner in value.items()}
        return {key: inner for key, inner in kept.items() if inner not in (None, "", {}, [])}
    if isinstance(value, list):
        if value and all(isinstance(inner, Mapping) and "name" in inner for inner in value):
            return {inner["name"]: _keyed(inner) for inner in value}
        return [_keyed(inner) for inner in value]
    return value


def _differences(path: str, one: Any, other: Any) -> Iterator[Difference]:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in (*one, *(key for key in other if key not in one)):
            yield from _differences(f"{path}/{key}", one.get(key), other.get(key))
    elif one != other or isinstance(one, bool) != isinstance(other, bool):
        yield Difference(path, one, other)
