"""The end of a side on a real server: who is writing is waited for, what could not end is as it was, no name is deleted twice."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from transvase.adapters.ledger import connect
from transvase.adapters.weaviate.mirror import Mirror
from transvase.adapters.weaviate.switching import leaving, lifecycle, retiring
from transvase.core.connect import connect as connect_any
from transvase.core.errors import LockNotGained, NotReady, StoreFailed
from transvase.core.migration import Phase
from transvase.core.retriever import Retriever
from transvase.core.space import Role
from transvase.migrations.abort import abort
from transvase.migrations.sync import Worker
from weaviate_objects import uid
from weaviate_server import Node
from weaviate_walk import ENCODERS, Walk, encoder, text_of, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long]

ROWS = 20
QUIET = 0.0
"""These tests look at what is written; who reads is looked at elsewhere."""


@pytest.fixture
def walk(server: Node, tmp_path: Path) -> Iterator[Walk]:
    with walked(server, tmp_path, rows=ROWS) as made:
        yield made


@pytest.fixture
def live(walk: Walk) -> tuple[Walk, str]:
    """Cut over; the target's name."""
    target = walk.ready()
    walk.cut_over()
    return walk, target


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaving, "WRITERS_S", 0.5)


def body_of(walk: Walk, name: str, number: int) -> str | None:
    found = walk.application.one(name, uid(number))
    return None if found is None else str(found["properties"]["body"])


def retired(walk: Walk, **options: Any) -> str:
    return str(walk.retired(quiet_s=QUIET, **options).figures["done"])


def state(walk: Walk) -> tuple[object, ...]:
    alias = walk.store.alias(walk.alias)
    epoch, migration = walk.store.ledger.capture(walk.alias), walk.store.journal.load(walk.alias)
    return alias.live.name, alias.shadow and alias.shadow.name, epoch.on, epoch.live, epoch.shadow, migration and migration.phase


