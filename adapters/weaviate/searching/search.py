"""A search as one request to the physical collection: dense, hybrid or filtered, and its answer as hits."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.adapters.weaviate.collections.shape import Shape
from transvase.adapters.weaviate.objects.cargo import Vector
from transvase.adapters.weaviate.objects.messages import Message, message_of, wanted
from transvase.adapters.weaviate.objects.reading import Seen, seen_in
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.adapters.weaviate.objects.texts import expression
from transvase.adapters.weaviate.wire.connection import numbered
from transvase.core.errors import BadValue, StoreFailed
from transvase.core.record import Hit
from transvase.core.template import columns_of
from weaviate.proto.v1 import base_search_pb2, search_get_pb2

from .conditions import TEXTS, Condition, Manner, Means, answerable, asked, conditions_of

MOST: Final = 10_000
"""Hits that the server gives for one search, unless it is told otherwise."""
_STOP_WORDS: Final = "only stopwords provided"
"""Of the server's refusal of a text that is made of nothing else, or holds no word."""
_NEGATING: Final = (1, 33)
"""The first version that turns a filter round."""


def searched(
    setting: Setting,
    shape: Shape,
    query: Vector,
    k: int,
    *,
    metric: str,
    where: Mapping[str, object],
    hybrid: tuple[str, float] | None = None,
) -> tuple[Hit, ...] | None:
    """The ``k`` best. ``hybrid`` is words to look for and their weight beside the vector's (``transvase.core.hybrid``).

    None where so much shares its words with a condition that the server's ``MOST`` nearest do not hold ``k`` that meet it.
    """
    tenant, conditions = conditions_of(shape, where)
    answerable(shape, conditions)
    if not all(condition.values for condition in conditions):
        return ()
    lens, source = setting.lens(vector=False, others=False), setting.look().source.text
    read, worded = expression(source, shape), searchable(shape, source) if hybrid else []
    request = _request(shape, tenant)
    _aim(request, shape.named(lens.moving), query, hybrid=hybrid, worded=worded)
    means = Means(nulls=shape.nulls, negates=numbered(setting.connection.version) >= _NEGATING)
    ask = partial(_results, setting, request, conditions, means)
    fit = _fitting(ask, request, k, conditions, lambda message: seen_in(message, shape, lens, tenant))
    if fit is None:
        return None
    return tuple(
        hit(
            one,
            message.metadata.score if hybrid is not None else score_of(message.metadata.distance, metric),
            read(one.cargo.properties),
        )
        for message, one in fit
    )


def _fitting(
    ask: Callable[[Manner], tuple[Sequence[Message], Manner]],
    request: Message,
    k: int,
    conditions: Sequence[Condition],
    see: Callable[[Message], Seen],
) -> list[tuple[Message, Seen]] | None:
    """The first ``k`` results that meet the conditions. What the server finds too much is left out, and more is asked for."""
    request.limit, manner = k, Manner.EQUAL
    while True:
        results, manner = ask(manner)
        seen = [(message, see(message)) for message in results]
        fit = [(message, one) for message, one in seen if all(condition.met_by(one) for condition in conditions)]
        if len(fit) >= k or len(results) < request.limit:
            return fit[:k]
        if request.limit >= MOST:
            return None
        request.limit = min(request.limit * 4, MOST)


def _results(
    setting: Setting, request: Message, conditions: Sequence[Condition], means: Means, manner: Manner
) -> tuple[Sequence[Message], Manner]:
    """What the server finds, and the first manner from ``manner`` on in which it can be asked for the conditions' texts."""
    while True:
        request.ClearField("filters")
        if (filters := asked(conditions, manner, means)) is not None:
            request.filters.CopyFrom(filters)
        try:
            return setting.connection.search(request, index=request.collection).results, manner
        except StoreFailed as error:
            if manner is Manner.LEFT_OUT or _STOP_WORDS not in str(error):
                raise
            manner = Manner(manner + 1)


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


def _request(shape: Shape, tenant: str) -> Message:
    simple = [one for one in shape.properties.values() if not one.targets]
    return search_get_pb2.SearchRequest(
        collection=shape.name,
        tenant=tenant,
        metadata=search_get_pb2.MetadataRequest(uuid=True, distance=True, score=True),
        properties=wanted(simple),
        uses_123_api=True,
        uses_125_api=True,
        uses_127_api=True,
    )


def searchable(shape: Shape, text: str) -> list[str]:
    """The properties of the text expression whose words the server has indexed; BadValue where there are none."""
    named = [shape.properties[name] for name in columns_of(text, called="property") if name in shape.properties]
    found = [one.name for one in named if one.kind.removesuffix("[]") in TEXTS and one.raw.get("indexSearchable") is not False]
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
