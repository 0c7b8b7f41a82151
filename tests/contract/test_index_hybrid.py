"""The Index port: words beside the vector, fused by one rule, within the pinned index and over the texts as they are now."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from transvase.core.errors import BadValue, SpaceMismatch, Superseded, UnknownName
from transvase.core.hybrid import DEPTH
from transvase.core.ports import Index
from transvase.core.record import Hit, Key
from worlds import NEW, OLD, World, asked, fill, shadowed

NOUNS = ("lamp", "kettle", "ladder", "anchor", "violin", "mirror", "saddle", "candle")
"""One of these is in every text, and the number of the text beside it."""


def texts(count: int) -> list[str]:
    """Texts that share a rare word with few others."""
    return [f"{NOUNS[i % len(NOUNS)]} number{i} of the harbour" for i in range(count)]


def search(index: Index, text: str, k: int, lexical: float | None, *, near: str | None = None, **where: object) -> list[Hit]:
    """The hits for the words of ``text`` beside the vector of ``near`` (the same text unless told), in OLD's space."""
    query = asked(index, near or text, encoder=OLD)
    return list(index.search(query, k, where=where or None, text=text, lexical=lexical).hits)


def numbers(world: World, hits: Sequence[Hit]) -> list[int]:
    """Which records these are."""
    known = {world.key(number): number for number in range(300)}
    return [known[hit.key] for hit in hits]


def stretched(hits: list[Hit]) -> dict[Key, float]:
    """Scores from 0 for the last to 1 for the first."""
    scores = np.array([hit.score for hit in hits])
    spread = scores.max() - scores.min()
    scaled = (scores - scores.min()) / spread if spread else np.ones_like(scores)
    return dict(zip([hit.key for hit in hits], scaled.tolist(), strict=True))


def test_words_find_what_the_vector_does_not(world: World) -> None:
    live, _ = shadowed(world, texts(40))
    near = texts(40)[20]
    assert numbers(world, search(live, "number7", 1, 0.9, near=near)) == [7]
    assert numbers(world, search(live, "number7", 1, 0.1, near=near)) == [20]
    assert set(numbers(world, search(live, "number7", 2, 0.5, near=near))) == {7, 20}


def test_each_end_of_the_weight_is_one_list_alone(world: World) -> None:
    live, _ = shadowed(world, texts(40))
    near = texts(40)[20]
    dense = live.search(asked(live, near, encoder=OLD), 10).hits
    assert numbers(world, search(live, "kettle", 10, 0.0, near=near)) == numbers(world, dense)
    worded = search(live, "kettle", 40, 1.0, near=near)
    assert set(numbers(world, worded)) == set(range(1, 40, len(NOUNS))), "what has none of the words is no hit"


def test_the_lists_are_fused_by_their_stretched_scores(world: World) -> None:
    """The one rule of all stores: what each end of the weight shows is enough to tell everything between them."""
    live, _ = shadowed(world, texts(60))
    text, near = "violin number4 number12", texts(60)[30]
    words, vector = (stretched(search(live, text, DEPTH, end, near=near)) for end in (1.0, 0.0))
    for lexical in (0.2, 0.5, 0.8):
        together = {
            key: lexical * words.get(key, 0.0) + (1 - lexical) * vector.get(key, 0.0) for key in words.keys() | vector.keys()
        }
        found = search(live, text, DEPTH, lexical, near=near)
        assert [hit.score for hit in found] == pytest.approx(sorted(together.values(), reverse=True), abs=1e-4)
        assert {hit.key: hit.score for hit in found} == pytest.approx(together, abs=1e-4)
        fewer = search(live, text, 5, lexical, near=near)
        assert numbers(world, fewer) == numbers(world, found)[:5], "how many are asked for changes nothing"


def test_a_rare_word_weighs_more_than_a_common_one(world: World) -> None:
    live, _ = shadowed(world, [*texts(40), "harbour harbour harbour", "barnacle"])
    found = search(live, "harbour barnacle", 50, 1.0)
    assert found[0].key == world.key(41)


def test_a_code_is_found(world: World) -> None:
    live, _ = shadowed(world, [*texts(20), "what ERR_AUTH_702 tells", "what ERR_AUTH_703 tells"])
    assert numbers(world, search(live, "ERR_AUTH_702", 1, 0.7, near="lamp")) == [20]


