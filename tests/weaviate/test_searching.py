"""A search by the physical name: dense, filtered, hybrid and exact, in one tenant, and never in a foreign space."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from transvase.core.errors import BadValue, SpaceMismatch, Superseded, Unfit, UnknownName
from transvase.core.space import Vectors
from weaviate_objects import NEW, OLD, WIDTH, Plot, encoded, plotted, uid, vector
from weaviate_server import Node

pytestmark = pytest.mark.weaviate

SCHEMA = {"invertedIndexConfig": {"indexTimestamps": True}}


def test_a_search_finds_what_an_exact_one_finds(plot: Plot) -> None:
    for number in range(40):
        plot.write(
            number, f"text {number}", **({} if number % 2 else {"properties": {"body": f"text {number}", "team": "deep blue"}})
        )
    index = plot.index(plot.live)
    for number in (3, 8):
        query = encoded(OLD, [f"text {number}"], WIDTH)
        near, exact = index.search(query, 5), index.search(query, 5, exact=True)
        assert near.hits[0].key == (uid(number),)
        assert near.hits[0].score == pytest.approx(1.0, abs=1e-5)
        assert [hit.key for hit in near.hits] == [hit.key for hit in exact.hits]
        assert [hit.score for hit in near.hits] == pytest.approx([hit.score for hit in exact.hits], abs=1e-5)
        assert (near.hits[0].text, near.generation) == (f"text {number}", 7)
    both = index.nearest(Vectors(OLD.space, np.vstack([encoded(OLD, [f"text {n}"], WIDTH).matrix for n in (3, 8)])), 2)
    assert [answer.hits[0].key for answer in both] == [(uid(3),), (uid(8),)]


def test_a_filter_is_equality_and_not_a_word_in_common(plot: Plot) -> None:
    teams = ["blue", "deep blue", "red"]
    for number in range(30):
        plot.write(number, f"text {number}", properties={"body": f"text {number}", "team": teams[number % 3]})
    index, query = plot.index(plot.live), encoded(OLD, ["text 0"], WIDTH)
    for exact in (False, True):
        found = index.search(query, 20, where={"team": "blue"}, exact=exact)
        assert len(found.hits) == 10
        assert {hit.metadata["team"] for hit in found.hits} == {"blue"}
        either = index.search(query, 30, where={"team": ["blue", "red"]}, exact=exact)
        assert len(either.hits) == 20
    with pytest.raises(UnknownName, match="colour"):
        index.search(query, 5, where={"colour": "blue"})
    with pytest.raises(BadValue):
        index.search(query, 0)


KINDS = {
    "word": {"dataType": ["text"]},
    "whole": {"dataType": ["text"], "tokenization": "field"},
    "spaced": {"dataType": ["text"], "tokenization": "whitespace"},
    "trigram": {"dataType": ["text"], "tokenization": "trigram"},
    "folded": {"dataType": ["text"], "textAnalyzer": {"asciiFold": True}},
    "tags": {"dataType": ["text[]"]},
    "when": {"dataType": ["date"]},
    "owner": {"dataType": ["uuid"]},
    "pages": {"dataType": ["int"]},
    "price": {"dataType": ["number"]},
    "open": {"dataType": ["boolean"]},
    "days": {"dataType": ["date[]"]},
    "place": {"dataType": ["geoCoordinates"]},
    "phone": {"dataType": ["phoneNumber"]},
    "inner": {"dataType": ["object"], "nestedProperties": [{"name": "a", "dataType": ["text"]}]},
    "raw": {"dataType": ["blob"]},
}
MOMENT = datetime(2024, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)
NUMBERED = {
    "when": "2024-01-02T03:04:05.678Z",
    "owner": str(UUID(int=7)),
    "pages": 3,
    "price": 3.5,
    "open": True,
    "days": ["2024-01-02T00:00:00Z", "2024-02-02T01:00:00.123456789+01:00"],
}


@pytest.fixture(params=[False, True], ids=["", "with an index of nulls"])
def kinds(request: pytest.FixtureRequest, server: Node, tmp_path: Path) -> Iterator[Plot]:
    """A collection with a property of each kind; object 1 has the values of ``NUMBERED``, 2 none of them."""
    properties = [{"name": "body", "dataType": ["text"]}, *({"name": name, **kind} for name, kind in KINDS.items())]
    with plotted(server, tmp_path, properties=properties, invertedIndexConfig={"indexNullState": request.param}) as plot:
        plot.write(1, "one", properties={"body": "one", **NUMBERED})
        plot.write(2, "two")
        yield plot


TAKEN: list[tuple[dict[str, object], bool]] = [
    ({"when": "2024-01-02T03:04:05.678Z"}, True),
    ({"when": MOMENT}, True),
    ({"when": MOMENT.astimezone(timezone(timedelta(hours=5)))}, True),
    ({"when": MOMENT.replace(tzinfo=None)}, True),
    ({"when": date(2024, 1, 2)}, False),
    ({"days": date(2024, 1, 2)}, True),
    ({"days": "2024-01-02"}, True),
    ({"days": "2024-02-02T00:00:00.123456789Z"}, True),
    ({"days": "2024-02-02T00:00:00.123456788Z"}, False),
    ({"owner": UUID(int=7)}, True),
    ({"owner": [str(UUID(int=7)), UUID(int=8)]}, True),
    ({"pages": 3.0}, True),
    ({"pages": "3"}, True),
    ({"pages": [1, 3]}, True),
    ({"pages": 3.5}, False),
    ({"pages": 10**30}, False),
    ({"price": 3.5}, True),
    ({"price": "3.5"}, True),
    ({"price": float("nan")}, False),
    ({"price": 10**400}, False),
    ({"open": True}, True),
    ({"open": "true"}, True),
    ({"open": False}, False),
    ({"uuid": uid(1)}, True),
    ({"uuid": str(uid(2))}, False),
]
"""Conditions, and whether object 1 meets them."""

REFUSED: list[tuple[dict[str, object], str]] = [
    ({"pages": True}, "pages is int"),
    ({"pages": "many"}, "pages is int"),
    ({"open": 1}, "open is boolean"),
    ({"when": "soon"}, "when is date"),
    ({"owner": "me"}, "owner is uuid"),
    ({"word": 3}, "word is text"),
    ({"place": "1,2"}, "of the kind geoCoordinates; those of text, int"),
    ({"phone": "1"}, "of the kind phoneNumber"),
    ({"inner": {"a": "b"}}, "of the kind object"),
    ({"raw": "aGFsbG8="}, "of the kind blob"),
]


def test_a_condition_takes_what_its_kind_is_compared_with_and_the_rest_is_misuse(kinds: Plot) -> None:
    index, query = kinds.index(kinds.live), encoded(OLD, ["one"], WIDTH)
    for exact in (False, True):
        for where, found in TAKEN:
            hits = index.search(query, 5, where=where, exact=exact).hits
            assert ((uid(1),) in {hit.key for hit in hits}) is found, (where, exact)
        for where, words in REFUSED:
            with pytest.raises(BadValue, match=words):
                index.search(query, 5, where=where, exact=exact)


@pytest.mark.parametrize("version", ["1.39.0", "1.32.4"])
def test_a_text_is_found_however_its_property_is_tokenized(kinds: Plot, version: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of one letter, of stop words, and without a word, and beside others in a list. An older server negates nothing."""
    worded = ["word", "whole", "spaced", "trigram", "folded"]
    texts = ["A", "the it", "", "  ", "???", "?x*", " padded ", "padded", "™", "tm", "THE IT"]
    for number, text in enumerate(texts, 10):
        kinds.write(number, text, properties={"body": text, "tags": [text, "a word"], **dict.fromkeys(worded, text)})
    monkeypatch.setattr(kinds.connection, "_version", version)
    index, query = kinds.index(kinds.live), encoded(OLD, ["one"], WIDTH)
    for name in (*worded, "tags"):
        for number, text in enumerate(texts, 10):
            for exact in (False, True):
                hits = index.search(query, 5, where={name: text}, exact=exact).hits
                assert [hit.key for hit in hits] == [(uid(number),)], (name, text, exact)
            either = index.search(query, 5, where={name: [text, "nowhere", "A"]}).hits
            assert {hit.key for hit in either} == {(uid(number),), (uid(10),)}, (name, text)


