"""What only the memory store has: the application's table, text templates, and its threads."""

from __future__ import annotations

from threading import Thread
from uuid import UUID

import numpy as np
import pytest
from transvase.adapters.memory import MemoryStore, VectorColumn, connect
from transvase.core.errors import BadValue, UnknownName
from transvase.core.template import columns_of, reading

COLUMNS = ("id", "title", "body")


@pytest.fixture
def table():
    vector = VectorColumn(name="embedding", width=2)
    return MemoryStore().make_table("docs", key=("id",), columns=("title", "body"), vectors=(vector,))


# ---------------------------------------------------------------- text expressions


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        ("body", "B"),
        ("{title}\n{body}", "T\nB"),
        ("{title}", "T"),
        ("({{{id}}}) {title}", "({7}) T"),
        ("prefix: {body}!", "prefix: B!"),
        ("{title?} {body?}", "T B"),
        ("tags", "red deep blue"),
        ("{tags}: {open}", "red deep blue: true"),
        ("{open?}", "true"),
    ],
)
def test_an_expression_reads_the_text_of_a_row(expression, text):
    row = {"id": 7, "title": "T", "body": "B", "tags": ["red", "deep blue"], "open": True}
    assert reading(expression, (*COLUMNS, "tags", "open"))(row) == text


@pytest.mark.parametrize("expression", ["body", "{title}\n{body}"])
def test_a_missing_value_makes_the_whole_text_missing(expression):
    assert reading(expression, COLUMNS)({"id": 7, "title": "T", "body": None}) is None


@pytest.mark.parametrize(
    ("expression", "text"),
    [("{title?}\n{body}", "\nB"), ("{title?}{title}", None), ("{title?} {nothing?}", " "), ("{title?}", "")],
)
def test_a_missing_value_that_may_be_missing_is_an_empty_text(expression, text):
    for row in ({"body": "B"}, {"body": "B", "title": None, "nothing": None}):
        assert reading(expression, (*COLUMNS, "nothing"))(row) == text


def test_the_columns_of_an_expression_are_named_without_what_they_may_lack():
    assert columns_of("{title?} {body} {{no?}}") == ["title", "body"]


def test_an_empty_value_is_a_text():
    assert reading("{title}{body}", COLUMNS)({"title": "", "body": ""}) == ""


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "nope",
        "{nope}",
        "{",
        "}",
        "{title",
        "{title!r}",
        "{title:>9}",
        "{title.real}",
        "{{}}",
        "{}",
        "{?}",
        "{title??}",
        "title?",
        "{nope?}",
    ],
)
def test_an_expression_that_is_not_valid_is_refused(expression):
    with pytest.raises(BadValue):
        reading(expression, COLUMNS)


# ---------------------------------------------------------------- the table


def test_a_row_is_inserted_and_then_changed_by_the_columns_that_are_named(table):
    table.put({"id": 1, "title": "T", "body": "B"})
    table.put({"id": 1, "body": "C"})
    assert table.row((1,)) == {"id": 1, "title": "T", "body": "C", "embedding": None}


def test_rows_come_back_in_key_order_as_copies(table):
    table.put({"id": 2}, {"id": 1})
    rows = table.rows()
    rows[0]["body"] = "changed outside"
    assert [row["id"] for row in rows] == [1, 2]
    assert table.row((1,))["body"] is None


@pytest.mark.parametrize(
    "bad",
    [
        {"id": 2, "nope": 1},
        {"title": "no key"},
        {"id": None},
        {"id": True},
        {"id": 1.5},
        {"id": "another kind"},
        {"id": 2, "embedding": [1.0]},
    ],
    ids=["unknown column", "no key", "null key", "boolean", "float", "mixed kinds", "wrong width"],
)
def test_a_write_that_is_refused_changes_nothing(table, bad):
    table.put({"id": 1, "title": "T"})
    before = table.rows()
    with pytest.raises((BadValue, UnknownName)):
        table.put({"id": 1, "title": "changed"}, bad)
    assert table.rows() == before


def test_deleting_tells_how_many_were_there(table):
    table.put({"id": 1}, {"id": 2})
    assert [table.delete((1,), (9,), (1,)), table.delete((1,))] == [1, 0]


def test_a_vector_is_kept_as_float32_and_not_shared(table):
    vector = np.array([0.25, 0.5])
    table.put({"id": 1, "embedding": vector})
    vector[:] = 9
    kept = table.row((1,))["embedding"]
    assert (kept.dtype, list(kept)) == (np.float32, [0.25, 0.5])


def test_keys_may_be_uuids_and_several_columns():
    table = MemoryStore().make_table("docs", key=("tenant", "id"), columns=("body",))
    table.put({"tenant": UUID(int=2), "id": 1}, {"tenant": UUID(int=1), "id": 2})
    assert table.ordered() == [(UUID(int=1), 2), (UUID(int=2), 1)]


def test_a_table_is_made_once_and_found_by_its_name():
    store = MemoryStore()
    table = store.make_table("docs", key=("id",), columns=())
    assert store.table("docs") is table
    with pytest.raises(BadValue):
        store.make_table("docs", key=("id",), columns=())
    with pytest.raises(UnknownName, match="docs"):
        store.table("nope")


# ---------------------------------------------------------------- the process


def test_a_thread_that_died_holding_an_alias_holds_it_no_longer():
    """A generator that is never closed keeps its lock; its thread is gone all the same."""
    store, kept = MemoryStore(), []

    def die() -> None:
        held = store.hold("docs")
        held.__enter__()
        kept.append(held)

    thread = Thread(target=die)
    thread.start()
    thread.join()
    with store.hold("docs"):
        pass
    assert len(kept) == 1


@pytest.mark.parametrize("url", ["", "memory", "postgresql://host", "memo:x"])
def test_only_a_memory_url_opens_a_memory_store(url):
    with pytest.raises(BadValue):
        connect(url)
