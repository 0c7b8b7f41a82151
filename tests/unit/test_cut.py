"""Dividing a harvest: by family, by time, by a held-out slice, without anything standing on two sides."""

from __future__ import annotations

from collections import Counter

import pytest
from gleanings import harvest, plain, sentence
from transvase.core.errors import BadValue, UnknownName
from transvase.core.evaluation import Document
from transvase.core.signal.cut import Cut, divided
from transvase.core.signal.harvest import Harvest, Tally
from transvase.core.signal.kinship import kinship

LONG = "how do I reset the password of a user in the admin console"


def cut(given: Harvest, joins: tuple[str, ...] | None = None, **terms: object) -> tuple[dict[str, set[str]], Tally]:
    tally = Tally()
    return divided(given, kinship(given, joins=joins).family_of, cut=Cut(**terms), tally=tally), tally


@pytest.mark.parametrize("kind", ["text", "near text", "family", "session", "source", "document", "document source"])
def test_every_kind_of_kin_is_one_family(kind: str) -> None:
    pairs = [(sentence(0), sentence(10)), (sentence(1), sentence(11)), (sentence(2), sentence(12))]
    facts: dict[int, dict[str, object]] = {}
    if "text" in kind:
        pairs[:2] = [(LONG, sentence(10)), (LONG.upper() if kind == "text" else LONG.replace("user", "users"), sentence(11))]
    elif kind == "document":
        pairs[1] = (pairs[1][0], pairs[0][1])
    elif kind != "document source":
        facts = {0: {kind: "same"}, 1: {kind: "same"}, 2: {kind: "other"}}
    given = harvest(*pairs, facts=facts)
    if kind == "document source":
        told = [Document(one.id, "", one.text, {"source": "p" if one.id != "d2" else "q"}) for one in given.documents]
        given = Harvest(documents=tuple(told), queries=given.queries, judgments=given.judgments, loose=True)

    family_of = kinship(given, joins=("text", "family", "session", "source", "document")).family_of

    assert family_of["q0"] == family_of["q1"] != family_of["q2"]


def test_a_document_that_chains_everything_together_joins_nothing_unless_it_is_asked_to() -> None:
    given = harvest(*((sentence(row), "the answer to everything") for row in range(30)))
    found = kinship(given, joins=None)

    assert len(set(found.family_of.values())) == 30
    assert "document" not in found.joins
    assert "30 of 30 queries were one family" in found.notes[0]
    assert len(set(kinship(given, joins=("text", "document")).family_of.values())) == 1
    with pytest.raises(BadValue, match="too few"):
        cut(given, joins=("text", "document"))


def test_a_source_of_very_many_queries_is_a_category_and_joins_nothing() -> None:
    given = plain(300, facts={row: {"source": "forum" if row < 100 else f"page {row // 2}"} for row in range(300)})
    family_of = kinship(given, joins=None).family_of

    assert family_of["q0"] != family_of["q1"]
    assert family_of["q200"] == family_of["q201"]


def test_no_family_is_divided_and_the_shares_are_kept() -> None:
    given = plain(300, facts={row: {"family": row // 3} for row in range(300)})
    splits, _ = cut(given, dev=0.1, test=0.2)
    family_of = {query.id: query.family for query in given.queries}

    assert sum(map(len, splits.values())) == 300
    assert 55 <= len(splits["test"]) <= 65
    assert 25 <= len(splits["dev"]) <= 35
    assert max(Counter(family for ids in splits.values() for family in {family_of[query] for query in ids}).values()) == 1
    assert splits == cut(given, dev=0.1, test=0.2)[0] != cut(given, dev=0.1, test=0.2, seed=2)[0]


def test_by_time_the_latest_are_test_and_crossing_families_leave_the_earlier_side() -> None:
    facts: dict[int, dict[str, object]] = {row: {"time": 1000.0 + row} for row in range(100)}
    facts[3]["family"] = facts[95]["family"] = "early and late"
    facts[4]["family"] = facts[85]["family"] = "early and dev"
    splits, tally = cut(plain(100, facts=facts), by="time", dev=0.1, test=0.1)

    assert splits["test"] == {f"q{row}" for row in range(90, 100)}
    assert splits["dev"] == {f"q{row}" for row in range(80, 90)}
    assert splits["train"] == {f"q{row}" for row in range(80)} - {"q3", "q4"}
    assert tally.reasons == {"its family stands in a later split": (2, ["f:4", "f:5"])}


def test_by_time_every_query_needs_one() -> None:
    with pytest.raises(BadValue, match="query q1 has no time"):
        cut(plain(20, facts={0: {"time": 1.0}}), by="time")


def test_a_held_out_slice_is_test_and_its_kin_is_nowhere() -> None:
    facts: dict[int, dict[str, object]] = {row: {"product": "new" if row < 20 else "old"} for row in range(100)}
    facts[0]["session"] = facts[50]["session"] = 1
    splits, tally = cut(plain(100, facts=facts), held_out=("product", "new"))

    assert splits["test"] == {f"q{row}" for row in range(20)}
    assert "q50" not in splits["train"] | splits["dev"]
    assert tally.reasons == {"its family stands in the held-out slice": (1, ["f:51"])}


def test_a_slice_that_is_not_there_is_named_with_those_that_are() -> None:
    given = plain(20, facts={row: {"product": "ab"[row % 2]} for row in range(20)})

    with pytest.raises(UnknownName, match="there are a, b"):
        cut(given, held_out=("product", "c"))
    with pytest.raises(UnknownName, match="queries have product"):
        cut(given, held_out=("team", "c"))


@pytest.mark.parametrize(
    ("count", "terms"), [(3, {}), (9, {}), (1, {"test": 0.5}), (12, {"by": "time", "test": 0.0, "dev": 0.01})]
)
def test_too_few_pairs_for_a_split_are_refused(count: int, terms: dict[str, object]) -> None:
    with pytest.raises(BadValue, match="split"):
        cut(plain(count, facts={row: {"time": 1.0 * row} for row in range(count)}), **terms)


def test_everything_may_be_test() -> None:
    assert cut(plain(30), dev=0.0, test=1.0)[0] == {"test": {f"q{row}" for row in range(30)}}


@pytest.mark.parametrize(
    "terms", [{"dev": -0.1}, {"test": 1.2}, {"dev": 0.6, "test": 0.6}, {"by": "luck"}, {"by": "time", "held_out": ("a", "b")}]
)
def test_terms_that_cannot_be_meant_are_refused(terms: dict[str, object]) -> None:
    with pytest.raises(BadValue):
        Cut(**terms)


def test_fewer_families_than_splits_are_told_by_their_number() -> None:
    with pytest.raises(BadValue, match=r"'2 queries in 2 families': too few for 3 splits"):
        cut(plain(2))