def test_a_filter_that_much_shares_its_words_with_is_answered_from_a_walk_or_said(
    plot: Plot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("transvase.adapters.weaviate.searching.search.MOST", 8)
    for number in range(20):
        plot.write(number, f"text {number}", properties={"body": f"text {number}", "team": "the deep blue"})
    query = encoded(OLD, ["text 0"], WIDTH)
    index = plot.index(plot.live)
    last = index.search(query, 20, exact=True).hits[-1].key
    number = next(n for n in range(20) if (uid(n),) == last)
    plot.application.patch(plot.live.site, uid(number), {"team": "blue"})
    assert [hit.key for hit in index.search(query, 2, where={"team": "blue"}).hits] == [last]
    with pytest.raises(Unfit, match="share their words"):
        index.search(query, 2, where={"team": "blue"}, text="text", lexical=0.5)


def test_more_hits_than_the_server_gives_are_refused_with_the_bound(plot: Plot) -> None:
    plot.write(1, "a")
    index, query = plot.index(plot.live), encoded(OLD, ["a"], WIDTH)
    assert len(index.search(query, 10_000).hits) == 1
    with pytest.raises(BadValue, match="between 1 and 10000 hits"):
        index.search(query, 10_001)
    assert len(index.search(query, 10_001, exact=True).hits) == 1


def test_words_weigh_beside_the_vector(plot: Plot) -> None:
    plot.write(1, "a needle in the hay")
    for number in range(2, 12):
        plot.write(number, f"straw {number}")
    index, query = plot.index(plot.live), encoded(OLD, ["straw 5"], WIDTH)
    assert index.search(query, 1, text="needle", lexical=0.0).hits[0].key == (uid(5),)
    assert index.search(query, 1, text="needle", lexical=1.0).hits[0].key == (uid(1),)
    with pytest.raises(BadValue):
        index.search(query, 1, text="needle", lexical=1.5)


def test_a_search_in_a_foreign_space_or_a_collection_that_is_gone_is_refused(plot: Plot) -> None:
    plot.write(1, "a")
    with pytest.raises(SpaceMismatch):
        plot.index(plot.live).search(encoded(NEW, ["a"], WIDTH), 1)
    plot.application.web.delete(f"/v1/schema/{plot.live.site}")
    with pytest.raises(Superseded):
        plot.index(plot.live).search(encoded(OLD, ["a"], WIDTH), 1)


def test_a_search_among_tenants_names_one(server: Node, tmp_path: Path) -> None:
    with plotted(server, tmp_path, multiTenancyConfig={"enabled": True}) as plot:
        plot.application.tenants(plot.live.site, a="ACTIVE", b="ACTIVE")
        for tenant in ("a", "b"):
            plot.write(1, f"of {tenant}", tenant=tenant)
        index, query = plot.index(plot.live), encoded(OLD, ["of b"], WIDTH)
        with pytest.raises(BadValue, match="tenant"):
            index.search(query, 5)
        for exact in (False, True):
            found = index.search(query, 5, where={"tenant": "a"}, exact=exact)
            assert [hit.key for hit in found.hits] == [("a", uid(1))]
        assert [hit.key for hit in index.nearest(query, 1)[0].hits] == [("b", uid(1))]
        index.warm(query)


@pytest.mark.parametrize(("metric", "distance"), [("ip", "dot"), ("l2", "l2-squared")])
def test_scores_are_those_of_the_metric(server: Node, tmp_path: Path, metric: str, distance: str) -> None:
    from dataclasses import replace

    with plotted(server, tmp_path, vectorIndexConfig={"distance": distance}) as plot:
        plot.application.put(
            plot.live.site, *({"id": str(uid(n)), "properties": {"body": "x"}, "vector": vector(n)} for n in range(9))
        )
        index = plot.index(replace(plot.live, metric=metric))
        query = Vectors(OLD.space, np.array([vector(77)], dtype=np.float32))
        near, exact = index.search(query, 4), index.search(query, 4, exact=True)
        assert [hit.key for hit in near.hits] == [hit.key for hit in exact.hits]
        assert [hit.score for hit in near.hits] == pytest.approx([hit.score for hit in exact.hits], rel=1e-4)
        one = np.array(vector(next(n for n in range(9) if (uid(n),) == near.hits[0].key)))
        wanted = one @ query.matrix[0] if metric == "ip" else -np.linalg.norm(one - query.matrix[0])
        assert near.hits[0].score == pytest.approx(float(wanted), rel=1e-4)


def test_building_waits_for_what_is_queued_and_is_over_at_once_here(plot: Plot) -> None:
    plot.write(1, "a")
    told_: list[str] = []
    plot.index(plot.live).build(lambda what, _, __: told_.append(what))
    assert set(told_) <= {"indexing"}
    plot.index(plot.live).warm(encoded(OLD, ["a"], WIDTH))


# ---------------------------------------------------------------- sweeping


def test_a_condition_that_no_index_is_kept_for_is_named_with_its_setting(server: Node, tmp_path: Path) -> None:
    properties = [
        {"name": "body", "dataType": ["text"]},
        {"name": "team", "dataType": ["text"], "indexFilterable": False},
        {"name": "shade", "dataType": ["text"], "indexFilterable": False, "indexSearchable": False},
        {"name": "pages", "dataType": ["int"], "indexFilterable": False},
        {"name": "chapters", "dataType": ["int"], "indexFilterable": False, "indexRangeFilters": True},
    ]
    for nulls in (False, True):
        with plotted(server, tmp_path, properties=properties, invertedIndexConfig={"indexNullState": nulls}) as plot:
            full = {"body": "one", "team": "red", "shade": "dark", "pages": 7, "chapters": 3}
            plot.write(1, "one", properties=full)
            plot.write(2, "two", properties={"body": "two"})
            index, query = plot.index(plot.live), encoded(OLD, ["one"], WIDTH)
            for where in ({"team": "red"}, {"chapters": 3}):
                assert [hit.key for hit in index.search(query, 5, where=where).hits] == [(uid(1),)]
            for where, words in (({"shade": "dark"}, "values of shade .*indexFilterable"), ({"pages": [7]}, "values of pages")):
                with pytest.raises(Unfit, match=words):
                    index.search(query, 5, where=where)
            if nulls:
                assert [hit.key for hit in index.search(query, 5, where={"team": None}).hits] == [(uid(2),)]
            else:
                for where in ({"team": None}, {"team": ["red", None]}):
                    with pytest.raises(Unfit, match=r"indexNullState is off.*team = null"):
                        index.search(query, 5, where=where)
            assert [hit.key for hit in index.search(query, 5, where={"team": None}, exact=True).hits] == [(uid(2),)]
