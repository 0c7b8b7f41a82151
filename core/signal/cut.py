"""How a collection is divided into train, dev and test: by family at random, by time, or with a slice held out.

No family stands on two sides. By time and by slice, what would stand on two sides is taken out of the earlier or the
remaining one: what is asked in the end must be new.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from transvase.core.errors import BadValue, UnknownName

from .harvest import Harvest, Tally
from .split import divide

TRAIN, DEV, TEST = "train", "dev", "test"
SPLITS: Final = (TRAIN, DEV, TEST)
LEAST_TRAIN: Final = 8
"""Training pairs below which there is no batch worth a step."""

_CROSSING: Final = "its family stands in a later split"
_BESIDE_SLICE: Final = "its family stands in the held-out slice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """Shares of the queries for dev and test, and how they are drawn. ``held_out``: a field and its value that is test."""

    dev: float = 0.1
    test: float = 0.1
    seed: int = 1
    by: str = "family"
    held_out: tuple[str, str] | None = None

    def __post_init__(self) -> None:
        for name, share in ((DEV, self.dev), (TEST, self.test)):
            if not 0 <= share <= 1:
                raise BadValue(f"share of {name}", share, why="a share lies between 0 and 1")
        if self.dev + self.test > 1:
            raise BadValue("shares of dev and test", self.dev + self.test, why="together they are more than the whole")
        if self.by not in ("family", "time"):
            raise BadValue("split", self.by, why="divide by family or by time")
        if self.held_out and self.by == "time":
            raise BadValue("hold-out", "=".join(self.held_out), why="divide by time or hold out a slice, not both")


def divided(harvest: Harvest, family_of: Mapping[str, str], *, cut: Cut, tally: Tally) -> dict[str, set[str]]:
    """Split → ids of its queries; a split with a share of 0 is not in it. BadValue when a split would be empty."""
    if cut.held_out:
        splits = _by_slice(harvest, family_of, cut=cut, tally=tally)
    elif cut.by == "time":
        splits = _by_time(harvest, family_of, cut=cut, tally=tally)
    else:
        splits = _at_random(family_of, dev=cut.dev, test=cut.test, seed=cut.seed)
    _enough(harvest, splits, cut)
    return {split: splits[split] for split in SPLITS if splits[split]}


def _at_random(family_of: Mapping[str, str], *, dev: float, test: float, seed: int) -> dict[str, set[str]]:
    rest, splits = set(family_of), {split: set[str]() for split in SPLITS}
    sides, found = (test > 0) + (dev > 0) + (dev + test < 1), len(set(family_of.values()))
    if found < sides:
        told = f"{len(family_of)} queries in {found} families"
        raise BadValue("split", told, why=f"too few for {sides} splits, since none is divided; bring more signal")
    for split, share, left in ((TEST, test, 1.0), (DEV, dev, 1.0 - test)):
        if share >= left > 0:
            splits[split], rest = rest, set()
        elif share > 0:
            held = {query: family for query, family in family_of.items() if query in rest}
            rest, splits[split] = divide(held, share=share / left, seed=seed)
    splits[TRAIN] = rest
    return splits


def _by_time(harvest: Harvest, family_of: Mapping[str, str], *, cut: Cut, tally: Tally) -> dict[str, set[str]]:
    """The latest queries are test, those before them dev; queries of one moment stay together."""
    times = {query.id: _time(query.id, query.metadata.get("time")) for query in harvest.queries}
    ordered = sorted(times.values())
    bounds = {split: _bound(ordered, share) for split, share in ((TEST, cut.test), (DEV, cut.test + cut.dev))}
    splits = {split: set[str]() for split in SPLITS}
    for query, time in times.items():
        splits[TEST if time >= bounds[TEST] else DEV if time >= bounds[DEV] else TRAIN].add(query)
    later: set[str] = set()
    for split in (TEST, DEV, TRAIN):
        splits[split] = _without(splits[split], later, family_of=family_of, harvest=harvest, tally=tally, reason=_CROSSING)
        later |= {family_of[query] for query in splits[split]}
    return splits


def _bound(ordered: list[float], share: float) -> float:
    """The moment from which the latest ``share`` of all queries was asked."""
    count = round(share * len(ordered))
    return ordered[len(ordered) - count] if count else float("inf")


def _time(query: str, value: object) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    raise BadValue("time", value, why=f"query {query} has no time to be divided by; name its column, or divide by family")


def _by_slice(harvest: Harvest, family_of: Mapping[str, str], *, cut: Cut, tally: Tally) -> dict[str, set[str]]:
    field, value = cut.held_out or ("", "")
    values = _values(harvest, field)
    test = {query for query, found in values.items() if value in found}
    if not test:
        there = sorted({one for found in values.values() for one in found})
        if not there:
            fields = sorted({name for query in harvest.queries for name in query.metadata})
            raise UnknownName("metadata field", field, hint=f"queries have {', '.join(fields) or 'none'}")
        more = f" and {len(there) - 20} more" if len(there) > 20 else ""
        raise UnknownName(f"value of {field}", value, hint=f"there are {', '.join(there[:20])}{more}")
    held = {family_of[query] for query in test}
    rest = _without(set(family_of) - test, held, family_of=family_of, harvest=harvest, tally=tally, reason=_BESIDE_SLICE)
    others = _at_random(
        {query: family for query, family in family_of.items() if query in rest}, dev=cut.dev, test=0.0, seed=cut.seed
    )
    return others | {TEST: test}


def _values(harvest: Harvest, field: str) -> dict[str, set[str]]:
    """Query id → what its own metadata, or else that of its answers, has in the field."""
    told = {document.id: document.metadata[field] for document in harvest.documents if field in document.metadata}
    answers = harvest.answers()
    values = {}
    for query in harvest.queries:
        own = query.metadata.get(field)
        found = [told.get(document) for document in answers.get(query.id, ())] if own is None else [own]
        values[query.id] = {str(one) for one in found if one is not None and one != ""}
    return values


def _without(
    ids: set[str], families: set[str], *, family_of: Mapping[str, str], harvest: Harvest, tally: Tally, reason: str
) -> set[str]:
    """The queries of no such family; the others are counted as left out."""
    crossing = {query for query in ids if family_of[query] in families}
    for judgment in harvest.judgments:
        if judgment.query in crossing:
            tally.drop(reason, judgment.where)
    return ids - crossing


def _enough(harvest: Harvest, splits: Mapping[str, set[str]], cut: Cut) -> None:
    dev = DEV if cut.dev else ""
    test = TEST if cut.test or cut.held_out else ""
    for split in filter(None, (test, dev)):
        if not splits[split]:
            why = f"none of {len(harvest.queries)} queries is left for it; bring more signal, or choose another share"
            raise BadValue("split", split, why=why)
    pairs = sum(judgment.grade > 0 for judgment in harvest.judgments if judgment.query in splits[TRAIN])
    if cut.dev + cut.test < 1 and pairs < LEAST_TRAIN:
        why = (
            f"{pairs} pairs are left for it, and at least {LEAST_TRAIN} are needed; bring more signal, or a smaller dev and test"
        )
        raise BadValue("split", TRAIN, why=why)
