"""A reader and a cutover: it learns of it by searching, is prepared for it, and never mixes two Spaces."""

from __future__ import annotations

import logging
from threading import Event, Thread
from time import monotonic

import numpy as np
import pytest
from readers import BOTH, CountingStore, Loader, filled, settle, switch
from transvase.core.errors import EncoderFailed, Superseded
from transvase.core.retriever import Retriever
from transvase.core.space import Role
from worlds import OLD, MemoryWorld, body, shadowed

PATIENCE_S = 30.0
"""For something that happens at once, however little of a processor there is."""


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@pytest.fixture
def sides(store):
    """The live and the shadow index under ``docs``."""
    return filled(store)


def test_a_cutover_is_noticed_by_searching_and_costs_one_resolve(store, sides):
    """The search that raced it gets a whole answer of the old side; the next is of the new one. No other round trip is made."""
    live, shadow = sides
    retriever = Retriever(store, "docs", encoders=BOTH)
    seen = [retriever.answer(body(1), 1).index for _ in range(3)]
    before = store.resolved
    switch(store, shadow.name)
    seen += [retriever.answer(body(1), 1).index for _ in range(4)]
    assert seen == [live.name] * 4 + [shadow.name] * 3
    assert (before, store.resolved) == (1, 2)


def test_every_answer_is_of_one_space(store, sides):
    live, shadow = sides
    retriever = Retriever(store, "docs", encoders=BOTH)
    for name in (shadow.name, live.name, shadow.name):
        switch(store, name)
        for _ in range(2):
            found = retriever.answer(body(5), 4)
            assert_of_one_space(found)
        assert found.index == name


def test_readers_that_race_twenty_cutovers_never_mix_and_never_fail(store, sides):
    live, shadow = sides
    retriever = Retriever(store, "docs", encoders=BOTH)
    stop, answers, failures = Event(), [], []

    def read() -> None:
        try:
            while not stop.is_set():
                answers.append(retriever.answer(body(5), 4))
        except BaseException as error:  # told to the test, which raises it
            failures.append(error)

    readers = [Thread(target=read) for _ in range(4)]
    for reader in readers:
        reader.start()
    late = []
    for turn in range(20):
        seen, side = len(answers), (shadow, live)[turn % 2].name
        switch(store, side)
        end = monotonic() + PATIENCE_S
        # Eight answers may all have been begun before anybody noticed: it is the new side's own that a turn waits for.
        while (len(answers) < seen + 8 or all(found.index != side for found in answers[seen:])) and not failures:
            if monotonic() > end:
                late.append(turn)
                break
            stop.wait(0.001)
    stop.set()
    for reader in readers:
        reader.join()
    assert (failures, late) == ([], [])
    assert {found.index for found in answers} == {live.name, shadow.name}
    for found in answers:
        assert_of_one_space(found)


def assert_of_one_space(found) -> None:
    """Recompute every score with the encoder of the Space that the answer names."""
    encoder = next(encoder for encoder in BOTH.values() if encoder.space.id == found.space)
    query = encoder.encode([body(5)], Role.QUERY).matrix[0]
    wanted = [float(encoder.encode([hit.text], Role.DOCUMENT).matrix[0] @ query) for hit in found.hits]
    assert np.allclose([hit.score for hit in found.hits], wanted, atol=1e-5)


def test_an_index_that_was_retired_under_the_reader_is_resolved_again(store, sides):
    live, shadow = sides
    retriever = Retriever(store, "docs", encoders=BOTH)
    retriever.search(body(1))
    switch(store, shadow.name)
    store.retire("docs", live.name, drop=True)
    assert retriever.answer(body(1), 1).index == shadow.name


def test_an_index_that_is_gone_whenever_it_is_looked_for_is_said_so(store, sides):
    class Vanishing(CountingStore):
        def index(self, alias, index):
            raise Superseded(index)

    store.__class__ = Vanishing
    with pytest.raises(Superseded):
        Retriever(store, "docs", encoders=BOTH).search(body(1))
    assert store.resolved == 2


# ---------------------------------------------------------------- before the cutover


def test_the_shadows_encoder_is_loaded_in_the_background_before_it_is_needed(store, sides):
    _, shadow = sides
    loader = Loader()
    retriever = Retriever(store, "docs", encoders=loader)
    retriever.search(body(1))
    settle()
    assert sorted(loader.asked) == [("new", True), ("old", False)]
    switch(store, shadow.name)
    assert [retriever.answer(body(1), 1).index for _ in range(2)][1] == shadow.name
    assert len(loader.asked) == 2


def test_a_target_made_while_the_reader_runs_is_prepared_too(store):
    world = MemoryWorld(store)
    _, shadow = shadowed(world, [body(i) for i in range(3)])
    store.discard("docs", shadow.declaration.name)
    loader = Loader()
    retriever = Retriever(store, "docs", encoders=loader)
    retriever.search(body(1))
    store.create("docs", shadow.declaration)
    for _ in range(2):
        retriever.search(body(1))
    settle()
    assert ("new", True) in loader.asked


def test_a_slow_shadow_keeps_no_reader_waiting(store, sides):
    live, _ = sides
    loader = Loader()
    retriever = Retriever(store, "docs", encoders=lambda enc: OLD if enc == "old" else loader(enc))
    loader.open.clear()
    assert retriever.answer(body(1), 1).index == live.name
    loader.open.set()
    settle()


def test_a_shadow_that_cannot_be_loaded_is_logged_and_raised_only_once_it_is_live(store, sides, caplog):
    live, shadow = sides
    loader = Loader()
    loader.broken.add("new")
    retriever = Retriever(store, "docs", encoders=loader)
    with caplog.at_level(logging.WARNING):
        assert retriever.answer(body(1), 1).index == live.name
        settle()
    assert "the disk is full" in caplog.text
    switch(store, shadow.name)
    assert retriever.answer(body(1), 1).index == live.name
    with pytest.raises(EncoderFailed, match="disk is full"):
        retriever.search(body(1))
    loader.broken.clear()
    assert retriever.answer(body(1), 1).index == shadow.name


def test_an_encoder_that_no_index_needs_any_more_is_let_go(store, sides):
    live, shadow = sides
    retriever = Retriever(store, "docs", encoders=BOTH)
    switch(store, shadow.name)
    store.retire("docs", live.name, drop=True)
    retriever.search(body(1))
    assert [enc for enc, _ in retriever._encoders._loaded] == ["new"]
