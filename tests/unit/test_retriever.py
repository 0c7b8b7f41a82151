"""The reader's door: one index with the encoder that made it, pinned together."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from threading import Thread

import pytest
from readers import BOTH, CountingStore, Listening, Loader, filled, settle
from transvase.adapters.memory import MemoryStore, connect
from transvase.core.errors import BadValue, NotReady, SpaceMismatch, UnknownName
from transvase.core.retriever import Retriever
from transvase.core.space import Role
from worlds import NEW, OLD, MemoryWorld, body, shadowed


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@pytest.fixture
def sides(store):
    """The live and the shadow index under ``docs``."""
    return filled(store)


@pytest.fixture
def closed(monkeypatch) -> list[MemoryStore]:
    """The memory stores that were closed."""
    seen: list[MemoryStore] = []

    def close(self: MemoryStore) -> None:
        seen.append(self)

    monkeypatch.setattr(MemoryStore, "close", close)
    return seen


# ---------------------------------------------------------------- searching


def test_a_text_finds_its_record_with_score_text_and_metadata(store, sides):
    hits = Retriever(store, "docs", encoders=BOTH).search(body(7), 3)
    assert len(hits) == 3
    assert (hits[0].key, hits[0].text, hits[0].metadata["team"]) == ((7,), body(7), "infra")
    assert hits[0].score == pytest.approx(1.0)


def test_where_is_handed_to_the_index(store, sides):
    store.table("docs").put({"id": 3, "team": "data"})
    hits = Retriever(store, "docs", encoders=BOTH).search(body(7), 5, where={"team": "data"})
    assert [hit.key for hit in hits] == [(3,)]


def test_an_answer_names_the_index_and_the_space_that_gave_it(store, sides):
    live, _ = sides
    found = Retriever(store, "docs", encoders=BOTH).answer(body(7), 1)
    assert (found.index, found.space) == (live.name, OLD.space.id)


def test_queries_are_encoded_as_queries_each_time_anew(store, sides):
    ears = Listening(OLD)
    retriever = Retriever(store, "docs", encoders={"old": ears, "new": NEW})
    retriever.search("one")
    retriever.search("one")
    assert ears.heard == [(("one",), Role.QUERY)] * 2


@pytest.mark.parametrize("text", [None, 7, b"bytes", ["list"]])
def test_a_query_is_a_text(store, sides, text):
    with pytest.raises(BadValue, match="text is needed"):
        Retriever(store, "docs", encoders=BOTH).search(text)


@pytest.mark.parametrize("k", [0, -1, True, 2.5, "3"])
def test_k_is_a_number_of_hits(store, sides, k):
    with pytest.raises(BadValue, match="at least one"):
        Retriever(store, "docs", encoders=BOTH).search("text", k)


@pytest.mark.parametrize("alias", ["", "  ", None])
def test_an_alias_has_a_name(store, alias):
    with pytest.raises(BadValue):
        Retriever(store, alias)


def test_an_alias_that_is_not_there_is_said_so_when_it_is_searched(store):
    with pytest.raises(UnknownName, match="nope"):
        Retriever(store, "nope").search("text")


def test_an_index_of_unknown_make_cannot_be_searched(store):
    shadowed(MemoryWorld(store), ["a"], known=False)
    with pytest.raises(NotReady, match="migrate"):
        Retriever(store, "docs", encoders=BOTH).search("a")


def test_words_weigh_beside_the_vector(store, sides):
    store.table("docs").put({"id": 3, "body": "a walrus in the harbour"})
    retriever = Retriever(store, "docs", encoders=BOTH)
    assert retriever.search("walrus", 1, lexical=1.0)[0].key == (3,)
    assert [hit.key for hit in retriever.search(body(7), 1, lexical=0.5)] == [(7,)]
    dense, none = (retriever.search(body(7), 5, lexical=weight) for weight in (0.0, None))
    assert [hit.key for hit in dense] == [hit.key for hit in none]
    assert retriever.search("zzyzx", 5, lexical=1.0) == []


def test_words_are_looked_for_where_the_filter_leaves_any(store, sides):
    store.table("docs").put({"id": 3, "team": "data"})
    hits = Retriever(store, "docs", encoders=BOTH).search(body(7), 5, where={"team": "data"}, lexical=0.5)
    assert [hit.key for hit in hits] == [(3,)]


@pytest.mark.parametrize("lexical", [-0.5, 1.5, float("nan"), True, "0.5"])
def test_a_weight_of_words_is_refused_before_anything_is_encoded(store, sides, lexical):
    ears = Listening(OLD)
    with pytest.raises(BadValue, match="weight of the words"):
        Retriever(store, "docs", encoders={"old": ears}).search("text", lexical=lexical)
    assert ears.heard == []


@pytest.mark.parametrize("text", ["", " \n"])
def test_a_weight_of_words_wants_words(store, sides, text):
    with pytest.raises(BadValue, match="there are none"):
        Retriever(store, "docs", encoders=BOTH).search(text, lexical=0.5)


# ---------------------------------------------------------------- encoders


def test_an_application_may_bring_its_encoders_by_the_id_of_their_space(store, sides):
    retriever = Retriever(store, "docs", encoders={OLD.space.id: OLD})
    assert retriever.search(body(3), 1)[0].key == (3,)


def test_an_encoder_of_another_space_is_refused_before_it_searches(store, sides):
    """The application was deployed with the new model too early: same dimension, other space."""
    ears = Listening(NEW)
    with pytest.raises(SpaceMismatch):
        Retriever(store, "docs", encoders={"old": ears}).search(body(3))
    assert ears.heard == []


def test_what_the_application_does_not_bring_is_loaded_by_its_name(store, sides):
    """There is no model called 'old' to be had: the message names it."""
    with pytest.raises(UnknownName, match="old"):
        Retriever(store, "docs", encoders={}).search(body(3))


def test_an_encoder_is_loaded_once_however_many_threads_search(store, sides):
    loader = Loader()
    retriever = Retriever(store, "docs", encoders=loader)
    threads = [Thread(target=retriever.search, args=(body(i),)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    settle()
    assert sorted(enc for enc, _ in loader.asked) == ["new", "old"]


# ---------------------------------------------------------------- connecting


def test_a_retriever_connects_by_url_and_alias():
    store = connect("memory:test_retriever_connects")
    shadowed(MemoryWorld(store), [body(i) for i in range(5)])
    with Retriever.connect("memory:test_retriever_connects", "docs", encoders=BOTH) as retriever:
        assert retriever.search(body(2), 1)[0].key == (2,)


def test_a_retrievers_own_store_is_closed_and_a_given_one_is_not(store, sides, closed):
    Retriever(store, "docs").close()
    assert closed == []
    Retriever.connect("memory:", "docs").close()
    assert len(closed) == 1


def test_a_connection_is_not_left_open_when_the_alias_has_no_name(closed):
    with pytest.raises(BadValue):
        Retriever.connect("memory:", "")
    assert len(closed) == 1


LEAVES = """
import time
from costless import HashEncoder
from transvase.core.declaration import Declaration
from transvase.core.preload import Encoders

NEW = HashEncoder("new")

def slow(name):
    time.sleep(0.5)
    print("loaded", flush=True)
    return NEW

facts = {"text": "body", "width": 32, "metric": "cosine", "form": "vector"}
Encoders(slow).begin(Declaration(name="docs_1", space=NEW.space, encoder="new", **facts))
"""


def test_a_program_that_ends_lets_a_model_be_loaded_to_its_end():
    """Taking the thread away in the middle of a load aborts the process where the runtime is C++."""
    tests = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", LEAVES], capture_output=True, text=True, cwd=tests, check=False)
    assert (done.returncode, done.stdout.strip()) == (0, "loaded"), done.stderr
