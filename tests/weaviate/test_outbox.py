"""Debts on a store without transactions: nothing is settled but what was seen, and nothing of the application's is lost."""

from __future__ import annotations

import numpy as np
import pytest
from transvase.adapters.weaviate.collections.control import Control
from transvase.adapters.weaviate.comparing.newest import Held, dated
from transvase.adapters.weaviate.ports.paying import Paying, read_now
from transvase.core.errors import BadValue, SpaceMismatch, StoreFailed, Superseded
from transvase.core.figures import Debt, Payment
from transvase.core.record import Key, Record
from weaviate_objects import ALIAS, NEW, OLD, WIDTH, Plot, encoded, uid

pytestmark = pytest.mark.weaviate


def held(plot: Plot, number: int, *, live: bool = False) -> np.ndarray | None:
    found = plot.application.one((plot.live if live else plot.shadow).site, uid(number))
    return None if found is None or not found.get("vector") else np.array(found["vector"], dtype=np.float32)


def owe(plot: Plot, *keys: Key, first: str = "") -> None:
    plot.ledger.owe(ALIAS, list(keys), first=first)


def test_an_insert_is_paid_into_the_shadow_whole(plot: Plot) -> None:
    owe(plot, plot.write(1, "a"))
    assert plot.pay() == 1
    assert plot.outbox.owed() == 0
    assert plot.alike()
    wanted = encoded(NEW, ["a"], WIDTH + 1).matrix[0]
    found = held(plot, 1)
    assert found is not None
    assert np.array_equal(found, wanted)


def test_a_key_that_somebody_is_just_writing_is_held_back_and_all_the_same_not_settled(plot: Plot) -> None:
    key, other = plot.write(1, "a"), plot.write(2, "b")
    entries = plot.ledger.intend(ALIAS, [key], first=plot.live.site)
    assert plot.outbox.read(limit=5) == []
    assert plot.outbox.unsettled([key, other]) == {key}
    plot.ledger.settle(ALIAS, entries)
    assert plot.outbox.unsettled([key, other]) == set()


def test_the_live_side_is_left_as_it_is_where_its_vector_is_right(plot: Plot) -> None:
    owe(plot, plot.write(1, "a"))
    before = plot.application.one(plot.live.site, uid(1))
    plot.pay()
    assert plot.application.one(plot.live.site, uid(1)) == before


def test_a_text_that_was_patched_gets_its_vector_on_the_live_side_too(plot: Plot) -> None:
    """PATCH keeps the vector of the text before it: nobody but a payer notices."""
    owe(plot, plot.write(1, "a"))
    plot.pay()
    plot.application.patch(plot.live.site, uid(1), {"body": "b"})
    owe(plot, (uid(1),))
    assert plot.pay() == 1
    for live, encoder, width in ((True, OLD, WIDTH), (False, NEW, WIDTH + 1)):
        found = held(plot, 1, live=live)
        assert found is not None
        assert np.array_equal(found, encoded(encoder, ["b"], width).matrix[0])
    assert plot.alike()


def test_an_object_that_is_deleted_goes_from_the_shadow_and_nothing_brings_it_back(plot: Plot) -> None:
    key = plot.write(1, "a")
    owe(plot, key)
    plot.pay()
    late = plot.corpus.read([key])
    plot.application.delete(plot.live.site, uid(1))
    owe(plot, key)
    debts = plot.outbox.read(limit=5)
    assert plot.outbox.pay(debts, [plot.payment(plot.shadow, late), plot.payment(plot.live, late)]) == 1
    assert plot.application.all(plot.shadow.site) == []
    assert plot.application.all(plot.live.site) == []


def test_an_object_that_loses_its_text_loses_its_vector_and_stays(plot: Plot) -> None:
    key = plot.write(1, "a")
    owe(plot, key)
    plot.pay()
    plot.write(1, None)
    owe(plot, key)
    assert plot.pay() == 1
    assert held(plot, 1) is None
    assert plot.alike()


def test_a_vector_of_a_text_that_changed_meanwhile_is_not_written(plot: Plot) -> None:
    key = plot.write(1, "a")
    owe(plot, key)
    debts, records = plot.outbox.read(limit=5), plot.corpus.read([key])
    plot.write(1, "b")
    assert plot.outbox.pay(debts, [plot.payment(one, records) for one in (plot.live, plot.shadow)]) == 0
    assert plot.application.all(plot.shadow.site) == []
    assert plot.outbox.owed() == 1


def test_a_change_between_the_write_and_the_last_look_stays_owed(plot: Plot) -> None:
    """What is seen settles, and not what was sent: here the application writes exactly in between."""
    key = plot.write(1, "a")
    records = plot.corpus.read([key])
    kept = {side.site: side for side in plot.look().kept}
    brought = {
        side.site: {key: (records[0].digest, plot.payment(side, records).vectors.matrix[0])} for side in (plot.live, plot.shadow)
    }
    paying = Paying(setting=plot.setting, kept=kept, brought=brought, now=read_now(plot.setting, kept, [key]))
    for site in kept:
        paying.write(site, {key}, alone=set())
    assert all(paying.agrees(site, key, paying.again()) for site in kept)
    plot.write(1, "b")
    assert not any(paying.agrees(site, key, paying.again()) for site in kept)