def test_a_side_that_somebody_reads_after_the_cutover_does_not_end_unless_told(
    live: tuple[Walk, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    walk, _ = live
    monkeypatch.setattr("transvase.migrations.retire.FOLLOWED_S", 0.0)
    with closing(connect_any(walk.url)) as reader:
        reader.index(walk.alias, walk.table).search(ENCODERS["old"].encode([text_of(3)], Role.QUERY), 1)
    with pytest.raises(NotReady, match=r"was read \d+ s ago by \S+ \d+, and 60 s of quiet are asked for"):
        walk.retired(drop=True)
    assert walk.store.there(walk.table)
    assert "deleted" in retired(walk, drop=True)


@pytest.mark.parametrize("way", ["drop", "take_name"])
def test_the_last_copy_never_ends(live: tuple[Walk, str], way: str) -> None:
    """Somebody deletes the live collection: what was to be retired is all that is left."""
    walk, target = live
    walk.application.web.delete(f"/v1/schema/{target}")
    with pytest.raises(NotReady, match=f"{target} is not there any more, so {walk.table} may be the only copy"):
        retired(walk, **{way: True})
    assert len(walk.application.all(walk.table)) == ROWS


def test_a_live_side_that_somebody_deleted_is_left_by_the_alias_moved_by_hand_and_a_rollback(live: tuple[Walk, str]) -> None:
    walk, target = live
    walk.application.web.delete(f"/v1/schema/{target}")
    with pytest.raises(NotReady, match=f"{target} is not there any more"):
        walk.rolled_back()
    moved = walk.application.web.put(f"/v1/aliases/{walk.server_alias}", json={"class": walk.table})
    assert moved.is_success
    assert walk.rolled_back().migration.phase is Phase.FILLED
    with Retriever.connect(walk.url, walk.alias, encoders=ENCODERS) as retriever:
        assert retriever.search(text_of(3), 1)[0].key == (uid(3),)
    assert abort(walk.store, walk.alias).migration.phase is Phase.ABORTED
    assert walk.opened("third").migration.phase is Phase.SHADOWING


def test_a_refused_end_leaves_the_way_back_as_it_was(live: tuple[Walk, str]) -> None:
    walk, _ = live
    was, other = state(walk), connect(walk.store.ledger.where)
    stuck = other.intend(walk.alias, [(uid(1),)], first=walk.table, by="the shop")
    with pytest.raises(LockNotGained, match="the shop"):
        retired(walk, drop=True)
    assert state(walk) == was
    other.settle(walk.alias, stuck)
    other.close()
    assert walk.rolled_back().migration.phase == Phase.FILLED


def test_an_end_that_fails_halfway_is_undone_and_owes_what_was_written_meanwhile(
    live: tuple[Walk, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    walk, target = live
    was, other = state(walk), connect(walk.store.ledger.where)
    stuck: list[int] = []
    plain = leaving._left

    def left(*given: Any) -> None:
        stuck.extend(other.intend(walk.alias, [(uid(1),)], first=target, by="the shop"))
        try:
            plain(*given)
        finally:
            with Mirror(walk.store, walk.alias, encoders=ENCODERS) as mirror:
                mirror.update(uid(2), {"body": "written while there was one side"})

    with monkeypatch.context() as patch:
        patch.setattr(leaving, "_left", left)
        with pytest.raises(LockNotGained, match="the shop"):
            retired(walk, drop=True)
    assert state(walk) == was
    assert body_of(walk, walk.table, 2) == text_of(2)
    assert walk.store.outbox(walk.alias).owed() == 2
    other.settle(walk.alias, stuck)
    other.close()
    assert Worker(walk.store, walk.alias, encoder).pay_up(deadline_s=30) == 0
    assert body_of(walk, walk.table, 2) == "written while there was one side"
    assert walk.rolled_back().migration.phase == Phase.FILLED


def test_what_lies_on_the_old_side_alone_is_carried_over_before_it_ends(live: tuple[Walk, str]) -> None:
    walk, target = live
    walk.write(3, "written late", to=walk.table)
    walk.store.ledger.owe(walk.alias, [(uid(3),)], first=walk.table)
    with pytest.raises(NotReady, match=r"newest state of one key lies in .* `transvase sync`"):
        retired(walk, drop=True)
    assert walk.store.alias(walk.alias).shadow is not None
    assert Worker(walk.store, walk.alias, encoder).pay_up(deadline_s=30) == 0
    assert "deleted" in retired(walk, drop=True)
    assert body_of(walk, target, 3) == "written late"


def test_a_side_ends_under_writers_that_never_rest(live: tuple[Walk, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """At no moment is nobody writing."""
    walk, target = live
    monkeypatch.setattr(leaving, "WRITERS_S", 10.0)
    ended, trouble, written = Event(), list[BaseException](), [0] * 4
    with Mirror(walk.store, walk.alias, encoders=ENCODERS) as mirror:

        def write(number: int) -> None:
            try:
                while not ended.is_set():
                    written[number] += 1
                    mirror.update(uid(number), {"body": f"{number}, {written[number]}"})
            except BaseException as error:
                trouble.append(error)

        writers = [Thread(target=write, args=(number,)) for number in range(4)]
        for thread in writers:
            thread.start()
        try:
            assert "deleted" in retired(walk, drop=True)
        finally:
            ended.set()
            for thread in writers:
                thread.join()
    assert trouble == []
    assert [body_of(walk, target, number) for number in range(4)] == [f"{number}, {written[number]}" for number in range(4)]
    assert walk.application.web.get(f"/v1/schema/{walk.table}").status_code == 404


@pytest.mark.parametrize("tenants", [False, True])
def test_what_a_stranger_writes_by_the_old_name_in_the_gap_is_not_deleted_with_it(
    live: tuple[Walk, str], monkeypatch: pytest.MonkeyPatch, tenants: bool
) -> None:
    walk, target = live

    def remove(*given: Any) -> float:
        began = plain(*given)
        if tenants:
            walk.application.make({"class": walk.table, "multiTenancyConfig": {"enabled": True, "autoTenantCreation": True}})
            walk.write(99, "by the old name", to=walk.table, tenant="a")
        else:
            walk.write(99, "by the old name", to=walk.table)
        return began

    plain = retiring.remove
    with monkeypatch.context() as patch:
        patch.setattr(retiring, "remove", remove)
        with pytest.raises(StoreFailed, match=r"somebody has made another collection .*\(1 (object|tenant)\)"):
            retired(walk, take_name=True)
    with pytest.raises(NotReady, match=r"\(1 (object|tenant)\): write its objects through"):
        retired(walk, take_name=True)
    there = walk.application.web.get(f"/v1/objects/{walk.table}/{uid(99)}" + ("?tenant=a" if tenants else ""))
    assert there.json()["properties"]["body"] == "by the old name"
    walk.application.web.delete(f"/v1/schema/{walk.table}")
    assert f"gave its name to {target}" in retired(walk, take_name=True)
    assert walk.application.web.get(f"/v1/aliases/{walk.table}").json()["class"] == target
    assert walk.store.ledger.doubts(walk.alias) == []


@pytest.mark.parametrize("options", [{"drop": True}, {"take_name": True}])
def test_an_end_that_died_after_the_deletion_leaves_what_has_the_name_since(
    live: tuple[Walk, str], monkeypatch: pytest.MonkeyPatch, options: dict[str, bool]
) -> None:
    walk, _ = live
    with monkeypatch.context() as patch:
        plain = retiring.remove

        def die(*given: Any) -> float:
            plain(*given)
            raise ZeroDivisionError

        patch.setattr(retiring, "remove", die)
        with pytest.raises(ZeroDivisionError):
            retired(walk, **options)
    walk.write(99, "by the old name", to=walk.table)
    if "drop" in options:
        assert "left as it is (1 object)" in retired(walk, **options)
        assert (walk.store.control.index(walk.table), walk.store.ledger.doubts(walk.alias)) == (None, [])
    else:
        with pytest.raises(NotReady, match="1 object"):
            retired(walk, **options)
    assert body_of(walk, walk.table, 99) == "by the old name"


def test_an_end_that_died_after_the_deletion_is_recorded_to_its_end(
    live: tuple[Walk, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    walk, _ = live
    with monkeypatch.context() as patch:
        patch.setattr(retiring, "forget", _die)
        with pytest.raises(ZeroDivisionError):
            retired(walk, drop=True)
    assert "deleted" in retired(walk, drop=True)
    assert (walk.store.control.index(walk.table), walk.store.ledger.doubts(walk.alias)) == (None, [])


def test_an_end_that_died_before_the_deletion_deletes_the_very_same_collection(
    live: tuple[Walk, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    walk, target = live
    with monkeypatch.context() as patch:
        connection = walk.store.connection
        plain = connection.rest

        def die(method: str, path: str, **options: Any) -> Any:
            if method == "DELETE":
                raise ZeroDivisionError
            return plain(method, path, **options)

        patch.setattr(type(connection), "rest", lambda _, method, path, **options: die(method, path, **options))
        with pytest.raises(ZeroDivisionError):
            retired(walk, take_name=True)
    assert body_of(walk, walk.table, 1) == text_of(1)
    assert f"gave its name to {target}" in retired(walk, take_name=True)


def test_a_given_up_target_whose_name_somebody_took_is_forgotten_and_left(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    target = walk.ready()
    with monkeypatch.context() as patch:
        patch.setattr(lifecycle, "forget", _die)
        with pytest.raises(ZeroDivisionError):
            walk.store.discard(walk.alias, target)
    walk.write(99, "by the target's name", to=target)
    walk.store.discard(walk.alias, target)
    assert not walk.store.there(target)
    assert body_of(walk, target, 99) == "by the target's name"


def _die(*_: object, **__: object) -> None:
    raise ZeroDivisionError
