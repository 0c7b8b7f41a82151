"""The Outbox port: keys are owed by the write that changed a text, and paid by the write of the vector."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from transvase.core.errors import BadValue, SpaceMismatch, Superseded
from transvase.core.ports import Debt, Payment
from transvase.core.record import Record
from transvase.core.space import Role
from worlds import NEW, OLD, encoded, fill, needs_key, pay, rows_of, shadowed


def edit(world, key: int, text: str | None) -> None:
    world.put("docs", [{"id": key, "body": text}])


def vector_of(index, key) -> np.ndarray | None:
    keys, vectors = index.vectors([key])
    return vectors.matrix[0] if keys else None


def test_nothing_is_owed_before_anything_is_captured(world):
    from worlds import adopt

    world.make("docs")
    adopt(world)
    world.put("docs", rows_of(["a"]))
    assert not world.store.captures("docs")
    assert world.store.outbox("docs").owed() == 0


def test_inserts_edits_and_deletes_are_owed(world):
    shadowed(world, ["a", "b", "c"])
    world.put("docs", rows_of({world.key(9): "new"}))
    edit(world, 1, "changed")
    world.delete("docs", [world.key(2)])
    outbox = world.store.outbox("docs")
    assert outbox.owed() == 3
    assert {debt.key for debt in outbox.read(limit=10)} == {world.key(9), world.key(1), world.key(2)}


def test_of_some_keys_those_are_told_that_are_not_settled(world):
    live, shadow = shadowed(world, ["a", "b", "c"])
    edit(world, 1, "changed")
    edit(world, 2, "changed too")
    outbox = world.store.outbox("docs")
    assert outbox.unsettled([world.key(0), world.key(1)]) == {world.key(1)}
    assert outbox.unsettled([]) == set()
    pay(world, (live, OLD), (shadow, NEW))
    assert outbox.unsettled([world.key(0), world.key(1)]) == set()


def test_a_key_that_is_written_often_is_owed_once(world):
    shadowed(world, ["a"])
    for text in ("b", "c", "d"):
        edit(world, 0, text)
    outbox = world.store.outbox("docs")
    assert outbox.owed() == 1
    assert [debt.key for debt in outbox.read(limit=10)] == [world.key(0)]


def test_a_write_that_changes_no_text_owes_nothing(world):
    shadowed(world, ["a"])
    world.put("docs", [{"id": 0, "team": "another", "body": "a"}])
    assert world.store.outbox("docs").owed() == int(world.carries)


def test_a_text_that_becomes_null_is_owed(world):
    shadowed(world, ["a"])
    edit(world, 0, None)
    assert world.store.outbox("docs").owed() == 1


def test_emptying_the_table_owes_every_key_that_was_there(world):
    live, shadow = shadowed(world, ["a", "b", "c"])
    fill(world, shadow)
    world.truncate("docs")
    pay(world, (live, OLD), (shadow, NEW))
    assert shadow.census().held == 0
    assert world.store.outbox("docs").owed() == 0


def test_debts_are_read_oldest_first_up_to_the_limit(world):
    shadowed(world, ["a", "b", "c"])
    for key in (2, 0, 1):
        edit(world, key, f"changed {key}")
    assert [debt.key for debt in world.store.outbox("docs").read(limit=2)] == [world.key(2), world.key(0)]


def test_a_debt_carries_the_entries_of_its_key_and_is_owed_to_every_index(world):
    shadowed(world, ["a"])
    edit(world, 0, "b")
    edit(world, 0, "c")
    (debt,) = world.store.outbox("docs").read(limit=5)
    assert debt.only is None
    assert len(set(debt.entries)) == len(debt.entries) >= 1


def test_paying_writes_the_vectors_into_both_indexes_and_settles(world):
    live, shadow = shadowed(world, ["a", "b"])
    fill(world, shadow)
    edit(world, 1, "b, edited")
    assert pay(world, (live, OLD), (shadow, NEW)) == 1
    assert world.store.outbox("docs").owed() == 0
    for index, encoder in ((live, OLD), (shadow, NEW)):
        wanted = encoder.encode(["b, edited"], Role.DOCUMENT).matrix[0]
        assert np.allclose(vector_of(index, world.key(1))[: len(wanted)], wanted, atol=1e-6)
    assert shadow.census().stale == 0


def test_paying_is_not_itself_a_write_that_owes(world):
    live, shadow = shadowed(world, ["a"])
    edit(world, 0, "b")
    pay(world, (live, OLD), (shadow, NEW))
    assert world.store.outbox("docs").read(limit=5) == []


def test_a_vector_of_a_text_that_changed_meanwhile_is_not_written(world):
    """The digest guard: the text is read, encoded, and edited again before the vector arrives."""
    _, shadow = shadowed(world, ["a"])
    fill(world, shadow)
    edit(world, 0, "b")
    outbox, corpus = world.store.outbox("docs"), world.store.corpus("docs")
    debts, records = outbox.read(limit=5), tuple(corpus.read([world.key(0)]))
    edit(world, 0, "c")
    before = vector_of(shadow, world.key(0))
    outbox.pay(debts, [Payment(shadow.declaration.name, records, encoded(shadow, records))])
    assert np.array_equal(vector_of(shadow, world.key(0)), before)
    assert outbox.owed() == 1


def test_a_debt_is_settled_only_by_the_vector_that_is_owed(world):
    """A worker that comes with empty hands, or with one index' vectors alone, has not paid the other's."""
    live, shadow = shadowed(world, ["a"])
    edit(world, 0, "b")
    outbox = world.store.outbox("docs")
    assert outbox.pay(outbox.read(limit=5), []) == 0
    assert pay(world, (live, OLD)) == 0
    assert outbox.owed() == 1
    assert pay(world, (live, OLD), (shadow, NEW)) == 1
    assert outbox.owed() == 0


def test_what_is_left_is_owed_to_the_index_that_lacks_it_alone(world):
    live, shadow = shadowed(world, ["a"])
    edit(world, 0, "b")
    pay(world, (live, OLD))
    (debt,) = world.store.outbox("docs").read(limit=5)
    assert debt.only == shadow.declaration.name
    assert pay(world, (shadow, NEW)) == 1


def test_a_deleted_record_loses_its_vector_and_nothing_brings_it_back(world):
    """A late payment for a record that was read before its deletion must not resurrect it."""
    _, shadow = shadowed(world, ["a", "b"])
    fill(world, shadow)
    late = tuple(world.store.corpus("docs").read([world.key(0)]))
    world.delete("docs", [world.key(0)])
    outbox = world.store.outbox("docs")
    debts = outbox.read(limit=5)
    outbox.pay(debts, [Payment(shadow.declaration.name, late, encoded(shadow, late))])
    assert shadow.vectors([world.key(0), world.key(1)])[0] == [world.key(1)]
    assert shadow.census().orphaned == 0
    assert outbox.owed() == 0


def test_a_record_that_lost_its_text_loses_its_vector(world):
    live, shadow = shadowed(world, ["a", "b"])
    fill(world, shadow)
    edit(world, 0, None)
    pay(world, (live, OLD), (shadow, NEW))
    assert shadow.vectors([world.key(0), world.key(1)])[0] == [world.key(1)]
    assert live.vectors([world.key(0), world.key(1)])[0] == [world.key(1)]


def test_a_record_deleted_and_inserted_again_ends_with_the_vector_of_its_new_text(world):
    live, shadow = shadowed(world, ["a"])
    fill(world, shadow)
    world.delete("docs", [world.key(0)])
    world.put("docs", rows_of({world.key(0): "born again"}))
    pay(world, (live, OLD), (shadow, NEW))
    wanted = NEW.encode(["born again"], Role.DOCUMENT).matrix[0]
    assert np.allclose(vector_of(shadow, world.key(0))[: len(wanted)], wanted, atol=1e-6)


def test_an_empty_text_is_paid_like_any_other(world):
    live, shadow = shadowed(world, ["a"])
    edit(world, 0, "")
    pay(world, (live, OLD), (shadow, NEW))
    assert shadow.vectors([world.key(0)])[0] == [world.key(0)]


def test_paying_the_same_debts_twice_settles_nothing_else(world):
    """Two workers that read the same debts: the second brings nothing new, and takes nothing that was written since."""
    live, shadow = shadowed(world, ["a"])
    edit(world, 0, "b")
    outbox, corpus = world.store.outbox("docs"), world.store.corpus("docs")
    debts, records = outbox.read(limit=5), tuple(corpus.read([world.key(0)]))
    payments = [
        Payment(index.declaration.name, records, encoded(index, records, encoder=encoder))
        for index, encoder in ((live, OLD), (shadow, NEW))
    ]
    outbox.pay(debts, payments)
    edit(world, 0, "c")
    outbox.pay(debts, payments)
    assert outbox.owed() == 1


def test_a_payment_in_a_foreign_space_is_refused_and_settles_nothing(world):
    live, shadow = shadowed(world, ["a"])
    edit(world, 0, "b")
    outbox = world.store.outbox("docs")
    records = tuple(world.store.corpus("docs").read([world.key(0)]))
    good = Payment(live.declaration.name, records, encoded(live, records, encoder=OLD))
    bad = Payment(shadow.declaration.name, records, encoded(shadow, records, encoder=OLD))
    before = vector_of(live, world.key(0))
    with pytest.raises(SpaceMismatch):
        outbox.pay(outbox.read(limit=5), [good, bad])
    assert outbox.owed() == 1
    assert np.array_equal(vector_of(live, world.key(0)), before)


def test_a_payment_of_the_wrong_width_is_refused(world):
    _, shadow = shadowed(world, ["a"])
    edit(world, 0, "b")
    records = tuple(world.store.corpus("docs").read([world.key(0)]))
    unfenced = NEW.encode(["b"], Role.DOCUMENT)
    outbox = world.store.outbox("docs")
    with pytest.raises(BadValue):
        outbox.pay(outbox.read(limit=5), [Payment(shadow.declaration.name, records, unfenced)])


def test_a_payment_for_an_index_that_is_gone_is_superseded(world):
    _, shadow = shadowed(world, ["a"])
    edit(world, 0, "b")
    records = tuple(world.store.corpus("docs").read([world.key(0)]))
    payment = Payment("never_was", records, encoded(shadow, records))
    outbox = world.store.outbox("docs")
    with pytest.raises(Superseded):
        outbox.pay(outbox.read(limit=5), [payment])
    assert outbox.owed() == 1


def test_debts_that_nobody_ever_had_are_settled_without_harm(world):
    shadowed(world, ["a"])
    edit(world, 0, "b")
    outbox = world.store.outbox("docs")
    outbox.pay([Debt(world.key(77), (123456,))], [])
    assert outbox.owed() == 1


def test_composite_keys_are_owed_and_paid(world):
    from worlds import adopt, target

    kinds = {"tenant": "text", "id": "int"}
    needs_key(world, kinds)
    world.make("docs", key=kinds)
    adopt(world, key=tuple(kinds))
    made = target(world)
    world.store.create("docs", made)
    world.put("docs", rows_of({("a'b", 1): "one", ("ü", 2): "two"}, key=tuple(kinds)))
    shadow = world.store.index("docs", made.name)
    pay(world, (shadow, NEW))
    assert sorted(shadow.vectors([("a'b", 1), ("ü", 2), ("x", 3)])[0]) == [("a'b", 1), ("ü", 2)]


def test_a_worker_is_heard_of_only_after_it_spoke(world):
    shadowed(world, ["a"])
    outbox = world.store.outbox("docs")
    assert outbox.quiet_s() is None
    outbox.beat()
    quiet = outbox.quiet_s()
    assert quiet is not None
    assert 0 <= quiet < 30


def test_vectors_of_an_index_of_unknown_make_are_left_alone(world):
    live, shadow = shadowed(world, ["a"], known=False)
    edit(world, 0, None)
    pay(world, (shadow, NEW))
    assert live.vectors([world.key(0)]) == ([world.key(0)], None)
    assert world.store.outbox("docs").owed() == 0


def test_a_payment_of_a_text_that_never_was_writes_nothing(world):
    _, shadow = shadowed(world, ["a"])
    edit(world, 0, "b")
    outbox = world.store.outbox("docs")
    invented = (Record(world.key(0), "never written"),)
    outbox.pay(outbox.read(limit=5), [Payment(shadow.declaration.name, invented, encoded(shadow, invented))])
    assert shadow.vectors([world.key(0)])[0] == []


def test_what_is_written_while_writers_are_held_back_is_owed_when_they_are_let_go(world):
    live, shadow = shadowed(world, ["a", "b"])
    outbox = world.store.outbox("docs")
    with ThreadPoolExecutor(1) as application:
        with outbox.writers_held(most_s=30):
            pay(world, (live, OLD), (shadow, NEW))
            writing = application.submit(edit, world, 1, "changed")
        writing.result(30)
    assert outbox.owed() == 1


def test_nobody_is_held_back_for_longer_than_was_said(world):
    shadowed(world, ["a"])
    with ThreadPoolExecutor(1) as application, world.store.outbox("docs").writers_held(most_s=0.2):
        application.submit(edit, world, 0, "changed").result(30)
        assert world.store.outbox("docs").owed() == 1
