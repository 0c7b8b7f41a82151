"""The ledger, in a file and in Postgres: what is durable, what is owed, who may pay it, and what survives whose death."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Thread
from uuid import UUID

import psycopg
import pytest
from ledger_child import ALIAS, LIVE, SHADOW, Sites, key, mirror
from transvase.adapters.ledger import Book, Epoch, Mark, at_home, beside, connect
from transvase.core.errors import BadValue, Busy, LockNotGained
from transvase.core.figures import Debt, Place

STEPS = 50
"""Three writes have more steps than that, in both: at each of them a writer is killed."""


@pytest.fixture
def quick_path(tmp_path: Path) -> Iterator[Path]:
    """A directory in memory where there is one: a thousand flushes of a slow disk would show nothing more."""
    memory = Path("/dev/shm")
    place = Path(tempfile.mkdtemp(prefix="transvase-ledger-", dir=memory)) if os.access(memory, os.W_OK) else tmp_path
    yield place
    shutil.rmtree(place, ignore_errors=True)


@pytest.fixture(params=["sqlite", "postgres"])
def where(request: pytest.FixtureRequest) -> str:
    """A place for a ledger that is not there yet."""
    return request.getfixturevalue("database" if request.param == "postgres" else "file")


@pytest.fixture
def file(quick_path: Path) -> str:
    return str(quick_path / "ledger.sqlite")


def due(ledger: Book) -> dict[UUID, str | None]:
    """What may be paid now, and to whom."""
    return {debt.key[-1]: debt.only for debt in ledger.debts(ALIAS, limit=100, grace_s=0)}


def rows(ledger: Book) -> int:
    with ledger.at().read("counting") as run:
        return run("SELECT COUNT(*) FROM owed")[0][0]


def unsettled(ledger: Book) -> list[tuple[object, ...]]:
    """All that is not settled, as it stands there."""
    with ledger.at().read("looking") as run:
        return run("SELECT entry, uuid, only_site, first_site, writer, settled FROM owed WHERE settled = 0 ORDER BY entry")


def test_an_intent_is_owed_and_nobody_may_pay_it_before_its_writer_is_done(ledger, another):
    entries = ledger.intend(ALIAS, [key(1), key(2)], first=LIVE)
    other = another()
    assert (other.owed(ALIAS), other.flying(ALIAS), other.debts(ALIAS, limit=9, grace_s=0)) == (2, 2, [])
    assert ledger.settle(ALIAS, entries[:1]) == 1
    ledger.leave(ALIAS, entries[1:], only=SHADOW)
    assert other.debts(ALIAS, limit=9) == [Debt(key(2), (entries[1],), SHADOW)]
    assert (other.owed(ALIAS), other.flying(ALIAS)) == (1, 0)


def test_entries_stand_in_the_order_of_their_keys_and_a_repeated_key_has_one(ledger):
    entries = ledger.intend(ALIAS, [key(3), key(1), key(3), ("berlin", UUID(int=3))], first=LIVE)
    assert entries[0] == entries[2]
    assert len(set(entries)) == 3
    ledger.leave(ALIAS, entries)
    assert {debt.key: debt.entries for debt in ledger.debts(ALIAS, limit=9)} == {
        key(3): (entries[0],), key(1): (entries[1],), ("berlin", UUID(int=3)): (entries[3],)
    }  # fmt: skip


@pytest.mark.parametrize("wrong", [(1,), ("a",), (), ("", UUID(int=1)), (UUID(int=1), "a"), ("a", UUID(int=1), 3)])
def test_a_key_of_another_form_is_refused_and_nothing_is_noted(ledger, wrong):
    with pytest.raises(BadValue, match="UUID"):
        ledger.intend(ALIAS, [key(1), wrong], first=LIVE)
    assert ledger.owed(ALIAS) == 0


def test_of_two_writers_of_one_key_neither_settles_it(ledger, another):
    other = another()
    one, two = ledger.intend(ALIAS, [key(1), key(2)], first=LIVE), other.intend(ALIAS, [key(1)], first=LIVE)
    assert other.overlapped(ALIAS, two) == {key(1)}
    other.leave(ALIAS, two)
    assert due(ledger) == {}, "the other one is still at it"
    assert ledger.overlapped(ALIAS, one) == {key(1)}
    ledger.leave(ALIAS, one[:1])
    assert ledger.debts(ALIAS, limit=9) == [Debt(key(1), (one[0], two[0]))]


def test_who_began_after_the_other_was_settled_overlaps_with_nobody(ledger, another):
    other = another()
    ledger.settle(ALIAS, ledger.intend(ALIAS, [key(1)], first=LIVE))
    two = other.intend(ALIAS, [key(1)], first=LIVE)
    assert other.overlapped(ALIAS, two) == set()


def test_an_entry_that_came_and_went_while_mine_was_in_flight_overlaps(ledger, another):
    other = another()
    mine = ledger.intend(ALIAS, [key(1)], first=LIVE)
    other.settle(ALIAS, other.intend(ALIAS, [key(1)], first=LIVE))
    assert ledger.overlapped(ALIAS, mine) == {key(1)}


def test_entries_of_another_alias_are_another_matter(ledger):
    entries = ledger.intend(ALIAS, [key(1)], first=LIVE)
    other = ledger.intend("Papers", [key(1)], first=LIVE)
    assert ledger.overlapped(ALIAS, entries) == set()
    assert ledger.settle("Papers", entries) == 0
    assert (ledger.owed(ALIAS), ledger.settle("Papers", other)) == (1, 1)


def test_what_is_owed_twice_is_counted_once_and_does_not_grow(ledger):
    assert ledger.owe(ALIAS, [key(1), key(2)], only=SHADOW) == 2
    before = rows(ledger)
    assert ledger.owe(ALIAS, [key(1), key(2), key(3)], only=SHADOW) == 1
    assert rows(ledger) == before + 1
    assert ledger.owe(ALIAS, [key(1)]) == 1, "owed to one site is not owed to all"
    assert ledger.owe(ALIAS, [key(1)], only=SHADOW) == 0, "owed to all is owed to one"
    assert due(ledger) == {key(1)[0]: None, key(2)[0]: SHADOW, key(3)[0]: SHADOW}


def test_what_is_owed_again_while_it_is_paid_stays_owed(ledger):
    ledger.owe(ALIAS, [key(1)], only=SHADOW)
    (debt,) = ledger.debts(ALIAS, limit=9)
    assert ledger.owe(ALIAS, [key(1)], only=SHADOW) == 0
    assert ledger.settle(ALIAS, debt.entries) == 0
    assert due(ledger) == {key(1)[0]: SHADOW}


def test_debts_come_oldest_first_and_no_more_than_asked_for(ledger):
    for number in (5, 3, 9):
        ledger.owe(ALIAS, [key(number)])
    assert [debt.key for debt in ledger.debts(ALIAS, limit=2)] == [key(5), key(3)]


def test_the_newest_entry_says_where_a_key_was_written_first(ledger):
    ledger.leave(ALIAS, ledger.intend(ALIAS, [key(1), key(2)], first=LIVE))
    ledger.intend(ALIAS, [key(1)], first=SHADOW)
    ledger.owe(ALIAS, [key(2), key(3)])
    assert ledger.firsts(ALIAS, [key(1), key(2), key(3)]) == {key(1): SHADOW, key(2): LIVE}


def test_a_writer_that_was_taken_for_dead_owes_again_what_others_settled(ledger, another):
    mine = ledger.intend(ALIAS, [key(1), key(2)], first=LIVE)
    assert another().settle(ALIAS, mine) == 2
    assert ledger.settle(ALIAS, mine) == 0
    assert due(ledger) == {key(1)[0]: None, key(2)[0]: None}


def test_what_a_killed_writer_had_in_flight_is_paid_after_a_moment(ledger, children, where):
    dead = children.say("intend", where=where, keys=[1])
    assert dead["signal"] == signal.SIGKILL
    assert ledger.debts(ALIAS, limit=9, grace_s=60) == []
    assert ledger.debts(ALIAS, limit=9, grace_s=0) == [Debt(key(1), tuple(dead["entries"]))]


def test_what_a_closed_ledger_had_in_flight_is_everybodys(ledger, another):
    other = another()
    other.intend(ALIAS, [key(1)], first=LIVE)
    other.close()
    at_last(lambda: due(ledger) == {key(1)[0]: None})


def at_last(seen: Callable[[], bool]) -> None:
    """A server needs a moment to see that a session has ended."""
    give_up = time.monotonic() + 30
    while not seen():
        assert time.monotonic() < give_up
        time.sleep(0.01)


def test_parent_and_child_of_a_fork_do_not_disturb_each_other(ledger, children, where):
    said = children.say("fork", where=where)
    assert {name: said.get(name) for name in ("child", "flying", "settled", "owed")} == {
        "child": 0, "flying": 1, "settled": 1, "owed": 0
    }, said  # fmt: skip


def test_a_child_of_a_dead_parent_keeps_the_ledger_open_for_itself(children, where, quick_path):
    """Who closes a file last folds its log in and removes it: a child that only seemed to hold it would write into nothing."""
    assert children.say("heir", where=where, signs=str(quick_path))["signal"] == signal.SIGKILL
    appears(quick_path / "ready")
    connect(where).close()
    (quick_path / "go").touch()
    appears(quick_path / "done")
    ledger = connect(where)
    assert set(due(ledger)) == {key(1)[0], key(2)[0]}
    ledger.close()


def appears(path: Path) -> None:
    give_up = time.monotonic() + 30
    while not path.exists():
        assert time.monotonic() < give_up, path
        time.sleep(0.01)


def test_a_watch_sees_what_was_open_when_it_began_and_all_that_came(ledger):
    ledger.settle(ALIAS, ledger.intend(ALIAS, [key(1)], first=LIVE))
    open_before = ledger.intend(ALIAS, [key(2)], first=LIVE)
    watched = ledger.watch(ALIAS)
    assert ledger.since(ALIAS, watched) == {key(2)}
    ledger.settle(ALIAS, [*open_before, *ledger.intend(ALIAS, [key(3)], first=LIVE)])
    assert ledger.since(ALIAS, watched) == {key(2), key(3)}
    assert ledger.since(ALIAS, watched, among=[key(1), key(3), key(4)]) == {key(3)}
    assert ledger.since(ALIAS, ledger.watch(ALIAS)) == set()


def test_a_watch_can_be_asked_for_what_is_owed_to_one_site(ledger):
    ledger.owe(ALIAS, [key(1)], only=LIVE)
    ledger.owe(ALIAS, [key(2)], only=SHADOW)
    ledger.owe(ALIAS, [key(3)])
    watched = ledger.watch(ALIAS)
    assert ledger.since(ALIAS, watched, site=LIVE) == {key(1), key(3)}
    assert ledger.since(ALIAS, watched, among=[key(1), key(2)], site=SHADOW) == {key(2)}
    assert ledger.since(ALIAS, watched) == {key(1), key(2), key(3)}


def test_settled_entries_are_kept_while_somebody_watches_and_not_longer(ledger, children, where):
    children.say("watch", where=where)  # killed at once: it keeps nothing
    watched, flying = ledger.watch(ALIAS), ledger.intend(ALIAS, [key(99)], first=LIVE)
    for number in range(300):
        ledger.settle(ALIAS, ledger.intend(ALIAS, [key(number % 7)], first=LIVE))
    assert rows(ledger) == 301
    ledger.unwatch(ALIAS, watched)
    assert rows(ledger) == 301, "an older intent in flight must still see that it was overlapped"
    ledger.settle(ALIAS, flying)
    ledger.unwatch(ALIAS, watched)
    assert rows(ledger) == 0


def test_settled_entries_go_by_themselves_where_nobody_watches(ledger):
    for _ in range(3):
        ledger.settle(ALIAS, ledger.intend(ALIAS, [key(number) for number in range(200)], first=LIVE))
    assert rows(ledger) <= 256


def test_a_capture_waits_for_the_writers_that_began_before_it(ledger, another):
    other = another()
    before = other.intend(ALIAS, [key(1)], first=LIVE, by="the shop")
    with pytest.raises(LockNotGained, match="the shop"):
        ledger.begin_capture(ALIAS, live=LIVE, shadow=SHADOW, patience_s=0.1)
    assert other.capture(ALIAS) == Epoch(1, LIVE, SHADOW, on=True), "whoever begins now mirrors already"
    later = other.intend(ALIAS, [key(2)], first=LIVE)
    done = Thread(target=lambda: (time.sleep(0.2), other.settle(ALIAS, before)))
    done.start()
    assert ledger.begin_capture(ALIAS, live=LIVE, shadow=SHADOW).number == 1
    done.join()
    assert ledger.flying(ALIAS) == len(later), "who began afterwards is not waited for"


def test_a_capture_does_not_wait_for_the_dead(ledger, children, where):
    children.say("intend", where=where, keys=[1])
    assert ledger.begin_capture(ALIAS, live=LIVE, shadow=SHADOW, patience_s=0.1).on
    assert due(ledger) == {key(1)[0]: None}


def test_every_change_of_the_capture_is_an_epoch_and_the_same_again_is_none(ledger, another):
    assert ledger.capture(ALIAS) == Epoch()
    for _ in range(2):
        assert ledger.begin_capture(ALIAS, live=LIVE, shadow=SHADOW) == Epoch(1, LIVE, SHADOW, on=True)
    assert ledger.begin_capture(ALIAS, live=SHADOW, shadow=LIVE).number == 2
    ledger.end_capture(ALIAS)
    ledger.end_capture(ALIAS)
    assert another().capture(ALIAS) == Epoch(3, SHADOW, LIVE, on=False)


def test_the_alias_has_one_operator_and_a_killed_one_lets_go(ledger, children, where):
    held = children.say("hold", where=where, orphan_s=20)
    with pytest.raises(Busy, match=f"pid {held['pid']}"), ledger.hold(ALIAS):
        pass
    with ledger.hold("Papers"):
        os.kill(held["pid"], signal.SIGKILL)
    with ledger.hold(ALIAS):  # although a child that the holder had forked lives on
        assert_busy(ledger)


def assert_busy(ledger: Book) -> None:
    """A thread of the same process is another operator too."""
    outcome: list[str] = []

    def try_it() -> None:
        try:
            with ledger.hold(ALIAS):
                outcome.append("held")
        except Busy:
            outcome.append("busy")

    thread = Thread(target=try_it)
    thread.start()
    thread.join()
    assert outcome == ["busy"]


def test_a_doubt_that_is_somebodys_own_is_told_so_for_as_long_as_he_lives(ledger, another):
    dying, other = another(), another()
    mine, theirs, nobodys = (
        dying.doubt(ALIAS, "mine", facts={"of": "a"}, own=True),
        ledger.doubt(ALIAS, "theirs", own=True),
        ledger.doubt(ALIAS, "nobody's"),
    )
    assert [(doubt.number, doubt.owned) for doubt in other.doubts(ALIAS)] == [(mine, True), (theirs, True), (nobodys, False)]
    assert [doubt.facts for doubt in other.doubts(ALIAS)] == [{"of": "a"}, {}, {}]
    dying.close()
    assert [(doubt.number, doubt.owned) for doubt in other.doubts(ALIAS)] == [(mine, False), (theirs, True), (nobodys, False)]
    assert (other.clear(ALIAS, mine), ledger.clear(ALIAS, mine), ledger.clear("other", theirs)) == (True, False, False)


def test_places_marks_doubts_and_beats_are_kept(ledger, another):
    other = another()
    assert (other.place(SHADOW), other.marked(ALIAS, SHADOW), other.quiet_s(ALIAS)) == (Place(), Mark(), None)
    place = Place(("berlin", UUID(int=7)), finished=True, done=12)
    ledger.advance(SHADOW, Place(key(3), done=3))
    ledger.advance(SHADOW, place)
    ledger.mark(ALIAS, SHADOW, Mark(swept_to=1_700_000_000_123, walked=1_700_000_000_456))
    ledger.owe(ALIAS, [key(1)], only=SHADOW)
    ledger.owe(ALIAS, [key(2)])
    ledger.beat(ALIAS)
    assert (other.place(SHADOW), other.marked(ALIAS, SHADOW)) == (
        place,
        Mark(swept_to=1_700_000_000_123, walked=1_700_000_000_456),
    )
    assert 0 <= (other.quiet_s(ALIAS) or 0) < 30
    assert other.quiet_s(ALIAS, who="mirror") is None
    facts = {"to": "Docs_2 is “new”", "moved": 1_700_000_000_123}
    first, second = ledger.doubt(ALIAS, "a PUT without an answer", facts=facts), ledger.doubt(ALIAS, "another")
    assert [(doubt.why, doubt.facts) for doubt in other.doubts(ALIAS)] == [("a PUT without an answer", facts), ("another", {})]
    ledger.clear(ALIAS, first)
    assert [(doubt.number, doubt.why) for doubt in other.doubts(ALIAS)] == [(second, "another")]
    ledger.forget(ALIAS, SHADOW)
    assert (other.place(SHADOW), other.marked(ALIAS, SHADOW), due(other)) == (Place(), Mark(), {key(2)[0]: None})


def test_what_a_payment_left_is_known_until_it_is_written_again_or_long_ago(ledger, another):
    other, keys = another(), [key(1), ("berlin", key(2)[0]), key(3)]
    ledger.paid(ALIAS, SHADOW, dict(zip(keys, (100, 200, 300), strict=True)))
    ledger.paid(ALIAS, SHADOW, {key(3): 310})
    ledger.paid(ALIAS, SHADOW, {})
    now = dict(zip([*keys, key(2)], (100, 200, 300, 200), strict=True))
    assert other.as_paid(ALIAS, SHADOW, now) == {keys[0], keys[1]}
    assert other.as_paid(ALIAS, SHADOW, {key(1): 101, key(3): 310}) == {key(3)}
    assert other.as_paid("other", SHADOW, now) == other.as_paid(ALIAS, LIVE, now) == other.as_paid(ALIAS, SHADOW, {}) == set()
    ledger.paid_long_ago(ALIAS, before=200)
    assert other.as_paid(ALIAS, SHADOW, now) == {keys[1]}
    ledger.forget(ALIAS, SHADOW)
    assert other.as_paid(ALIAS, SHADOW, now) == set()


def test_a_ledger_has_an_identity_of_its_own(ledger, another, tmp_path):
    assert another().identity == ledger.identity
    fresh = connect(tmp_path / "fresh.sqlite")
    assert UUID(fresh.identity) != UUID(ledger.identity)
    fresh.close()


def test_a_password_is_never_shown(database):
    ledger = connect(database + ("&" if "?" in database else "?") + "password=secret")
    assert "secret" not in ledger.where
    ledger.close()
    with pytest.raises(BadValue) as caught:
        connect("postgresql://u:secret@h:nonsense/x?y")
    assert "secret" not in str(caught.value)


def test_the_default_place_is_in_the_directory_for_state(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert beside("db.example", 8080) == tmp_path / "transvase" / "db.example_8080.sqlite"
    assert beside("::1/../x", 1).parent == tmp_path / "transvase"
    at_home("db.example", 8080).close()
    assert beside("db.example", 8080).exists(), "the directory is made"


def test_a_lost_session_gets_a_new_sign_of_life(database):
    one, other = connect(database), connect(database)
    lost = one.intend(ALIAS, [key(1)], first=LIVE)
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute("SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND granted")
    kept = one.intend(ALIAS, [key(2)], first=LIVE)
    assert due(other) == {key(1)[0]: None}
    assert one.settle(ALIAS, [*lost, *kept]) == 2
    one.close()
    other.close()


def test_a_writer_killed_at_any_step_leaves_no_difference_that_is_not_owed(where, children, ledger, quick_path):
    ledger.begin_capture(ALIAS, live=LIVE, shadow=SHADOW)
    keys = [key(number) for number in range(1, 5)]
    die_at, killed = 1, 0
    while True:
        sites = Sites(quick_path / str(die_at))
        end = children.say("write", where=where, sites=str(sites.root), die_at=die_at)
        assert "failed" not in end, end
        differing, until = sites.differing(keys), time.monotonic() + 30
        while not differing <= {debt.key for debt in ledger.debts(ALIAS, limit=100, grace_s=0)}:
            assert time.monotonic() < until, die_at  # a server needs a moment to see that a killed writer's session is gone
            time.sleep(0.01)
        while ledger.owed(ALIAS):
            if not sites.pay(ledger):
                assert time.monotonic() < until, die_at
                time.sleep(0.01)
        assert sites.differing(keys) == set()
        if end["signal"] != signal.SIGKILL:
            break
        killed += 1
        die_at += 1
    assert killed >= STEPS


def test_eight_writers_beside_a_payer_leave_both_sides_equal(ledger, another, quick_path):
    ledger.begin_capture(ALIAS, live=LIVE, shadow=SHADOW)
    sites, keys, ended = Sites(quick_path / "sites"), [key(number) for number in range(6)], Event()
    trouble, crossed = [], []

    def write(number: int) -> None:
        mine = ledger if number % 2 else other
        try:
            for turn in range(12):
                some = [keys[(number + turn) % 6], keys[(number * turn) % 6]]
                crossed.extend(mirror(mine, sites, some, f"{number}-{turn}"))
        except BaseException as error:
            trouble.append(error)

    def pay() -> None:
        try:
            while not trouble and (not ended.is_set() or payer.owed(ALIAS)):
                if not sites.pay(payer):
                    time.sleep(0.005)
                assert time.monotonic() < until, f"still owed: {unsettled(payer)}"
        except BaseException as error:
            trouble.append(error)

    other, payer, until = another(), another(), time.monotonic() + 60
    writers = [Thread(target=write, args=(number,), daemon=True) for number in range(8)]
    paying = Thread(target=pay)
    for thread in (*writers, paying):
        thread.start()
    for thread in writers:
        thread.join(until - time.monotonic())
    ended.set()
    paying.join()
    assert trouble == []
    assert not any(thread.is_alive() for thread in writers)
    assert crossed, "nobody met anybody: this has shown nothing"
    assert sites.differing(keys) == set()
    assert (ledger.owed(ALIAS), all(sites.get(LIVE, of) for of in keys)) == (0, True)


def test_what_living_writers_are_just_writing_can_be_left_out_and_nothing_else(ledger, another):
    other = another()
    ledger.intend(ALIAS, [key(1), key(2)], first=LIVE)
    assert (ledger.owed(ALIAS), ledger.owed(ALIAS, underway=False)) == (2, 0)
    assert other.owed(ALIAS, underway=False) == 0, "also for another process"
    other.owe(ALIAS, [key(2)])
    assert ledger.owed(ALIAS, underway=False) == 1, "an open entry of the same key counts"
    (payment,) = other.intend(ALIAS, [key(3)], first="")
    assert ledger.owed(ALIAS, underway=False) == 2, "a payment may write what is old"
    other.settle(ALIAS, [payment])
    ledger.close()
    at_last(lambda: other.owed(ALIAS, underway=False) == 2)  # who has ended writes no more
