"""Exact search where the server has none: one walk over the whole collection for all queries at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from transvase.adapters.weaviate.objects.copies import pages
from transvase.adapters.weaviate.objects.reading import Seen
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.adapters.weaviate.objects.texts import expression
from transvase.core.declaration import Declaration
from transvase.core.record import Hit, Key

from .conditions import TENANT, conditions_of
from .search import hit, scores


def nearest(
    setting: Setting, declaration: Declaration, queries: NDArray[np.float32], k: int, *, where: Mapping[str, object]
) -> list[tuple[Hit, ...]]:
    """The ``k`` best objects for each row of ``queries``; in all tenants, unless ``where`` names one."""
    site = declaration.site
    shape = setting.shape(site)
    tenants = setting.tenants(shape)
    if not shape.tenants or TENANT in where:
        tenant, conditions = conditions_of(shape, where)
        tenants = [tenant]
    else:
        _, conditions = conditions_of(shape, {**where, TENANT: "any"})
    best: list[tuple[list[float], list[Key]]] = [([], []) for _ in queries]
    lens = setting.lens(others=False, properties=bool(conditions))
    for tenant in tenants:
        with setting.awake(site, tenant):
            for some in pages(setting.connection, site, lens, tenant=tenant):
                fit = [
                    one
                    for one in some
                    if _usable(one, declaration.width) and all(condition.met_by(one) for condition in conditions)
                ]
                best = _better(best, fit, queries, k, metric=declaration.metric)
    return _hits(setting, site, best)


def _usable(one: Seen, width: int) -> bool:
    return one.vector is not None and one.vector.shape == (width,)


def _better(
    best: Sequence[tuple[list[float], list[Key]]], some: Sequence[Seen], queries: NDArray[np.float32], k: int, *, metric: str
) -> list[tuple[list[float], list[Key]]]:
    """The best of what was best so far and of this page."""
    matrix = np.array([one.vector for one in some if one.vector is not None], dtype=np.float64).reshape(
        len(some), queries.shape[1]
    )
    found = []
    for query, (so_far, keys) in zip(queries, best, strict=True):
        values = np.array([*so_far, *scores(metric, query.astype(np.float64), matrix)])
        order = [row for row in np.argsort(-values, kind="stable")[:k].tolist() if np.isfinite(values[row])]
        named = [*keys, *(one.key for one in some)]
        found.append(([float(values[row]) for row in order], [named[row] for row in order]))
    return found


def _hits(setting: Setting, site: str, best: Sequence[tuple[list[float], list[Key]]]) -> list[tuple[Hit, ...]]:
    lens = setting.lens(vector=False, others=False)
    objects = setting.fetch(site, lens, list(dict.fromkeys(key for _, keys in best for key in keys)))
    read = expression(setting.look().source.text, setting.shape(site))
    return [
        tuple(
            hit(objects[key], score, read(objects[key].cargo.properties))
            for score, key in zip(values, keys, strict=True)
            if key in objects
        )
        for values, keys in best
    ]
