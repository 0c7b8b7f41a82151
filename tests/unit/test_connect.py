"""How a URL finds its store."""

from __future__ import annotations

import pytest
from transvase.adapters.memory import MemoryStore
from transvase.core import connect as connecting
from transvase.core.connect import connect
from transvase.core.errors import BadValue, ExtraMissing


def test_a_memory_url_gives_a_store_of_its_own():
    first, second = connect("memory:"), connect("memory:")
    assert isinstance(first, MemoryStore)
    assert first is not second


def test_a_named_memory_url_gives_the_same_store_throughout_the_process():
    assert connect("memory:shared by two") is connect("memory:shared by two")
    assert connect("memory:shared by two") is not connect("memory:another")


@pytest.mark.parametrize("url", [None, "", "nope:", "nope://host/db", "memory", "/a/path", ":", "MEMORY:"])
def test_a_url_that_finds_no_store_is_answered_with_the_schemes_there_are(url):
    with pytest.raises(BadValue) as refused:
        connect(url)
    assert all(f"{scheme}:" in str(refused.value) for scheme in ("postgresql", "memory", "embedded"))


def test_a_mistyped_scheme_does_not_show_the_password_behind_it():
    with pytest.raises(BadValue) as refused:
        connect("postgre://ann:secret@host/db")
    assert "secret" not in str(refused.value)


def test_a_store_whose_package_is_missing_names_the_extra(monkeypatch):
    from importlib.metadata import EntryPoint

    point = EntryPoint(name="weaviate", value="no_such_package.store:connect", group=connecting.GROUP)
    monkeypatch.setattr(connecting, "entry_points", lambda *, group: [point])
    with pytest.raises(ExtraMissing, match=r"transvase\[weaviate\]"):
        connect("weaviate://host")
