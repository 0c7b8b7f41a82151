"""Splits that never divide a family: what validation asks must not have been taught in other words.

What a family is stands in ``transvase.core.evaluation.families``.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Mapping, Sequence

from transvase.core.errors import BadValue
from transvase.core.evaluation.judged import Query


def divide(family_of: Mapping[str, str], *, share: float, seed: int) -> tuple[set[str], set[str]]:
    """Query ids for training and for validation: whole families at random until validation has ``share`` of the queries.

    BadValue when there are too few families for two sides.
    """
    members: defaultdict[str, list[str]] = defaultdict(list)
    for query, family in family_of.items():
        members[family].append(query)
    names = sorted(members)
    random.Random(seed).shuffle(names)  # noqa: S311  a split has to be repeatable, not secret
    wanted, held = share * len(family_of), set[str]()
    for name in names:
        if len(held) + len(members[name]) <= max(1.0, 1.5 * wanted) and len(held) < wanted:
            held.update(members[name])
    rest = set(family_of) - held
    if not held or not rest:
        raise BadValue(
            "train split",
            f"{len(family_of)} queries in {len(members)} families",
            why="too few to hold some out for validation; judge more queries, or write qrels/dev.tsv",
        )
    return rest, held


def shared(family_of: Mapping[str, str], first: Sequence[Query], second: Sequence[Query]) -> set[str]:
    """Ids of queries of ``first`` whose family also stands in ``second``: a leak from one split into the other."""
    taken = {family_of[query.id] for query in second}
    return {query.id for query in first if family_of[query.id] in taken}