def test_where_restricts_both_lists(world: World) -> None:
    live, _ = shadowed(world, texts(40))
    world.put("docs", [{"id": i, "body": texts(40)[i], "team": "data"} for i in (7, 9, 15)])
    for lexical in (0.0, 0.5, 1.0):
        found = search(live, "mirror number7", 10, lexical, near=texts(40)[20], team="data")
        assert set(numbers(world, found)) <= {7, 9, 15}
        assert found
    assert numbers(world, search(live, "number7 number8", 10, 1.0, team="data")) == [7]
    assert search(live, "number8", 10, 1.0, team="none such") == []
    with pytest.raises(UnknownName, match="colour"):
        search(live, "number8", 10, 0.5, colour="red")


def test_words_are_those_of_the_text_as_it_is_now(world: World) -> None:
    live, _ = shadowed(world, texts(20))
    world.put("docs", [{"id": 3, "body": "a walrus now"}])
    found = search(live, "walrus", 5, 1.0)
    assert numbers(world, found) == [3]
    assert found[0].text == "a walrus now"
    assert search(live, "number3", 5, 1.0) == []
    world.delete("docs", [world.key(3)])
    assert search(live, "walrus", 5, 1.0) == []


def test_hits_are_whole_and_scored_from_zero_to_one(world: World) -> None:
    live, _ = shadowed(world, texts(20))
    found = search(live, "candle number7", 20, 0.5, near=texts(20)[7])
    assert numbers(world, found[:1]) == [7]
    assert found[0].score == pytest.approx(1.0, abs=1e-5)
    assert all(0 < hit.score <= 1 + 1e-6 for hit in found[:-1])
    assert [hit.score for hit in found] == sorted((hit.score for hit in found), reverse=True)
    assert (found[0].text, found[0].metadata["team"], found[0].metadata["body"]) == (texts(20)[7], "infra", texts(20)[7])


def test_words_that_nothing_has_leave_the_vector_alone(world: World) -> None:
    live, _ = shadowed(world, texts(20))
    query = asked(live, texts(20)[5], encoder=OLD)
    dense = [hit.key for hit in live.search(query, 5).hits]
    generation = world.store.alias("docs").generation
    for text in ("zzyzx", "???", "' | & ! :* \\ <->", "\\'; --", "\x00", 'a "b', "{} %s %(k)s", "☃ \ud800"):
        assert [hit.key for hit in live.search(query, 5, text=text, lexical=0.5).hits] == dense, text
        answer = live.search(query, 5, text=text, lexical=1.0)
        assert (answer.hits, answer.generation) == ((), generation), text


def test_what_cannot_be_asked_is_said_so(world: World) -> None:
    live, _ = shadowed(world, ["a"])
    query = asked(live, "a", encoder=OLD)
    weights: tuple[Any, ...] = (-0.1, 1.1, math.nan, math.inf, True, "0.5")
    for lexical in weights:
        with pytest.raises(BadValue, match="from 0"):
            live.search(query, 1, text="a", lexical=lexical)
    for text in (None, "", "  \n"):
        with pytest.raises(BadValue, match="there are none"):
            live.search(query, 1, text=text, lexical=0.5)


def test_an_exact_search_is_one_by_the_vector(world: World) -> None:
    live, _ = shadowed(world, ["a"])
    with pytest.raises(BadValue, match="exact"):
        live.search(asked(live, "a", encoder=OLD), 1, text="a", lexical=0.5, exact=True)


def test_without_a_weight_the_text_is_nothing(world: World) -> None:
    live, _ = shadowed(world, texts(20))
    query = asked(live, texts(20)[5], encoder=OLD)
    assert live.search(query, 5, text="number7").hits == live.search(query, 5).hits


def test_words_do_not_open_a_foreign_space_or_an_index_that_is_gone(world: World) -> None:
    live, shadow = shadowed(world, texts(5))
    fill(world, shadow)
    query = asked(shadow, texts(5)[2])
    for lexical in (0.0, 0.5, 1.0):
        with pytest.raises(SpaceMismatch):
            live.search(asked(live, "a", encoder=NEW), 1, text="lamp", lexical=lexical)
        assert numbers(world, shadow.search(query, 1, text=texts(5)[2], lexical=lexical).hits) == [2]
    world.store.discard("docs", shadow.declaration.name)
    for lexical in (0.0, 0.5, 1.0):
        with pytest.raises(Superseded):
            shadow.search(query, 1, text="lamp", lexical=lexical)


def test_an_empty_table_has_no_hits(world: World) -> None:
    live, _ = shadowed(world, ["a"])
    world.delete("docs", [world.key(0)])
    answer = live.search(asked(live, "a", encoder=OLD), 3, text="a", lexical=0.5)
    assert (answer.hits, answer.generation) == ((), world.store.alias("docs").generation)


def test_many_hits_can_be_asked_for(world: World) -> None:
    live, _ = shadowed(world, texts(260))
    for k in (100, 250):
        assert len(search(live, "violin number4", k, 0.5)) == k
