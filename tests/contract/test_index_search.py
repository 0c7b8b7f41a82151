"""The Index port: searching, in its own Space only, with the row as it is now."""

from __future__ import annotations

import numpy as np
import pytest
from transvase.core.errors import BadValue, SpaceMismatch, Superseded, UnknownName
from transvase.core.fence import Fenced
from transvase.core.space import Role
from worlds import NEW, OLD, World, adopt, asked, body, fill, pay, rows_of, shadowed, silent


def test_a_text_finds_its_own_record_first(world):
    _, shadow = shadowed(world, [body(i) for i in range(30)])
    fill(world, shadow)
    answer = shadow.search(asked(shadow, body(17)), 3)
    assert answer.hits[0].key == world.key(17)
    assert answer.hits[0].score == pytest.approx(1.0, abs=1e-5)
    assert len(answer.hits) == 3


def test_each_part_can_be_searched_once_it_is_open_and_together_they_are_everything(world):
    for index in shadowed(world, [body(i) for i in range(6)]):
        if not index.declaration.adopted:
            fill(world, index)
        encoder = OLD if index.declaration.adopted else NEW
        found = set()
        for part in (*index.parts(), *index.parts(asleep=True)):
            with index.opened(part):
                found |= {hit.key for hit in index.search(asked(index, body(1), encoder=encoder), 6, where=part).hits}
        assert found == {world.key(i) for i in range(6)}


def test_hits_come_best_first_with_text_and_metadata_of_the_row_now(world):
    live, _ = shadowed(world, [body(i) for i in range(10)])
    world.put("docs", [{"id": 4, "body": body(4), "team": "data", "title": "newer"}])
    hits = live.search(asked(live, body(4), encoder=OLD), 10).hits
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert (hits[0].text, hits[0].metadata["team"], hits[0].metadata["title"]) == (body(4), "data", "newer")
    assert sorted(hits[0].metadata) == ["body", "team", "title"]


def test_where_restricts_the_hits(world):
    live, _ = shadowed(world, [body(i) for i in range(20)])
    world.put("docs", [{"id": i, "body": body(i), "team": "data"} for i in (3, 5)])
    hits = live.search(asked(live, body(9), encoder=OLD), 10, where={"team": "data"}).hits
    assert {hit.key for hit in hits} == {world.key(3), world.key(5)}
    assert live.search(asked(live, body(9), encoder=OLD), 10, where={"team": "data", "title": "none such"}).hits == ()


def test_where_takes_several_values_and_none(world):
    live, _ = shadowed(world, [body(i) for i in range(6)])
    world.put("docs", [{"id": i, "body": body(i), "team": team} for i, team in ((1, "data"), (2, "web"), (3, None))])
    for value, keys in (
        (["data", "web"], {world.key(1), world.key(2)}),
        (None, {world.key(3)}),
        ("infra", {world.key(0), world.key(4), world.key(5)}),
    ):
        hits = live.search(asked(live, body(0), encoder=OLD), 10, where={"team": value}).hits
        assert {hit.key for hit in hits} == keys


def test_where_is_equality_of_the_whole_text_whatever_it_is_made_of(world):
    """A letter, words that a lexical index leaves out, no word at all, what a pattern would mean something else by."""
    texts = [
        "A",
        "a",
        "it",
        "IT",
        "the",
        "the data",
        "data",
        " data ",
        "",
        "   ",
        "???",
        "what?",
        "what",
        "wha*",
        "R&D",
        "r d",
        "Ünï",
    ]
    world.make("docs")
    world.put(
        "docs", [{**row, "team": text} for row, text in zip(rows_of([body(i) for i in range(len(texts))]), texts, strict=True)]
    )
    world.put("docs", [{**row, "team": None} for row in rows_of({(len(texts),): "no team"})])
    index = world.store.index("docs", adopt(world).name)
    query = asked(index, body(3), encoder=OLD)
    ways = [{"exact": True}, {}, {"text": "record", "lexical": 0.5}]
    for how in ways:
        for at, text in enumerate(texts):
            found = [hit.key for hit in index.search(query, 5, where={"team": text}, **how).hits]
            assert found == [world.key(at)], (text, how)
        for some in (["A", "???"], ("it", ""), {"the", "data"}, frozenset({"", "nowhere"}), ["", "   ", "A", "the data"], []):
            hits = index.search(query, 30, where={"team": some}, **how).hits
            assert {hit.key for hit in hits} == {world.key(texts.index(one)) for one in some if one in texts}, (some, how)
        for some in (["it", None], [None, ""]):
            hits = index.search(query, 30, where={"team": some}, **how).hits
            assert {hit.key for hit in hits if hit.text != "no team"} == {
                world.key(texts.index(one)) for one in some if one is not None
            }
            assert "no team" in {hit.text for hit in hits} or how.get("text")
        nobody = index.search(query, 30, where={"team": None}, **how).hits
        assert {hit.text for hit in nobody} == {"no team"}, how
        assert index.search(query, 5, where={"team": "??", "title": "T"}, **how).hits == ()


def test_where_takes_the_key_too(world):
    live, _ = shadowed(world, [body(i) for i in range(6)])
    (column,) = world.plain
    for exact in (False, True):
        for value, keys in (
            (world.key(4)[0], {world.key(4)}),
            ([world.key(1)[0], world.key(2)[0]], {world.key(1), world.key(2)}),
        ):
            hits = live.search(asked(live, body(0), encoder=OLD), 10, where={column: value}, exact=exact).hits
            assert {hit.key for hit in hits} == keys


