"""The Index port: one physical place that holds vectors of one Space, written under a guard and counted where it lies."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from transvase.core.errors import BadValue, NotReady, SpaceMismatch
from transvase.core.ports import Place
from transvase.core.record import Record
from transvase.core.space import Role, Vectors
from worlds import (
    NEW,
    OLD,
    WIDTH,
    World,
    adopt,
    asked,
    body,
    encoded,
    fill,
    needs_key,
    pay,
    rows_of,
    shadowed,
    silent,
    target,
    uuid,
)


def filled(world: World) -> Place:
    """The end of some ten records."""
    return Place(world.key(9), finished=True, done=10)


# ---------------------------------------------------------------- filling


def test_a_new_index_is_empty_and_its_fill_has_not_begun(world):
    _, shadow = shadowed(world, ["a"])
    assert shadow.place() == Place()
    assert shadow.census().held == 0


def test_a_fill_writes_the_vectors_and_their_place_together(world):
    _, shadow = shadowed(world, ["a", "b", None])
    assert fill(world, shadow) == 2
    assert shadow.place() == Place(world.key(2), finished=True, done=3)
    assert sorted(shadow.vectors([world.key(0), world.key(1), world.key(2)])[0]) == [world.key(0), world.key(1)]


def test_the_place_outlives_the_store_that_recorded_it(world):
    _, shadow = shadowed(world, ["a"])
    fill(world, shadow)
    assert world.other().index("docs", shadow.declaration.name).place() == Place(world.key(0), finished=True, done=1)


@pytest.mark.parametrize("key", [(uuid(2**77),), ("Ä'\"",), ("a", 7)], ids=["uuid", "text", "composite"])
def test_a_place_keeps_the_kinds_of_its_key(world, key):
    kinds = {1: {"id": "uuid" if not isinstance(key[0], str) else "text"}, 2: {"tenant": "text", "id": "int"}}[len(key)]
    needs_key(world, kinds)
    world.make("docs", key=kinds)
    world.put("docs", rows_of({key: "a"}, key=tuple(kinds)))
    adopt(world, key=tuple(kinds))
    made = target(world)
    world.store.create("docs", made)
    shadow = world.store.index("docs", made.name)
    fill(world, shadow)
    assert shadow.place() == Place(key, finished=True, done=1)
    assert shadow.vectors([key])[0] == [key]


def test_the_applications_own_column_is_never_filled(world):
    """Its missing vectors are the application's to write, or a worker's to pay."""
    live, _ = shadowed(world, [])
    world.put("docs", [{"id": 0, "body": "without a vector"}])
    records = world.store.corpus("docs").after(None, limit=5)
    with pytest.raises(NotReady):
        live.fill(records, encoded(live, records, encoder=OLD), place=filled(world))
    assert live.census().held == 0


def test_filling_again_writes_nothing_that_is_held_already(world):
    _, shadow = shadowed(world, [body(i) for i in range(5)])
    assert [fill(world, shadow), fill(world, shadow)] == [5, 0]


def test_a_fill_never_overwrites_what_a_payment_wrote(world):
    _, shadow = shadowed(world, ["a"])
    records = world.store.corpus("docs").read([world.key(0)])
    late = encoded(shadow, records)
    world.put("docs", [{"id": 0, "body": "edited"}])
    pay(world, (shadow, NEW))
    paid = shadow.vectors([world.key(0)])[1].matrix
    assert shadow.fill(records, late, place=filled(world)) == 0
    assert np.array_equal(shadow.vectors([world.key(0)])[1].matrix, paid)


def test_a_record_whose_text_changed_since_it_was_read_is_dropped(world):
    _, shadow = shadowed(world, ["a", "b"])
    records = world.store.corpus("docs").after(None, limit=5)
    vectors = encoded(shadow, records)
    world.put("docs", [{"id": 1, "body": "edited"}])
    assert shadow.fill(records, vectors, place=filled(world)) == 1
    assert shadow.vectors([world.key(0), world.key(1)])[0] == [world.key(0)]


def test_a_record_deleted_since_it_was_read_is_not_resurrected(world):
    _, shadow = shadowed(world, ["a", "b"])
    records = world.store.corpus("docs").after(None, limit=5)
    vectors = encoded(shadow, records)
    world.delete("docs", [world.key(0)])
    assert shadow.fill(records, vectors, place=filled(world)) == 1
    assert shadow.vectors([world.key(0), world.key(1)])[0] == [world.key(1)]


def test_a_record_that_never_was_is_not_written(world):
    _, shadow = shadowed(world, [])
    invented = [Record(world.key(5), "invented")]
    assert shadow.fill(invented, encoded(shadow, invented), place=filled(world)) == 0


def test_a_page_without_a_text_moves_the_place_alone(world):
    _, shadow = shadowed(world, [None])
    empty = Vectors(NEW.space, np.zeros((0, shadow.declaration.width), dtype=np.float32))
    assert shadow.fill([], empty, place=Place(world.key(0), finished=False, done=1)) == 0
    assert shadow.place() == Place(world.key(0), finished=False, done=1)


def test_records_without_a_text_are_brought_along_and_take_no_vector(world):
    """A store that moves whole things needs them; one that keeps vectors beside its rows has nothing to write."""
    _, shadow = shadowed(world, ["a", None, "b", None])
    records = world.store.corpus("docs").after(None, limit=9)
    some, bare = ([r for r in records if (r.text is None) is without] for without in (False, True))
    assert len(bare) == 2
    for _ in range(2):  # what a crash makes us write again changes nothing
        shadow.fill(some, encoded(shadow, some), place=Place(world.key(3), finished=True, done=4), bare=bare)
    census = shadow.census()
    assert (census.records, census.held, census.missing, census.orphaned, census.stale) == (2, 2, 0, 0, 0)
    assert shadow.vectors([record.key for record in bare])[0] == []
    assert shadow.place() == Place(world.key(3), finished=True, done=4)


def test_foreign_vectors_are_refused_and_the_place_stays(world):
    """Same dimension, another Space: the mix that today's tools accept."""
    _, shadow = shadowed(world, ["a"])
    records = world.store.corpus("docs").after(None, limit=5)
    foreign = encoded(shadow, records, encoder=OLD)
    with pytest.raises(SpaceMismatch):
        shadow.fill(records, foreign, place=filled(world))
    assert (shadow.place(), shadow.census().held) == (Place(), 0)


