"""The ports together: writers that never pause, a fill and a worker, and an index that is right when the last debt is paid."""

from __future__ import annotations

import random
from threading import Event, Thread

import numpy as np
from transvase.core.ports import Place
from worlds import NEW, OLD, body, encoded, pay, rows_of, shadowed

RECORDS = 120


def keep_writing(world, stop: Event, seed: int, failures: list[BaseException]) -> None:
    """Insert, edit, blank and delete at random, as an application would."""
    draw = random.Random(seed)
    try:
        while not stop.is_set():
            key = draw.randrange(RECORDS + 40)
            if draw.random() < 0.3:
                world.delete("docs", [world.key(key)])
            else:
                text = None if draw.random() < 0.1 else f"{body(key)} as of {draw.randrange(1000)}"
                world.put("docs", [{"id": key, "body": text, "team": "infra"}])
    except BaseException as error:  # told to the test, which raises it
        failures.append(error)


def fill_in_pages(world, index, *, limit: int = 7) -> None:
    """The fill, page by page, with the text read well before its vector is written."""
    place = index.place()
    while records := world.store.corpus("docs").after(place.after, limit=limit):
        place = Place(records[-1].key, finished=len(records) < limit, done=place.done + len(records))
        with_text = [record for record in records if record.text is not None]
        index.fill(with_text, encoded(index, with_text), place=place)
        if place.finished:
            return
    index.fill([], encoded(index, []), place=Place(place.after, finished=True, done=place.done))


def test_no_write_is_lost_however_fill_payment_and_application_interleave(world):
    live, shadow = shadowed(world, [body(i) for i in range(RECORDS)])
    stop, failures = Event(), []
    writers = [Thread(target=keep_writing, args=(world, stop, seed, failures)) for seed in (1, 2)]
    filler = Thread(target=fill_in_pages, args=(world, shadow))
    for thread in (*writers, filler):
        thread.start()
    while filler.is_alive():
        pay(world, (live, OLD), (shadow, NEW))
    pay(world, (live, OLD), (shadow, NEW))
    stop.set()
    for thread in (*writers, filler):
        thread.join()
    assert failures == []
    while world.store.outbox("docs").owed():
        pay(world, (live, OLD), (shadow, NEW))
    for index, encoder in ((live, OLD), (shadow, NEW)):
        assert_every_vector_is_that_of_its_text(world, index, encoder)
    assert shadow.place().finished


def assert_every_vector_is_that_of_its_text(world, index, encoder) -> None:
    census = index.census()
    assert (census.missing, census.orphaned, census.stale, census.owed) == (0, 0, 0, 0)
    records = {record.key: record for record in world.store.corpus("docs").after(None, limit=1000) if record.text is not None}
    keys, vectors = index.vectors(list(records))
    assert set(keys) == set(records)
    wanted = encoded(index, [records[key] for key in keys], encoder=encoder)
    assert np.allclose(vectors.matrix, wanted.matrix, atol=1e-5)


def test_a_fill_that_was_interrupted_goes_on_from_its_place(world):
    """Three pages, a crash, and the rest: every record once, nothing twice."""
    _, shadow = shadowed(world, [body(i) for i in range(30)])
    corpus, place, written = world.store.corpus("docs"), Place(), []
    for _ in range(3):
        records = corpus.after(place.after, limit=5)
        place = Place(records[-1].key, done=place.done + len(records))
        written.append(shadow.fill(records, encoded(shadow, records), place=place))
    again = world.other().index("docs", shadow.declaration.name)
    assert again.place() == Place(world.key(14), finished=False, done=15)
    fill_in_pages(world, again)
    assert (written, again.place()) == ([5, 5, 5], Place(world.key(29), finished=True, done=30))
    assert_every_vector_is_that_of_its_text(world, again, NEW)


def test_rows_written_by_a_client_that_brings_its_own_old_vectors_are_kept_right(world):
    """An application that goes on writing text and old-space vector together: both sides end with the right vector."""
    live, shadow = shadowed(world, [body(i) for i in range(5)])
    fill_in_pages(world, shadow)
    world.put("docs", rows_of({world.key(i): f"rewritten {i}" for i in range(3, 8)}))
    pay(world, (live, OLD), (shadow, NEW))
    for index, encoder in ((live, OLD), (shadow, NEW)):
        assert_every_vector_is_that_of_its_text(world, index, encoder)
