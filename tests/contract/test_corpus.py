"""The Corpus port: the records behind an alias, as the application wrote them."""

from __future__ import annotations

import pytest
from transvase.core.record import Key, digest_of
from worlds import World, adopt, body, needs, needs_key, rows_of, uuid

ODD_TEXTS = [
    "",
    " ",
    "Grüße aus Köln",
    "日本語のテキスト",
    "e\u0301 beside é",
    "🦜🧪",
    "a\tb\nc",
    'it\'s a "quote" \\ and a %s {brace}',
    "x" * 50_000,
]


def corpus_of(world: World, bodies):
    world.make("docs")
    world.put("docs", rows_of(bodies))
    adopt(world)
    return world.store.corpus("docs")


def walk(corpus, *, limit: int) -> list[Key]:
    """All keys, a page at a time, as the fill reads them."""
    keys: list[Key] = []
    while page := corpus.after(keys[-1] if keys else None, limit=limit):
        keys += [record.key for record in page]
    return keys


def test_count_counts_records_with_and_without_a_text(world):
    corpus = corpus_of(world, ["a", None, "", "b"])
    assert corpus.count() == 4


def test_pages_in_key_order_visit_every_record_once(world):
    corpus = corpus_of(world, [body(i) for i in range(23)])
    assert walk(corpus, limit=5) == [world.key(i) for i in range(23)]


def test_a_page_is_shorter_than_its_limit_only_at_the_end(world):
    corpus = corpus_of(world, [body(i) for i in range(7)])
    assert [len(corpus.after(after, limit=3)) for after in (None, world.key(2), world.key(5), world.key(6))] == [3, 3, 1, 0]


def test_an_empty_table_has_no_records(world):
    corpus = corpus_of(world, [])
    assert (corpus.count(), corpus.after(None, limit=10), corpus.read([world.key(1)]), corpus.sample(5, seed=1)) == (
        0,
        [],
        [],
        [],
    )


def test_negative_and_large_integer_keys_keep_their_order(world):
    needs(world, "int")
    world.make("docs", key={"id": "int"})
    keys = [(-(2**62),), (-1,), (0,), (2**62,)]
    world.put("docs", rows_of(dict.fromkeys(reversed(keys), "text")))
    adopt(world, key=("id",))
    assert walk(world.store.corpus("docs"), limit=1) == keys


@pytest.mark.parametrize(
    ("kinds", "keys"),
    [
        ({"id": "uuid"}, [(uuid(i),) for i in (3, 1, 2**100)]),
        ({"id": "text"}, [("b",), ("a",), ("",), ("Ä'\"; --",), ("日本",)]),
        ({"tenant": "text", "id": "int"}, [("b", 1), ("a", 2), ("a", 10), ("a b", 0)]),
        ({"tenant": "uuid", "lang": "text", "id": "int"}, [(uuid(2), "de", 1), (uuid(1), "de", 1), (uuid(1), "en", -1)]),
    ],
    ids=["uuid", "text", "composite", "three columns"],
)
def test_keys_of_every_kind_come_back_as_they_were_written(world, kinds, keys):
    needs_key(world, kinds)
    world.make("docs", key=kinds)
    world.put("docs", rows_of({key: f"text of {key}" for key in keys}, key=tuple(kinds)))
    adopt(world, key=tuple(kinds))
    corpus = world.store.corpus("docs")
    seen = walk(corpus, limit=1)
    assert sorted(seen) == sorted(keys)
    assert {record.key: record.text for record in corpus.read(keys)} == {key: f"text of {key}" for key in keys}


def test_read_gives_only_the_keys_that_are_there(world):
    corpus = corpus_of(world, ["a", "b"])
    assert sorted(record.key for record in corpus.read([world.key(1), world.key(99), world.key(0)])) == [
        world.key(0),
        world.key(1),
    ]


def test_read_of_no_keys_gives_no_records(world):
    assert corpus_of(world, ["a"]).read([]) == []


def test_a_null_text_is_none_and_an_empty_one_is_a_text(world):
    corpus = corpus_of(world, [None, ""])
    assert [(record.text, record.digest) for record in corpus.after(None, limit=5)] == [(None, None), ("", digest_of(""))]


def test_texts_come_back_character_by_character(world):
    corpus = corpus_of(world, ODD_TEXTS)
    assert [record.text for record in corpus.after(None, limit=100)] == ODD_TEXTS


def test_an_expression_joins_columns_and_is_null_where_one_of_them_is(world):
    world.make("docs")
    world.put("docs", [{"id": 1, "title": "T", "body": "B"}, {"id": 2, "title": None, "body": "B"}])
    adopt(world, text=world.joined)
    assert [record.text for record in world.store.corpus("docs").after(None, limit=5)] == ["T\nB", None]


def test_a_sample_is_the_same_for_the_same_seed(world):
    corpus = corpus_of(world, [body(i) for i in range(40)])
    drawn = [[record.key for record in corpus.sample(10, seed=seed)] for seed in (1, 1, 2)]
    assert drawn[0] == drawn[1]
    assert set(drawn[0]) != set(drawn[2])


def test_a_sample_has_no_record_twice_and_none_without_a_text(world):
    corpus = corpus_of(world, [body(i) if i % 2 else None for i in range(40)])
    keys = [record.key for record in corpus.sample(15, seed=3)]
    assert len(set(keys)) == 15
    assert set(keys) <= {world.key(i) for i in range(1, 40, 2)}


def test_a_sample_larger_than_the_corpus_is_the_corpus(world):
    corpus = corpus_of(world, ["a", None, "b"])
    assert sorted(record.key for record in corpus.sample(100, seed=1)) == [world.key(0), world.key(2)]