def test_two_payers_of_one_key_leave_it_owed_and_not_different(plot: Plot, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first has read the old text; the second pays the new one and settles; then the first one's write arrives."""
    key = plot.write(1, "a")
    owe(plot, key)
    debts, records = plot.outbox.read(limit=5), plot.corpus.read([key])
    late = [plot.payment(one, records) for one in (plot.live, plot.shadow)]
    write, overtaken = Paying.write, []

    def slow(paying: Paying, site: str, keys: set[Key], *, alone: set[Key]) -> None:
        if not overtaken:
            overtaken.append(site)
            plot.write(1, "b")
            newer = plot.corpus.read([key])
            assert plot.outbox.pay(debts, [plot.payment(one, newer) for one in (plot.live, plot.shadow)]) == 1
        write(paying, site, keys, alone=alone)

    monkeypatch.setattr(Paying, "write", slow)
    assert plot.outbox.pay(debts, late) == 0
    assert overtaken
    assert not plot.alike(), "the first one's write came last: this is what has to be noticed"
    assert plot.outbox.owed() == 1
    assert plot.pay() == 1
    assert plot.alike()
    assert plot.outbox.owed() == 0


def test_a_payment_that_breaks_off_leaves_its_keys_owed(plot: Plot, monkeypatch: pytest.MonkeyPatch) -> None:
    key = plot.write(1, "a")
    owe(plot, key)

    def broken(_: Paying) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Paying, "again", broken)
        with pytest.raises(KeyboardInterrupt):
            plot.pay()
    assert [debt.key for debt in plot.outbox.read(limit=5)] == [key]
    assert plot.pay() == 1
    assert plot.outbox.owed() == 0


def test_empty_hands_settle_nothing(plot: Plot) -> None:
    owe(plot, plot.write(1, "a"))
    assert plot.outbox.pay(plot.outbox.read(limit=5), []) == 0
    assert plot.outbox.owed() == 1


def test_what_is_left_is_owed_to_the_side_that_lacks_it_alone(plot: Plot) -> None:
    owe(plot, plot.write(1, "a"))
    assert plot.pay(plot.live) == 0
    (debt,) = plot.outbox.read(limit=5)
    assert debt.only == plot.shadow.site
    assert plot.pay(plot.shadow) == 1


def test_metadata_alone_is_carried_over_without_a_new_vector(plot: Plot) -> None:
    owe(plot, plot.write(1, "a"))
    plot.pay()
    before = held(plot, 1)
    plot.application.patch(plot.live.site, uid(1), {"team": "blue"})
    owe(plot, (uid(1),))
    assert plot.pay() == 1
    assert plot.alike()
    assert before is not None
    assert np.array_equal(held(plot, 1), before)


def test_the_newest_state_is_taken_from_where_it_was_written_first(plot: Plot) -> None:
    """A write that reached the side that is the shadow now, and not the live one: the alias moved in between."""
    key = plot.write(1, "a")
    owe(plot, key)
    plot.pay()
    plot.swapped = True
    plot.write(1, "b")
    owe(plot, key, first=plot.live.site)
    assert [record.text for record in plot.corpus.read([key])] == ["b"]
    assert plot.pay() == 1
    assert plot.alike()
    found = held(plot, 1)
    assert found is not None
    assert np.array_equal(found, encoded(NEW, ["b"], WIDTH + 1).matrix[0])
    assert [record.text for record in plot.corpus.read([key])] == ["b"]


def bodies(plot: Plot) -> list[str]:
    return [str(one["properties"]["body"]) for side in (plot.live, plot.shadow) for one in plot.application.all(side.site)]


def moved_with_a_latecomer(plot: Plot) -> None:
    """The alias has moved, and the old side got "b" just then, which is owed."""
    key = plot.write(1, "a")
    owe(plot, key)
    plot.pay()
    plot.swapped = True
    moment = plot.setting.clock()
    plot.write(1, "b")
    owe(plot, key, first=dated(plot.live.site, moment))


def unanswered(*_given: object, **_named: object) -> set[Key]:
    raise StoreFailed("it was not answered", code="in doubt")


