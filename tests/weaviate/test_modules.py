"""Vectors that a module made of a text of its own: an adoption that names another text is told which template comes nearest."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from transvase.adapters.weaviate import connect
from transvase.adapters.weaviate.collections.modules import template_of
from transvase.adapters.weaviate.collections.schema import vector_kind
from transvase.core.errors import ForeignVectors
from transvase.core.ports import Source, Store
from transvase.core.space import Role
from transvase.migrations.adopt import Adopted, adopt
from weaviate_modules import MODULE, with_transformers
from weaviate_objects import OLD, uid
from weaviate_server import Node
from weaviate_walk import encoder

pytestmark = pytest.mark.weaviate

ROWS = 30
PROPERTIES = [
    {"name": "title", "dataType": ["text"]},
    {"name": "body", "dataType": ["text"]},
    {"name": "year", "dataType": ["int"]},
    {"name": "weight", "dataType": ["number"]},
    {"name": "secret", "dataType": ["text"], "moduleConfig": {MODULE: {"skip": True}}},
    {"name": "tags", "dataType": ["text[]"]},
    {"name": "madeBy", "dataType": ["text"], "moduleConfig": {MODULE: {"vectorizePropertyName": True}}},
]
NAMELESS = {"vectorizer": MODULE}
NAMED = {
    "vectorConfig": {
        "moving": {
            "vectorizer": {MODULE: {"vectorizeClassName": False, "properties": ["year", "weight", "title"]}},
            "vectorIndexType": "hnsw",
        }
    }
}


@pytest.fixture(scope="module")
def server() -> Iterator[Node]:
    with with_transformers(lambda text: OLD.encode([text], Role.DOCUMENT).matrix[0].tolist()) as made:
        yield made


def adopted(store: Store, table: str, text: str, vector: str) -> Adopted:
    source = Source(table=table, key=(), text=text, vector=vector)
    return adopt(store, f"of{table}", source=source, encoder="old", encoders=encoder)


@pytest.mark.parametrize(
    ("table", "vectors", "template"),
    [
        ("TeamNotes", NAMELESS, "Team Notes {body?} made By {madeBy?} {tags?} {title?}"),
        ("OurNotes", NAMED, "{title?} {year?}"),
    ],
)
def test_an_adoption_by_another_text_than_the_modules_names_the_template_that_is_right(
    server: Node, tmp_path: Path, table: str, vectors: dict[str, Any], template: str
) -> None:
    vector = next(iter(vectors.get("vectorConfig", {})), "")
    with closing(connect(f"{server.url}&journal={tmp_path / 'ledger.sqlite'}")) as store:
        store.connection.rest("POST", "/schema", body={"class": table, "properties": PROPERTIES, **vectors})
        for row in range(ROWS):
            told = {"title": f"title {row}", "body": f"body {row}", "year": 1900 + row, "secret": "no", "tags": ["a", f"b{row}"]}
            body = {"class": table, "id": str(uid(row)), "properties": {**told, "madeBy": f"writer {row % 7}"}}
            store.connection.rest("POST", "/objects", body=body)
        with pytest.raises(ForeignVectors, match=f"{MODULE} makes these vectors") as refused:
            adopted(store, table, "{title} {body}", vector)
        found = re.search(r"nearest to the template '(.*?)'", str(refused.value))
        assert found is not None
        assert found[1] == template
        agreement = adopted(store, table, template, vector).agreement
        assert agreement is not None
        assert (len(agreement.compared), agreement.foreign) == (ROWS, ())


@pytest.mark.parametrize(
    ("name", "words"),
    [("PDFLoader", "PDF Loader"), ("GL11Version", "GL 11 Version"), ("My_Docs2", "My _ Docs 2"), ("AString", "A String")],
)
def test_a_name_is_taken_apart_as_the_server_does(name: str, words: str) -> None:
    raw = {"class": name, "vectorizer": MODULE, "vectorIndexType": "hnsw", "properties": [{"name": "body", "dataType": ["text"]}]}
    assert template_of(raw, vector_kind(raw, "")) == f"{words} {{body?}}"
