"""Declarations outlive every process, are seen by every host, and are never torn or silently misread."""

from __future__ import annotations

import json
import threading
import time
from dataclasses import replace

import pytest
from transvase.adapters.weaviate.collections.control import AliasRow, Control
from transvase.adapters.weaviate.collections.names import CONTROL, object_id
from transvase.adapters.weaviate.wire.connection import Connection
from transvase.core.declaration import Declaration, Source
from transvase.core.errors import StoreFailed, Unfit
from transvase.core.space import Space

pytestmark = [pytest.mark.weaviate, pytest.mark.usefixtures("clean")]

ROW = AliasRow(
    name="docs",
    source=Source(table="Docs_a", key=("tenant", "uuid"), text="{title}\n“ü”", vector="v"),
    live="Docs_a",
    shadow=None,
    generation=3,
    ledger="1234",
)
SPACE = Space(
    weights="w",
    tokenizer="t",
    modules="m",
    pooling="mean",
    query_prompt="q: ",
    document_prompt="",
    normalised=True,
    max_length=64,
    dimension=8,
)
DECLARED = Declaration(
    name="Docs_a", space=SPACE, encoder="enc", text="{title}", width=9, metric="ip", form="float32", adopted=True
)


def test_before_anything_was_written_there_is_nothing_and_reading_makes_nothing(connection: Connection) -> None:
    control = Control(connection)
    assert (control.load("docs"), control.index("Docs_a"), control.alias_of("Docs_a")) == (None, None, None)
    assert (control.aliases(), control.indexes("docs"), control.readers("Docs_a")) == ([], [], [])
    control.forget("docs")
    control.drop("Docs_a")
    assert connection.rest("GET", f"/schema/{CONTROL}") is None


def test_an_alias_is_read_back_as_it_was_written_by_another_process(connection: Connection) -> None:
    Control(connection).save(ROW)
    assert Control(connection).load("docs") == ROW
    changed = replace(ROW, live="Docs_1", shadow="Docs_a", generation=4)
    Control(connection).save(changed)
    assert Control(connection).load("docs") == changed
    Control(connection).save(replace(ROW, name="Docs"))
    assert Control(connection).aliases() == ["Docs", "docs"], "names differ as the operator wrote them"
    Control(connection).forget("docs")
    assert Control(connection).aliases() == ["Docs"]


def test_an_index_is_read_back_as_it_was_declared(connection: Connection) -> None:
    control = Control(connection)
    foreign = replace(DECLARED, name="Docs_b", space=None, encoder="unknown", shares="Docs_a", adopted=False)
    for declaration in (foreign, DECLARED):
        control.keep(declaration, alias="docs")
    control.keep(replace(DECLARED, name="Other"), alias="other")
    assert (control.index("Docs_a"), control.index("Docs_b")) == (DECLARED, foreign)
    assert control.indexes("docs") == [DECLARED, foreign]
    assert (control.alias_of("Docs_a"), control.alias_of("Other")) == ("docs", "other")
    control.drop("Docs_a")
    assert control.indexes("docs") == [foreign]


def test_readers_are_remembered_with_the_servers_time_until_the_index_goes(connection: Connection) -> None:
    control = Control(connection)
    control.beat("Docs_a", who="first:1")
    time.sleep(0.02)
    control.beat("Docs_a", who="second:2")
    control.beat("Docs_b", who="first:1")
    assert [reader.who for reader in control.readers("Docs_a")] == ["second:2", "first:1"]
    assert all(abs(connection.now() - reader.seen_s) < 5 for reader in control.readers("Docs_a"))
    time.sleep(0.02)
    control.beat("Docs_a", who="first:1")
    assert [reader.who for reader in control.readers("Docs_a")] == ["first:1", "second:2"]
    control.drop("Docs_a")
    assert control.readers("Docs_a") == []
    assert [reader.who for reader in control.readers("Docs_b")] == ["first:1"]


def test_more_rows_than_a_page_are_all_found(connection: Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("transvase.adapters.weaviate.collections.control.PAGE", 3)
    for number in range(7):
        Control(connection).save(replace(ROW, name=f"a{number}"))
    assert Control(connection).aliases() == [f"a{number}" for number in range(7)]


def test_many_that_begin_at_once_make_one_collection(connection: Connection) -> None:
    failures: list[BaseException] = []

    def begin(number: int) -> None:
        try:
            Control(connection).save(replace(ROW, name=f"a{number}"))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=begin, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert len(Control(connection).aliases()) == 8


def test_the_collection_takes_no_vectors_and_is_not_searched(connection: Connection) -> None:
    Control(connection).ready()
    raw = connection.rest("GET", f"/schema/{CONTROL}")
    assert raw["vectorIndexConfig"]["skip"] is True
    assert not any(prop["indexSearchable"] or prop["indexFilterable"] for prop in raw["properties"])


def overwritten(connection: Connection, name: str, body: str) -> None:
    """As somebody else's hand would do it."""
    row = {"class": CONTROL, "id": str(object_id("alias", name)), "properties": {"kind": "alias", "name": name, "body": body}}
    connection.rest("POST", "/batch/objects", body={"objects": [row]})


def test_a_row_of_a_newer_transvase_is_not_misread(connection: Connection) -> None:
    Control(connection).save(ROW)
    overwritten(connection, "docs", json.dumps({"edition": 2, "name": "docs"}))
    with pytest.raises(Unfit, match="use the newer Transvase"):
        Control(connection).load("docs")


@pytest.mark.parametrize("body", ["", "[]", "{", '{"name": "docs"}'])
def test_a_damaged_row_is_told(connection: Connection, body: str) -> None:
    Control(connection).save(ROW)
    overwritten(connection, "docs", body)
    with pytest.raises(StoreFailed, match="damaged"):
        Control(connection).load("docs")


def test_a_space_that_was_edited_by_hand_is_told(connection: Connection) -> None:
    control = Control(connection)
    control.keep(DECLARED, alias="docs")
    row = f"/objects/{CONTROL}/{object_id('index', 'Docs_a')}"
    found = connection.rest("GET", row)
    body = json.loads(found["properties"]["body"])
    body["space"]["weights"] = "another"
    connection.rest("PUT", row, body={**found, "properties": {**found["properties"], "body": json.dumps(body)}})
    with pytest.raises(StoreFailed, match="damaged"):
        control.index("Docs_a")
