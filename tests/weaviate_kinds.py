"""The kinds of collections that applications have: what each is made of, and what its objects carry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from weaviate_objects import Json
from weaviate_rich import PHONE, PLAIN, VECTORS

TENANTS: Final = ("ada", "bob", "eve")

_HNSW: Final = {"vectorIndexType": "hnsw"}
_FLAT: Final = {"vectorIndexType": "flat"}


def _quantised(**quantiser: Json) -> Json:
    return {"vectorIndexConfig": {name: {"enabled": True, **settings} for name, settings in quantiser.items()}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A collection's settings, and what its objects carry beside text and team."""

    settings: Mapping[str, Any] = field(default_factory=dict)
    moving: str = ""
    """The vector that moves; empty for the nameless one."""
    others: Sequence[str] = ()
    """Vectors that are carried along."""
    added: Mapping[str, Json] = field(default_factory=dict)
    """Named vectors that the collection was given after it was made."""
    refers: bool = False
    rich: bool = False
    tenants: Sequence[str] = ("",)
    waits: bool = False
    """Its server indexes vectors later than it writes them."""


KINDS: Final[Mapping[str, Kind]] = {
    "named vectors": Kind(
        settings={"vectors": (), "vectorConfig": VECTORS, "properties": (*PLAIN, PHONE)},
        moving="moves",
        others=("stays", "rows"),
        rich=True,
    ),
    "nameless beside a named one": Kind(added={"stays": VECTORS["stays"]}, others=("stays",)),
    "references": Kind(refers=True),
    "references of named vectors": Kind(
        settings={"vectors": (), "vectorConfig": {name: VECTORS[name] for name in ("moves", "stays")}},
        moving="moves",
        others=("stays",),
        refers=True,
    ),
    "flat": Kind(settings={**_FLAT, "vectorIndexConfig": {"distance": "l2-squared"}}),
    "flat, binary": Kind(settings={**_FLAT, **_quantised(bq={"rescoreLimit": 400})}),
    "hierarchical, binary": Kind(settings={**_HNSW, **_quantised(bq={"rescoreLimit": 400})}),
    "hfresh": Kind(settings={"vectorIndexType": "hfresh"}),
    "scalar quantiser": Kind(settings={**_HNSW, **_quantised(sq={"trainingLimit": 50, "rescoreLimit": 400})}),
    "rotational quantiser": Kind(settings={**_HNSW, **_quantised(rq={"bits": 8, "rescoreLimit": 400})}),
    "rotational quantiser of one bit": Kind(settings={**_HNSW, **_quantised(rq={"bits": 1, "rescoreLimit": 400})}),
    "product quantiser": Kind(
        settings={**_HNSW, **_quantised(pq={"segments": 8, "centroids": 32, "trainingLimit": 50, "rescoreLimit": 400})}
    ),
    "dynamic": Kind(settings={"vectorIndexType": "dynamic", "vectorIndexConfig": {"threshold": 60}}, waits=True),
    "tenants": Kind(settings={"multiTenancyConfig": {"enabled": True}}, tenants=TENANTS),
    "tenants with references": Kind(settings={"multiTenancyConfig": {"enabled": True}}, tenants=TENANTS, refers=True),
    "times, lengths and nulls": Kind(
        settings={
            "invertedIndexConfig": {
                "indexTimestamps": True,
                "indexNullState": True,
                "indexPropertyLength": True,
                "bm25": {"b": 0.6, "k1": 1.1},
                "stopwords": {"preset": "none", "additions": ["perhaps"]},
            }
        }
    ),
    "three shards": Kind(settings={"shardingConfig": {"desiredCount": 3}}),
}
