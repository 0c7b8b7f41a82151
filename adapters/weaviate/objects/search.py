"""A search as one request to the physical collection: dense, hybrid or filtered, and its answer as hits."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.adapters.weaviate.collections.shape import Property, Shape
from transvase.core.errors import BadValue, Unfit, UnknownName
from transvase.core.record import Hit
from transvase.core.template import columns_of
from weaviate.proto.v1 import base_pb2, base_search_pb2, search_get_pb2

from .cargo import Vector
from .messages import Message, message_of, wanted
from .reading import Seen, seen_in
from .setting import Setting
from .texts import expression

MOST: Final = 10_000
"""Hits that the server gives for one search, unless it is told otherwise."""
TENANT: Final = "tenant"
_WORDED: Final = ("text", "text[]", "string", "string[]")


def searched(
    setting: Setting,
    shape: Shape,
    query: Vector,
    k: int,
    *,
    metric: str,
    where: Mapping[str, object],
    hybrid: tuple[str, float] | None = None,
) -> tuple[Hit, ...]:
    """The ``k`` best. ``hybrid`` is words to look for and their weight beside the vector's (``transvase.core.hybrid``).

    The server's equality of texts is one of their words; what it finds too much is left out here, and more is asked for.
    """
    tenant, conditions = tenant_of(shape, where)
    _answerable(shape, conditions)
    lens = setting.lens(vector=False, others=False)
    source = setting.look().source.text
    read, worded = expression(source, shape), searchable(shape, source) if hybrid else []
    asked = k
    while True:
        request = _request(shape, tenant, asked)
        _aim(request, shape.named(lens.moving), query, hybrid=hybrid, worded=worded)
        if conditions:
            request.filters.CopyFrom(_all(conditions, shape))
        results = setting.connection.search(request, index=shape.name).results
        seen = [(one, seen_in(one, shape, lens, tenant)) for one in results]
        fit = [(message, one) for message, one in seen if meets(one, conditions, shape)]
        if len(fit) >= k or len(results) < asked or asked == MOST:
            return tuple(
                hit(
                    one,
                    message.metadata.score if hybrid is not None else score_of(message.metadata.distance, metric),
                    read(one.cargo.properties),
                )
                for message, one in fit[:k]
            )
        asked = min(asked * 4, MOST)


def tenant_of(shape: Shape, where: Mapping[str, object]) -> tuple[str, Mapping[str, object]]:
    """The tenant that is searched, and the other conditions. BadValue where a collection with tenants is asked for none.

    UnknownName for a condition on what is no property.
    """
    rest = dict(where)
    tenant = rest.pop(TENANT, "") if shape.tenants else ""
    if shape.tenants and (not isinstance(tenant, str) or not tenant):
        raise BadValue("where", dict(where), why=f"{shape.name} has tenants, and a search is within one: give {TENANT}=NAME")
    for name in rest:
        if name not in shape.properties or shape.properties[name].targets:
            raise UnknownName("column", name, hint=f"{shape.name} has {', '.join(sorted(shape.properties))}")
    return str(tenant), rest


def _answerable(shape: Shape, conditions: Mapping[str, object]) -> None:
    """Unfit for a condition that the collection keeps no index for, with the setting that would have made one."""
    for name, value in conditions.items():
        raw = shape.properties[name].raw
        if not any(raw.get(index, False) for index in ("indexFilterable", "indexSearchable", "indexRangeFilters")):
            raise Unfit(
                f"{shape.name} keeps no index of the values of {name} (indexFilterable is off), and it cannot be a condition",
                remedy="leave the condition out; a collection that is made anew can have it",
            )
        if not shape.nulls and (value is None or (isinstance(value, list | tuple | set | frozenset) and None in value)):
            raise Unfit(
                f"{shape.name} keeps no index of what its objects lack (indexNullState is off), so {name} = null cannot be asked",
                remedy="leave the condition out; a collection that is made anew with indexNullState can have it",
            )


def meets(one: Seen, conditions: Mapping[str, object], shape: Shape, *, all_of_them: bool = False) -> bool:
    """True when the texts among the conditions are what the object has, and do not only share a word with it.

    The server has judged the other conditions, unless ``all_of_them`` are to be.
    """
    return all(
        _is(one.cargo.properties.get(name), value)
        for name, value in conditions.items()
        if all_of_them or (shape.properties[name].kind in _WORDED and not shape.properties[name].whole)
    )


def score_of(distance: float, metric: str) -> float:
    """Larger is nearer: cosine, inner product, or the negative distance for ``l2``, whose square the server gives."""
    if metric == "l2":
        return -math.sqrt(max(distance, 0.0))
    return -distance if metric == "ip" else 1.0 - distance


def scores(metric: str, query: NDArray[np.float64], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """``score_of`` for each row, computed here. A vector without a direction has none under ``cosine``: minus infinity."""
    if metric == "l2":
        return np.asarray(-np.linalg.norm(matrix - query, axis=1), dtype=np.float64)
    products = np.asarray(matrix @ query, dtype=np.float64)
    if metric == "ip":
        return products
    lengths = np.linalg.norm(matrix, axis=1) * np.linalg.norm(query)
    return np.asarray(np.where(lengths > 0, products / np.where(lengths > 0, lengths, 1), -np.inf), dtype=np.float64)


def hit(one: Seen, score: float, text: str | None) -> Hit:
    """The object as an answer; references and vectors are no part of it."""
    return Hit(one.key, score, text, dict(sorted(one.cargo.properties.items())))


def _request(shape: Shape, tenant: str, limit: int) -> Message:
    simple = [one for one in shape.properties.values() if not one.targets]
    return search_get_pb2.SearchRequest(
        collection=shape.name,
        tenant=tenant,
        limit=limit,
        metadata=search_get_pb2.MetadataRequest(uuid=True, distance=True, score=True),
        properties=wanted(simple),
        uses_123_api=True,
        uses_125_api=True,
        uses_127_api=True,
    )


def searchable(shape: Shape, text: str) -> list[str]:
    """The properties of the text expression whose words the server has indexed; BadValue where there are none."""
    named = [shape.properties[name] for name in columns_of(text, called="property") if name in shape.properties]
    found = [one.name for one in named if one.kind in _WORDED and one.raw.get("indexSearchable") is not False]
    if not found:
        raise BadValue(
            "lexical", text, why=f"no property of the text is indexed for words in {shape.name} (indexSearchable); leave it out"
        )
    return found


def _aim(request: Message, name: str, query: Vector, *, hybrid: tuple[str, float] | None, worded: list[str]) -> None:
    targets = base_search_pb2.Targets(target_vectors=[name] if name else [])
    near = base_search_pb2.NearVector(vectors=[message_of("", query)], targets=targets)
    if hybrid is None:
        request.near_vector.CopyFrom(near)
        return
    text, lexical = hybrid
    request.hybrid_search.CopyFrom(
        base_search_pb2.Hybrid(
            query=text.encode("utf-8", "replace").decode(),
            properties=worded,
            alpha=1 - lexical,
            alpha_param=1 - lexical,
            use_alpha_param=True,
            targets=targets,
            fusion_type=base_search_pb2.Hybrid.FUSION_TYPE_RELATIVE_SCORE,
            near_vector=near,
        )
    )


def _all(conditions: Mapping[str, object], shape: Shape) -> Message:
    parts = [_condition(shape.properties[name], value) for name, value in conditions.items()]
    return parts[0] if len(parts) == 1 else base_pb2.Filters(operator=base_pb2.Filters.OPERATOR_AND, filters=parts)


def _condition(one: Property, value: object) -> Message:
    target = base_pb2.FilterTarget(property=one.name)
    if value is None:
        return base_pb2.Filters(operator=base_pb2.Filters.OPERATOR_IS_NULL, target=target, value_boolean=True)
    if isinstance(value, list | tuple | set | frozenset):
        parts = [_condition(one, part) for part in value]
        if not parts:
            raise BadValue("where", value, why=f"give at least one value for {one.name}")
        return parts[0] if len(parts) == 1 else base_pb2.Filters(operator=base_pb2.Filters.OPERATOR_OR, filters=parts)
    made = base_pb2.Filters(operator=base_pb2.Filters.OPERATOR_EQUAL, target=target)
    kind = one.kind.removesuffix("[]")
    try:
        if kind == "boolean":
            made.value_boolean = _boolean(value)
        elif kind == "int":
            made.value_int = int(str(value))
        elif kind == "number":
            made.value_number = float(str(value))
        else:
            made.value_text = str(value)
    except ValueError as error:
        raise BadValue("where", value, why=f"{one.name} is {one.kind}") from error
    return made


def _boolean(value: object) -> bool:
    found = {"true": True, "false": False}.get(str(value).lower())
    if found is None:
        raise ValueError(value)
    return found


def _is(value: object, wanted_: object) -> bool:
    if isinstance(wanted_, list | tuple | set | frozenset):
        return any(_is(value, one) for one in wanted_)
    if isinstance(value, list):
        return wanted_ in value
    return value == wanted_