def test_an_empty_answer_names_its_generation_too(world):
    live, _ = shadowed(world, ["a"])
    answer = live.search(asked(live, "a", encoder=OLD), 1, where={"team": "none such"})
    assert (answer.hits, answer.generation) == ((), world.store.alias("docs").generation)


def test_where_finds_its_rows_however_far_away_they_are(world):
    """An approximate index that filters after its scan would return nothing here."""
    live, shadow = shadowed(world, [body(i) for i in range(300)])
    fill(world, shadow)
    shadow.build(silent)
    world.put("docs", [{"id": 299, "body": body(299), "team": "rare"}])
    if world.carries:
        pay(world, (live, OLD), (shadow, NEW))
    hits = shadow.search(asked(shadow, body(0)), 5, where={"team": "rare"}).hits
    assert [hit.key for hit in hits] == [world.key(299)]


def test_where_on_a_column_that_is_not_there_is_said_so(world):
    live, _ = shadowed(world, ["a"])
    with pytest.raises(UnknownName, match="colour"):
        live.search(asked(live, "a", encoder=OLD), 1, where={"colour": "red"})


def test_a_search_names_the_generation_that_it_saw(world):
    live, _ = shadowed(world, ["a"])
    assert live.search(asked(live, "a", encoder=OLD), 1).generation == world.store.alias("docs").generation


def test_exact_and_approximate_agree_on_a_small_index(world):
    _, shadow = shadowed(world, [body(i) for i in range(50)])
    fill(world, shadow)
    shadow.build(silent)
    query = asked(shadow, body(8))
    keys = [[hit.key for hit in shadow.search(query, 5, exact=exact).hits] for exact in (True, False)]
    assert keys[0] == keys[1]


def test_the_nearest_of_many_queries_are_those_of_exact_searches(world: World):
    _, shadow = shadowed(world, [body(i) for i in range(40)])
    fill(world, shadow)
    shadow.build(silent)
    queries = Fenced(NEW, shadow.declaration.width).encode([body(i) for i in (8, 3, 21)], Role.QUERY)
    found = shadow.nearest(queries, 5)
    assert [answer.hits[0].key for answer in found] == [world.key(i) for i in (8, 3, 21)]
    for row, answer in enumerate(found):
        alone = shadow.search(queries.take([row]), 5, exact=True)
        assert [hit.key for hit in answer.hits] == [hit.key for hit in alone.hits]
        assert [hit.score for hit in answer.hits] == pytest.approx([hit.score for hit in alone.hits], abs=1e-6)
        assert answer.generation == alone.generation


def test_the_nearest_are_sought_among_what_a_filter_leaves(world: World):
    live, _ = shadowed(world, [body(i) for i in range(12)])
    world.put("docs", [{"id": i, "body": body(i), "team": "data"} for i in (3, 5)])
    queries = OLD.encode([body(3), body(9)], Role.QUERY)
    found = live.nearest(queries, 10, where={"team": "data"})
    assert [{hit.key for hit in answer.hits} for answer in found] == [{world.key(3), world.key(5)}] * 2


def test_the_nearest_of_no_queries_are_no_answers(world: World):
    live, _ = shadowed(world, ["a"])
    assert live.nearest(OLD.encode([], Role.QUERY), 3) == []
    with pytest.raises(SpaceMismatch):
        live.nearest(asked(live, "a", encoder=NEW), 3)


def test_exact_searches_are_no_reads_of_the_index(world: World):
    """What proves an index must not look like a reader of it, as far as that can be helped."""
    live, _ = shadowed(world, [body(i) for i in range(20)])
    before = live.reads().count
    live.nearest(OLD.encode([body(1), body(2)], Role.QUERY), 3)
    assert live.reads().count == before


def test_a_search_with_the_other_space_is_refused(world):
    live, shadow = shadowed(world, ["a"])
    for index, encoder in ((live, NEW), (shadow, OLD)):
        with pytest.raises(SpaceMismatch):
            index.search(asked(index, "a", encoder=encoder), 1)


def test_a_search_wants_one_query_of_the_right_width_and_at_least_one_hit(world):
    _, shadow = shadowed(world, ["a"])
    with pytest.raises(BadValue):
        shadow.search(NEW.encode(["a"], Role.QUERY), 1)
    with pytest.raises(BadValue):
        shadow.search(Fenced(NEW, shadow.declaration.width).encode(["a", "b"], Role.QUERY), 1)
    with pytest.raises(BadValue):
        shadow.search(asked(shadow, "a"), 0)


def test_an_index_that_was_discarded_is_superseded(world):
    _, shadow = shadowed(world, ["a"])
    query = asked(shadow, "a")
    world.store.discard("docs", shadow.declaration.name)
    with pytest.raises(Superseded):
        shadow.search(query, 1)


@pytest.mark.parametrize("metric", ["cosine", "ip", "l2"])
def test_every_metric_puts_the_nearest_first(world, metric):
    world.make("docs", metric=metric)
    rows = rows_of([body(i) for i in range(10)])
    world.put("docs", rows)
    live = adopt(world)
    assert live.metric == metric
    index = world.store.index("docs", live.name)
    hits = index.search(asked(index, body(6), encoder=OLD), 10, exact=True).hits
    matrix = np.array([row["embedding"] for row in rows])
    query = OLD.encode([body(6)], Role.QUERY).matrix[0]
    nearness = -np.linalg.norm(matrix - query, axis=1) if metric == "l2" else matrix @ query
    assert [hit.key for hit in hits] == [world.key(int(i)) for i in np.argsort(-nearness)]
    assert [hit.score for hit in hits] == pytest.approx(sorted(nearness, reverse=True), abs=1e-5)