def test_vectors_of_the_wrong_width_are_refused(world):
    _, shadow = shadowed(world, ["a"])
    assert shadow.declaration.width == WIDTH + 1
    records = world.store.corpus("docs").after(None, limit=5)
    with pytest.raises(BadValue):
        shadow.fill(records, NEW.encode(["a"], Role.DOCUMENT), place=filled(world))


def test_as_many_vectors_as_records_are_needed(world):
    _, shadow = shadowed(world, ["a"])
    records = world.store.corpus("docs").after(None, limit=5)
    with pytest.raises(BadValue):
        shadow.fill(records, encoded(shadow, [*records, *records]), place=filled(world))


def test_texts_of_every_script_pass_the_digest_guard(world):
    """The store computes the digest where the text lies: it must be that of the text that was read."""
    texts = ["", " ", "Grüße", "日本語", "e\u0301 é", "🦜", "a\tb\nc\\", 'it\'s "quoted"', "x" * 100_000]
    _, shadow = shadowed(world, texts)
    assert fill(world, shadow) == len(texts)
    assert shadow.census().stale == 0


# ---------------------------------------------------------------- what is held


def test_vectors_come_back_as_they_were_written_with_their_space(world):
    _, shadow = shadowed(world, ["a", "b"])
    fill(world, shadow)
    keys, vectors = shadow.vectors([world.key(1), world.key(0), world.key(9)])
    wanted = {world.key(0): "a", world.key(1): "b"}
    assert sorted(keys) == [world.key(0), world.key(1)]
    assert vectors.space == NEW.space
    records = [Record(key, wanted[key]) for key in keys]
    assert np.allclose(vectors.matrix, encoded(shadow, records).matrix, atol=1e-6)


def test_vectors_of_no_keys_are_an_empty_matrix(world):
    _, shadow = shadowed(world, ["a"])
    keys, vectors = shadow.vectors([])
    assert (keys, vectors.matrix.shape) == ([], (0, shadow.declaration.width))


def test_an_index_of_unknown_make_tells_its_keys_and_no_vectors(world):
    world.make("docs")
    world.put("docs", rows_of(["a", None]))
    live = adopt(world, known=False)
    assert world.store.index("docs", live.name).vectors([world.key(0), world.key(1)]) == ([world.key(0)], None)


# ---------------------------------------------------------------- census


def test_a_census_of_a_whole_index_finds_nothing(world):
    live, shadow = shadowed(world, ["a", "b", None])
    fill(world, shadow)
    for index in (live, shadow):
        census = index.census()
        assert (census.records, census.held) == (2, 2)
        assert (census.missing, census.orphaned, census.stale, census.owed, census.zero, census.broken) == (0, 0, 0, 0, 0, 0)
        assert census.examples == ()


def test_a_census_counts_what_is_missing_and_names_it(world):
    _, shadow = shadowed(world, ["a", "b", "c"])
    census = shadow.census()
    assert (census.missing, census.held, set(census.examples)) == (3, 0, {world.key(0), world.key(1), world.key(2)})