def test_what_is_written_to_the_live_side_after_a_payment_that_failed_is_the_newest(
    plot: Plot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody knows whether the older state was written there; what comes after the attempt is somebody else's all the same."""
    moved_with_a_latecomer(plot)

    with monkeypatch.context() as patched:
        patched.setattr("transvase.adapters.weaviate.ports.paying.put_whole", unanswered)
        with pytest.raises(StoreFailed):
            plot.pay()
    plot.mend(1, "c")
    while plot.outbox.owed():
        plot.pay()
    assert bodies(plot) == ["c", "c"]


def test_what_a_stranger_writes_after_the_last_look_of_a_payment_that_failed_is_the_newest(
    plot: Plot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between that look and the ledger's note nobody looks any more: the note's moment is one before it."""
    monkeypatch.setattr("weaviate_objects.now_ms", lambda connection: Control(connection).now_ms())
    moved_with_a_latecomer(plot)
    looked = Paying.again

    def overwritten(paying: Paying) -> Held:
        seen = looked(paying)
        plot.mend(1, "c")
        return seen

    with monkeypatch.context() as patched:
        patched.setattr("transvase.adapters.weaviate.ports.paying.put_whole", unanswered)
        patched.setattr(Paying, "again", overwritten)
        with pytest.raises(StoreFailed):
            plot.pay()
    while plot.outbox.owed():
        plot.pay()
    assert bodies(plot) == ["c", "c"]


def test_what_a_payment_wrote_late_is_not_taken_for_newer_than_what_overtook_it(
    plot: Plot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its copy of an older state has a later time than the newer state that it is to be overwritten with."""
    monkeypatch.setattr("weaviate_objects.now_ms", lambda connection: Control(connection).now_ms())
    moved_with_a_latecomer(plot)
    written = Paying.write

    def overtaken(paying: Paying, site: str, keys: set[Key], *, alone: set[Key]) -> None:
        if site == plot.live.site:
            return
        plot.write(1, "c")
        written(paying, site, keys, alone=alone)

    with monkeypatch.context() as patched:
        patched.setattr(Paying, "write", overtaken)
        assert plot.pay() == 0
    while plot.outbox.owed():
        plot.pay()
    assert bodies(plot) == ["c", "c"]


def test_a_deletion_that_reached_the_first_side_alone_is_carried_over(plot: Plot) -> None:
    key = plot.write(1, "a")
    owe(plot, key)
    plot.pay()
    plot.swapped = True
    plot.application.delete(plot.live.site, uid(1))
    owe(plot, key, first=plot.live.site)
    assert plot.pay() == 1
    assert plot.application.all(plot.shadow.site) == []


def test_foreign_narrow_and_unknown_payments_are_refused_before_anything_is_written(plot: Plot) -> None:
    key = plot.write(1, "a")
    owe(plot, key)
    debts, records = plot.outbox.read(limit=5), tuple(plot.corpus.read([key]))
    good = plot.payment(plot.shadow, records)
    foreign = Payment(plot.shadow.name, records, encoded(OLD, ["a"], WIDTH + 1))
    narrow = Payment(plot.shadow.name, records, encoded(NEW, ["a"], WIDTH))
    unknown = Payment("Never_was", records, good.vectors)
    for bad, error in ((foreign, SpaceMismatch), (narrow, BadValue), (unknown, Superseded)):
        with pytest.raises(error):
            plot.outbox.pay(debts, [good, bad])
    assert plot.application.all(plot.shadow.site) == []
    assert plot.outbox.owed() == 1


def test_a_text_that_never_was_writes_nothing(plot: Plot) -> None:
    key = plot.write(1, "a")
    owe(plot, key)
    invented = (Record(key, "never written"),)
    plot.outbox.pay(plot.outbox.read(limit=5), [plot.payment(plot.shadow, invented)])
    assert plot.application.all(plot.shadow.site) == []


def test_debts_that_nobody_ever_had_do_no_harm(plot: Plot) -> None:
    owe(plot, plot.write(1, "a"))
    assert plot.outbox.pay([Debt((uid(77),), (123_456,))], []) == 0
    assert plot.outbox.owed() == 1


def test_a_write_in_flight_is_not_handed_out_and_not_settled(plot: Plot) -> None:
    key = plot.write(1, "a")
    owe(plot, key)
    entries = plot.ledger.intend(ALIAS, [key], first=plot.live.site)
    assert plot.outbox.read(limit=5) == []
    assert plot.outbox.owed() == 1
    plot.ledger.leave(ALIAS, entries)
    assert plot.pay() >= 1
    assert plot.outbox.owed() == 0


def test_a_property_that_appeared_meanwhile_is_added_to_the_shadow(plot: Plot) -> None:
    key = plot.write(1, "a")
    number = {"name": "pages", "dataType": ["int"], "indexRangeFilters": True}
    plot.application.web.post(f"/v1/schema/{plot.live.site}/properties", json=number).raise_for_status()
    plot.application.patch(plot.live.site, uid(1), {"pages": 12})
    owe(plot, key)
    assert plot.pay() == 1
    assert plot.alike()
    schema = plot.application.web.get(f"/v1/schema/{plot.shadow.site}").json()
    assert [one["indexRangeFilters"] for one in schema["properties"] if one["name"] == "pages"] == [True]


def test_a_worker_is_heard_of_only_after_it_spoke(plot: Plot) -> None:
    assert plot.outbox.quiet_s() is None
    plot.outbox.beat()
    quiet = plot.outbox.quiet_s()
    assert quiet is not None
    assert 0 <= quiet < 30


def test_many_keys_are_paid_at_once(plot: Plot) -> None:
    keys = [plot.write(number, f"text {number}") for number in range(60)]
    owe(plot, *keys)
    assert plot.pay() == 60
    assert plot.alike()
