"""The fill: what it writes, what it does not do twice, how it waits, and how it goes on after a failure."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence

import numpy as np
import pytest
from costless import HashEncoder
from transvase.core.errors import EncoderFailed, StoreFailed
from transvase.core.migration import Phase
from transvase.core.ports import Encoder, Place
from transvase.core.record import digest_of
from transvase.core.space import Role, Vectors
from transvase.migrations.fill import BATCH, BATCH_BYTES, FIRST, LEAST, Pace, batches, fill
from transvase.migrations.open import open_target
from transvase.migrations.pause import pause, resume
from transvase.migrations.pipeline import overlap
from transvase.migrations.repeats import Repeats
from worlds import NEW, OLD, WIDTH, MemoryWorld, adopt, rows_of


class Picky(HashEncoder):
    """Refuses texts that contain a word, as a model may."""

    def __init__(self, *, refuses: str) -> None:
        super().__init__("new", dimension=WIDTH, seed=2)
        self.refuses = refuses

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        if any(self.refuses in text for text in texts):
            raise EncoderFailed(self.name, "this text is not for me")
        return super().encode(texts, role)


def opened(world: MemoryWorld, bodies: Sequence[str | None], encoder: Encoder = NEW) -> dict[str, Encoder]:
    """A table of these bodies with an open migration to ``encoder``; the encoders by name."""
    world.make("docs")
    world.put("docs", rows_of(bodies))
    adopt(world)
    named: dict[str, Encoder] = {"old": OLD, "new": encoder}
    open_target(world.store, "docs", to="new", encoders=named.__getitem__)
    return named


def target_of(world: MemoryWorld):
    migration = world.store.journal.load("docs")
    assert migration is not None
    return world.store.index("docs", migration.target)


def test_every_record_with_a_text_gets_the_vector_of_its_text(memory_world: MemoryWorld) -> None:
    bodies = [None if i % 10 == 0 else f"body {i}" for i in range(3_000)]
    named = opened(memory_world, bodies)
    outcome = fill(memory_world.store, "docs", encoders=named.__getitem__)
    keys, vectors = target_of(memory_world).vectors([(i,) for i in range(3_000)])
    assert outcome.migration.phase is Phase.FILLED
    assert [key[0] for key in keys] == [i for i in range(3_000) if i % 10]
    assert vectors is not None
    assert vectors.width == WIDTH + 1
    expected = NEW.encode([bodies[key[0]] or "" for key in keys], Role.DOCUMENT).matrix
    np.testing.assert_array_equal(vectors.matrix[:, :WIDTH], expected)
    assert not vectors.matrix[:, WIDTH].any()


def test_equal_texts_are_encoded_once_in_a_run(memory_world: MemoryWorld) -> None:
    encoder = HashEncoder("new", dimension=WIDTH, seed=2)
    named = opened(memory_world, [f"one of {i % 70}" for i in range(5_000)], encoder)
    fill(memory_world.store, "docs", encoders=named.__getitem__)
    warming = 32
    assert encoder.encoded == 70 + warming
    assert target_of(memory_world).census().held == 5_000


def test_an_empty_table_is_filled_at_once(memory_world: MemoryWorld) -> None:
    named = opened(memory_world, [])
    outcome = fill(memory_world.store, "docs", encoders=named.__getitem__)
    assert outcome.migration.phase is Phase.FILLED
    assert outcome.figures["rows"] == 0


def test_a_failed_fill_names_the_row_and_goes_on_from_its_last_batch(memory_world: MemoryWorld) -> None:
    picky = Picky(refuses="poison")
    bodies = [f"body {i}" for i in range(1_000)]
    bodies[900] = "poison"
    named = opened(memory_world, bodies, picky)
    with pytest.raises(EncoderFailed, match=r"row \(900\)"):
        fill(memory_world.store, "docs", encoders=named.__getitem__)
    place = target_of(memory_world).place()
    assert FIRST <= place.done <= 900
    assert not place.finished
    assert target_of(memory_world).census().held == place.done
    again = HashEncoder("new", dimension=WIDTH, seed=2)
    outcome = fill(memory_world.store, "docs", encoders={**named, "new": again}.__getitem__)
    assert outcome.migration.phase is Phase.FILLED
    assert outcome.figures["rows_this_run"] == 1_000 - place.done
    assert again.encoded < 1_000 - place.done + 64


def test_a_paused_fill_waits_and_says_why_until_it_is_resumed(memory_world: MemoryWorld) -> None:
    named = opened(memory_world, [f"body {i}" for i in range(600)])
    pause(memory_world.store, "docs")
    said: list[str] = []
    thread = threading.Thread(
        target=lambda: fill(
            memory_world.store, "docs", encoders=named.__getitem__, progress=lambda what, _done, _total: said.append(what)
        )
    )
    thread.start()
    deadline = time.monotonic() + 5
    while not any("paused by an operator" in what for what in said) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert target_of(memory_world).place().done == 0
    resume(memory_world.store, "docs")
    thread.join(5)
    migration = memory_world.store.journal.load("docs")
    assert migration is not None
    assert (migration.phase, migration.paused) == (Phase.FILLED, False)
    assert any("paused by an operator" in what for what in said)


def test_a_pause_that_is_kept_while_the_fill_ends_is_carried_over(memory_world: MemoryWorld) -> None:
    named = opened(memory_world, ["one"])

    def pausing(what: str, _done: int, _total: int) -> None:
        if what == "building the index":
            pause(memory_world.store, "docs")

    outcome = fill(memory_world.store, "docs", encoders=named.__getitem__, progress=pausing)
    assert (outcome.migration.phase, outcome.migration.paused) == (Phase.FILLED, True)


def test_writes_behind_the_readers_back_reach_the_target_through_the_outbox(memory_world: MemoryWorld) -> None:
    named = opened(memory_world, [f"body {i}" for i in range(1_000)])
    changed = iter([True])

    def writing(what: str, done: int, _total: int) -> None:
        if what == "filling" and done >= FIRST and next(changed, False):
            memory_world.put("docs", [{"id": 5, "body": "edited behind"}, {"id": 5_000, "body": "inserted"}])
            memory_world.delete("docs", [(6,)])

    fill(memory_world.store, "docs", encoders=named.__getitem__, progress=writing)
    census = target_of(memory_world).census()
    assert (census.missing, census.orphaned, census.stale, census.owed, census.held) == (0, 0, 0, 0, 1_000)
    _, vectors = target_of(memory_world).vectors([(5,)])
    assert vectors is not None
    np.testing.assert_array_equal(vectors.matrix[0, :WIDTH], NEW.encode(["edited behind"], Role.DOCUMENT).matrix[0])


def test_long_texts_make_for_small_batches(memory_world: MemoryWorld) -> None:
    memory_world.make("docs")
    memory_world.put("docs", rows_of(["x" * 1_000_000 for _ in range(20)]))
    adopt(memory_world)
    pace = Pace()
    pace.read(memory_world.store.corpus("docs").after(None, limit=5))
    assert pace.limit == BATCH_BYTES // 1_000_000
    sizes = [len(batch.records) for batch in batches(memory_world.store.corpus("docs"), Place(), pace)]
    assert max(sizes) <= BATCH_BYTES // 1_000_000
    assert sum(sizes) == 20


def test_a_slow_model_gets_small_batches_and_a_fast_one_large_ones() -> None:
    pace = Pace()
    pace.read([])
    pace.encoded(100, 100.0)
    assert pace.limit == LEAST
    pace.encoded(1_000, 0.001)
    assert pace.limit == BATCH


def test_batches_count_rows_without_a_text_too(memory_world: MemoryWorld) -> None:
    memory_world.make("docs")
    memory_world.put("docs", rows_of([None, "a", None]))
    adopt(memory_world)
    (only,) = batches(memory_world.store.corpus("docs"), Place(), Pace())
    assert [record.key for record in only.records] == [(1,)]
    assert only.place == Place((2,), finished=True, done=3)


def test_what_was_spilled_to_disk_is_found_again() -> None:
    repeats = Repeats(4, block_bytes=4 * 4 * 3)
    digests = [digest_of(str(i)) for i in range(10)]
    matrix = np.arange(40, dtype=np.float32).reshape(10, 4)
    for i in range(0, 10, 2):
        repeats.keep(digests[i : i + 2], matrix[i : i + 2])
    found = repeats.find([*digests, digest_of("unknown")])
    assert found.keys() == set(digests)
    for digest, row in zip(digests, matrix, strict=True):
        np.testing.assert_array_equal(found[digest], row)
    repeats.close()
    assert repeats.find(digests) == {}


def test_without_room_on_disk_the_oldest_are_forgotten_and_nothing_fails() -> None:
    repeats = Repeats(4, block_bytes=4 * 4 * 2, spill_bytes=0)
    digests = [digest_of(str(i)) for i in range(4)]
    repeats.keep(digests, np.ones((4, 4), np.float32))
    assert repeats.find(digests).keys() == set(digests[2:])
    repeats.close()


def test_the_steps_overlap_in_order_and_hold_only_a_few_items() -> None:
    ahead, written = [], []

    def source() -> Iterator[int]:
        for i in range(50):
            ahead.append(i - len(written))
            yield i

    def slowly(item: int) -> None:
        time.sleep(0.001)
        written.append(item)

    overlap(source(), lambda item: item * 2, slowly, stop=threading.Event(), depth=2)
    assert written == [i * 2 for i in range(50)]
    assert max(ahead) <= 8


@pytest.mark.parametrize("step", ["source", "work", "sink"])
def test_a_failure_in_any_step_stops_all_three_and_is_raised(step: str) -> None:
    def fail(item: int) -> int:
        if item == 3:
            raise StoreFailed("gone")
        return item

    def source() -> Iterator[int]:
        for i in range(1_000_000):
            yield fail(i) if step == "source" else i

    written: list[int] = []
    stop = threading.Event()
    with pytest.raises(StoreFailed, match="gone"):
        overlap(
            source(),
            fail if step == "work" else lambda item: item,
            (lambda item: written.append(fail(item))) if step == "sink" else written.append,
            stop=stop,
        )
    assert len(written) <= 3
    assert not [thread for thread in threading.enumerate() if thread.name in {"reader", "writer"}]