def test_what_is_owed_is_not_lost(world):
    """An edit, an insert and a deletion that wait in the outbox are owed: neither stale nor missing nor orphaned."""
    _, shadow = shadowed(world, ["a", "b"])
    fill(world, shadow)
    world.put("docs", [{"id": 0, "body": "edited"}, {"id": 5, "body": "inserted"}])
    world.delete("docs", [world.key(1)])
    census = shadow.census()
    assert census.owed == 3
    assert (census.missing, census.orphaned, census.stale) == (0, 0, 0)


def test_what_is_no_longer_owed_and_was_never_written_is_counted_as_lost(world):
    """Debts thrown away by a stranger leave their traces: this is what a proof has to find."""
    _, shadow = shadowed(world, ["a", "b", "c"])
    fill(world, shadow)
    world.put("docs", [{"id": 0, "body": "edited"}, {"id": 5, "body": "inserted"}])
    world.delete("docs", [world.key(1)])
    world.lose_debts("docs")
    census = shadow.census()
    assert (census.stale, census.missing, census.orphaned, census.owed) == (1, 1, 1, 0)
    assert set(census.examples) == {world.key(0), world.key(5), world.key(1)}


def test_a_census_counts_vectors_of_length_zero(world):
    _, shadow = shadowed(world, ["a", "b"])
    records = world.store.corpus("docs").after(None, limit=5)
    matrix = encoded(shadow, records).matrix.copy()
    matrix[1] = 0
    shadow.fill(records, Vectors(NEW.space, matrix), place=filled(world))
    census = shadow.census()
    assert (census.zero, census.examples) == (1, (world.key(1),))


def test_a_census_without_vectors_counts_all_but_what_they_are_like(world):
    _, shadow = shadowed(world, ["a", "b", "c"])
    records = world.store.corpus("docs").after(None, limit=5)[:2]
    matrix = encoded(shadow, records).matrix.copy()
    matrix[1] = 0
    shadow.fill(records, Vectors(NEW.space, matrix), place=filled(world))
    deep, shallow = shadow.census(), shadow.census(deep=False)
    assert (deep.missing, deep.zero) == (1, 1)
    assert shallow == replace(deep, zero=0, broken=0, examples=shallow.examples)
    assert shallow.examples == (world.key(2),)


def test_an_adopted_index_may_lack_vectors_and_keeps_no_digests(world):
    world.make("docs")
    world.put(
        "docs", [*rows_of(["a"]), {"id": 7, "body": "without a vector"}, {"id": 8, "body": "zero", "embedding": np.zeros(WIDTH)}]
    )
    live = adopt(world)
    world.put("docs", [{"id": 0, "body": "edited after it was embedded"}])
    census = world.store.index("docs", live.name).census()
    assert (census.records, census.held, census.missing, census.stale, census.zero) == (3, 2, 1, 0, 1)


# ---------------------------------------------------------------- building


def test_an_index_is_built_once_it_was_told_to(world):
    _, shadow = shadowed(world, [body(i) for i in range(20)])
    fill(world, shadow)
    name = shadow.declaration.name
    before = world.store.built(name)
    shadow.build(silent)
    assert (before, world.store.built(name)) == (False, True)


def test_building_again_changes_nothing(world):
    _, shadow = shadowed(world, [body(i) for i in range(20)])
    fill(world, shadow)
    shadow.build(silent)
    seen = world.store.witness("docs", shadow.declaration.name)
    shadow.build(silent)
    assert world.store.witness("docs", shadow.declaration.name) == seen


def test_an_empty_index_can_be_built(world):
    _, shadow = shadowed(world, [])
    shadow.build(silent)
    assert world.store.built(shadow.declaration.name)
    assert shadow.search(asked(shadow, "a"), 3).hits == ()


def test_warming_takes_queries_of_its_own_space_only(world):
    _, shadow = shadowed(world, [body(i) for i in range(20)])
    fill(world, shadow)
    shadow.build(silent)
    shadow.warm(asked(shadow, "a"))
    with pytest.raises(SpaceMismatch):
        shadow.warm(asked(shadow, "a", encoder=OLD))


def test_reads_are_counted_where_they_are_and_never_fall(world):
    """Statistics of a database may lag behind; they do not run backwards."""
    live, _ = shadowed(world, [body(i) for i in range(20)])
    before = live.reads()
    for _ in range(3):
        live.search(asked(live, body(1), encoder=OLD), 2)
    after = live.reads()
    assert (before.count is None) == (after.count is None)
    assert 0 <= (before.count or 0) <= (after.count or 0)
    assert after.last_s is None or after.last_s >= 0
    assert after.quiet_s is None or after.quiet_s >= 0


def test_a_declaration_is_what_was_declared(world):
    live, shadow = shadowed(world, ["a"])
    made = target(world)
    assert shadow.declaration == replace(made, name=shadow.declaration.name)
    assert live.declaration == world.store.alias("docs").live
