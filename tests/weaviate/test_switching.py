"""The switch on one node and the moves around it: what a crash between two steps leaves, what a stranger writes meanwhile."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from uuid import UUID

import pytest
from transvase.adapters.weaviate import connect
from transvase.adapters.weaviate.comparing.walking import OVERLAP_MS
from transvase.adapters.weaviate.mirror import Mirror
from transvase.adapters.weaviate.switching import pointing, tail
from transvase.adapters.weaviate.switching.aliases import load
from transvase.core.connect import connect as connect_any
from transvase.core.errors import BadValue, Moved, NotReady, StoreFailed, Superseded, Unfit, UnknownName
from transvase.core.fence import Fenced
from transvase.core.figures import Place
from transvase.core.migration import Phase
from transvase.core.ports import Source
from transvase.core.retriever import Retriever
from transvase.core.space import UNKNOWN, Role
from transvase.migrations.abort import abort
from transvase.migrations.adopt import adopt
from transvase.migrations.open import open_target
from transvase.migrations.reconcile import settle
from transvase.migrations.status import status
from transvase.migrations.sync import Worker
from weaviate_objects import collection, uid
from weaviate_server import Node
from weaviate_walk import ENCODERS, Walk, encoder, text_of, walked

pytestmark = pytest.mark.weaviate

ROWS = 30


@pytest.fixture
def walk(server: Node, tmp_path: Path) -> Iterator[Walk]:
    with walked(server, tmp_path, rows=ROWS) as made:
        yield made


@pytest.fixture
def shadowed(walk: Walk) -> tuple[Walk, str]:
    """Adopted, opened and filled; the target's name."""
    walk.adopted()
    walk.opened()
    walk.filled()
    shadow = walk.store.alias(walk.alias).shadow
    assert shadow is not None
    return walk, shadow.name


def pay(walk: Walk) -> None:
    assert Worker(walk.store, walk.alias, encoder).pay_up(deadline_s=30) == 0


def point(walk: Walk, index: str) -> None:
    walk.store.point(walk.alias, index, expect=walk.store.alias(walk.alias).generation, allow_owed=0)


@contextmanager
def once_moved(
    monkeypatch: pytest.MonkeyPatch, late: Callable[[], None], *, before: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Have somebody act right after the server's alias was moved (and ``before`` it), when we have looked at the old side."""
    moved = pointing._put

    def put(*args: object) -> None:
        before()
        moved(*args)  # type: ignore[arg-type]
        late()

    with monkeypatch.context() as patch:
        patch.setattr(pointing, "_put", put)
        yield


def body_of(walk: Walk, name: str, number: int) -> str | None:
    found = walk.application.one(name, uid(number))
    return None if found is None else str(found["properties"]["body"])


# ---------------------------------------------------------------- connecting


def test_a_url_leads_to_a_store_through_the_door_that_every_command_uses(walk: Walk) -> None:
    store = connect_any(walk.url)
    try:
        assert store.aliases() == []
    finally:
        store.close()


def test_a_store_that_only_serves_readers_makes_no_ledger(shadowed: tuple[Walk, str], server: Node, tmp_path: Path) -> None:
    walk, _ = shadowed
    elsewhere = tmp_path / "reader.sqlite"
    with Retriever.connect(f"{server.url}&journal={elsewhere}", walk.alias, encoders=ENCODERS) as retriever:
        assert retriever.search(text_of(7), 1)[0].key == (uid(7),)
    assert not elsewhere.exists()


def test_an_operator_and_a_writer_with_another_ledger_are_refused(
    shadowed: tuple[Walk, str], server: Node, tmp_path: Path
) -> None:
    walk, target = shadowed
    store = connect(f"{server.url}&journal={tmp_path / 'another.sqlite'}")
    source = Source(table=walk.table, key=(), text="body", vector="")
    try:
        for move in (
            lambda: store.outbox(walk.alias),
            lambda: store.discard(walk.alias, target),
            lambda: status(store, walk.alias),
            lambda: adopt(store, walk.alias, source=source, encoder="old", encoders=encoder),
            lambda: Mirror(store, walk.alias, encoders=ENCODERS),
        ):
            with pytest.raises(Unfit, match="kept in another ledger"):
                move()
    finally:
        store.close()
    assert walk.store.there(target)


# ---------------------------------------------------------------- adopting


def test_adopting_again_changes_nothing_and_an_alias_is_one_whatever_its_capital(walk: Walk) -> None:
    walk.adopted()
    before = walk.store.alias(walk.alias)
    assert walk.adopted().already
    assert walk.store.alias(walk.alias) == before
    other = walk.server_alias
    with pytest.raises(UnknownName, match=walk.alias):
        walk.store.alias(other)
    source = Source(table=walk.table, key=(), text="body", vector="")
    with pytest.raises((BadValue, Unfit)):
        adopt(walk.store, other, source=source, encoder="old", encoders=encoder)
    assert walk.store.aliases() == [walk.alias]


def test_an_old_side_of_an_unknown_space_is_written_no_more_after_the_cutover_and_nothing_is_owed_to_it(
    walk: Walk, caplog: pytest.LogCaptureFixture
) -> None:
    source = Source(table=walk.table, key=(), text="body", vector="")
    adopt(walk.store, walk.alias, source=source, encoder=UNKNOWN, encoders=encoder)
    walk.opened()
    walk.filled()
    walk.proven()
    walk.cut_over()
    with Mirror(walk.store, walk.alias, encoders=ENCODERS) as mirror:
        mirror.update(uid(1), {"body": "edited"})
        mirror.delete(uid(2))
    assert (walk.store.outbox(walk.alias).owed(), caplog.messages) == (0, [])
    assert (body_of(walk, walk.named(), 1), body_of(walk, walk.table, 1)) == ("edited", text_of(1))


def test_an_alias_that_was_adopted_wrongly_is_let_go_and_adopted_anew(walk: Walk) -> None:
    source = Source(table=walk.table, key=(), text="team", vector="")
    adopt(walk.store, walk.alias, source=source, encoder=UNKNOWN, encoders=encoder)
    with pytest.raises(BadValue, match="choose another alias"):
        walk.adopted()
    walk.store.let_go(walk.alias)
    assert (walk.store.aliases(), walk.named()) == ([], walk.table)
    walk.adopted()
    walk.opened()
    with pytest.raises(NotReady, match="abort the migration"):
        walk.store.let_go(walk.alias)
    walk.filled()
    walk.proven()
    walk.cut_over()


def test_an_alias_whose_ledger_is_lost_is_let_go_with_both_its_sides_left(
    shadowed: tuple[Walk, str], server: Node, tmp_path: Path
) -> None:
    walk, target = shadowed
    with closing(connect(f"{server.url}&journal={tmp_path / 'anew.sqlite'}")) as store:
        with pytest.raises(Unfit, match="kept in another ledger"):
            store.let_go(walk.alias)
        store.let_go(walk.alias, ledger_lost=True)
        assert (len(walk.application.all(walk.table)), len(walk.application.all(target))) == (ROWS, ROWS)
        source = Source(table=walk.table, key=(), text="body", vector="")
        assert not adopt(store, walk.alias, source=source, encoder="old", encoders=encoder).already
        assert open_target(store, walk.alias, to="third", encoders=encoder).migration.phase == "shadowing"


def test_objects_that_lack_a_property_of_the_template_are_counted_by_adopt_and_by_fill(walk: Walk) -> None:
    for number in range(3):
        walk.application.patch(walk.table, uid(number), {"team": None})
    source = Source(table=walk.table, key=(), text="{body}{team}", vector="")
    found = adopt(walk.store, walk.alias, source=source, encoder=UNKNOWN, encoders=encoder)
    assert [one for one in found.notices if one.startswith("3 rows have a vector and no text by this expression")]
    walk.opened()
    assert walk.filled().figures["without_text"] == 3


def test_a_property_that_may_be_missing_costs_no_object_its_text(walk: Walk) -> None:
    """Nor does it in a text of a list, a truth and a number, on either side and on both ways of reading an object."""
    walk.application.web.post(f"/v1/schema/{walk.table}/properties", json={"name": "tags", "dataType": ["text[]"]})
    walk.application.web.post(f"/v1/schema/{walk.table}/properties", json={"name": "open", "dataType": ["boolean"]})
    for number in range(3):
        walk.application.patch(walk.table, uid(number), {"tags": ["red", "deep blue"], "open": True})
    source = Source(table=walk.table, key=(), text="{tags?}/{open?} {body}", vector="")
    found = adopt(walk.store, walk.alias, source=source, encoder=UNKNOWN, encoders=encoder)
    assert (found.census.orphaned, len(found.notices)) == (0, 1)
    assert adopt(walk.store, walk.alias, source=source, encoder=UNKNOWN, encoders=encoder).already
    walk.opened()
    assert "without_text" not in walk.filled().figures
    shadow = walk.store.alias(walk.alias).shadow
    assert shadow is not None
    with Mirror(walk.store, walk.alias, encoders=ENCODERS) as mirror:
        mirror.update(uid(2), {"open": False})
        mirror.update(uid(6), {"tags": ["new", "ones"]})
    held = {UUID(str(one["id"])): one for one in walk.application.all(shadow.name)}
    texts = {1: "red deep blue/true", 2: "red deep blue/false", 5: "/", 6: "new ones/"}
    for number, text in ((number, f"{head} {text_of(number)}") for number, head in texts.items()):
        wanted = Fenced(ENCODERS["new"], shadow.width).encode([text], Role.DOCUMENT).matrix[0]
        assert held[uid(number)]["vector"] == pytest.approx(wanted.tolist(), abs=1e-6)


def test_a_vector_without_a_text_is_the_applications_and_is_there_after_the_way_back(walk: Walk) -> None:
    textless = {uid(number) for number in range(3)}
    for uuid in textless:
        walk.application.patch(walk.table, uuid, {"body": None})
    before = held(walk, textless)
    walk.ready()
    walk.application.patch(walk.table, uid(2), {"team": "changed past the mirror"})
    walk.cut_over()
    with Mirror(walk.store, walk.alias, encoders=ENCODERS) as mirror:
        mirror.update(uid(1), {"team": "seen"})
        mirror.update(uid(9), {"body": None})
    walk.rolled_back()
    pay(walk)
    assert None not in before.values()
    assert held(walk, textless) == before
    assert held(walk, {uid(9)}) == {uid(9): None}  # its vector was made of a text that it had


def held(walk: Walk, uuids: set[UUID]) -> dict[UUID, object]:
    """The vectors of these objects on the application's own side."""
    found = {UUID(str(one["id"])): one.get("vector") or None for one in walk.application.all(walk.table)}
    return {uuid: found[uuid] for uuid in uuids}


def test_an_alias_that_somebody_moved_to_the_unproven_side_is_told_by_status_and_by_every_move(
    shadowed: tuple[Walk, str],
) -> None:
    walk, target = shadowed
    moved = walk.application.web.put(f"/v1/aliases/{walk.server_alias}", json={"class": target})
    assert moved.is_success
    assert [one for one in status(walk.store, walk.alias).warnings if one.startswith(f"{target} is served, which nothing has")]
    with pytest.raises(NotReady, match=f"somebody moved it by hand; let it name {walk.table} again"):
        abort(walk.store, walk.alias)
    assert walk.application.web.put(f"/v1/aliases/{walk.server_alias}", json={"class": walk.table}).is_success
    assert status(walk.store, walk.alias).warnings == (walk.store.blind(walk.alias),)
    walk.proven()


def test_while_the_live_side_is_gone_the_target_does_not_end(shadowed: tuple[Walk, str]) -> None:
    walk, target = shadowed
    walk.application.web.delete(f"/v1/schema/{walk.table}")
    for move in (walk.filled, walk.proven, lambda: abort(walk.store, walk.alias)):
        with pytest.raises(NotReady, match=f"{walk.table} is not there any more, so {target} may be the only copy"):
            move()
    assert len(walk.application.all(target)) == ROWS


def test_an_alias_that_somebody_moved_elsewhere_is_said_to_be(walk: Walk) -> None:
    walk.adopted()
    walk.application.make(collection(f"{walk.table}_elsewhere"))
    walk.application.web.put(f"/v1/aliases/{walk.server_alias}", json={"class": f"{walk.table}_elsewhere"})
    with pytest.raises(StoreFailed, match=f"{walk.table}_elsewhere"):
        walk.store.alias(walk.alias)
    walk.application.web.put(f"/v1/aliases/{walk.server_alias}", json={"class": walk.table})
    assert walk.store.alias(walk.alias).live.name == walk.table


# ---------------------------------------------------------------- opening


def test_the_width_of_an_empty_target_holds_before_its_first_object(walk: Walk) -> None:
    walk.adopted()
    walk.opened()
    shadow = walk.store.alias(walk.alias).shadow
    assert shadow is not None
    body = {"class": shadow.name, "properties": {"body": "a stranger"}, "vector": [0.5] * 16}
    refused = walk.application.web.post("/v1/objects", json=body)
    assert refused.status_code == 500
    assert "dimension" in refused.text or "length" in refused.text
    assert walk.application.all(shadow.name) == []


@pytest.mark.parametrize("step", ["declared", "collection", "row"])
def test_an_opening_that_died_is_gone_on_with(walk: Walk, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Whatever step it died after: the same again makes the target whole."""
    from transvase.adapters.weaviate.switching import lifecycle

    walk.adopted()
    names = {"declared": "_collection", "collection": "pin", "row": None}
    with monkeypatch.context() as patch:
        if names[step] is not None:
            patch.setattr(lifecycle, names[step], _die)
        else:
            patch.setattr(walk.store.ledger, "begin_capture", _die, raising=False)
        with pytest.raises(ZeroDivisionError):
            walk.opened()
    assert walk.opened().migration.phase == "shadowing"
    assert walk.store.captures(walk.alias)
    walk.filled()
    walk.proven()


def test_a_collection_of_the_targets_name_that_is_not_ours_is_left_alone(walk: Walk) -> None:
    walk.adopted()
    from dataclasses import replace

    from transvase.migrations.plan import target_of

    wanted = target_of(walk.store, walk.store.alias(walk.alias), encoder("new"), attempt=1)
    walk.application.make(collection(wanted.name))
    with pytest.raises(BadValue, match="never used twice"):
        walk.store.create(walk.alias, replace(wanted))
    assert walk.store.alias(walk.alias).shadow is None


def test_a_fill_that_fails_keeps_nothing_in_the_ledger_for_itself(walk: Walk) -> None:
    walk.adopted()
    walk.opened()
    records = walk.store.corpus(walk.alias).after(None, limit=5)
    shadow = walk.store.alias(walk.alias).shadow
    assert shadow is not None
    index = walk.store.index(walk.alias, shadow.name)
    made = Fenced(encoder("new"), shadow.width).encode([one.text or "" for one in records], Role.DOCUMENT)

    def cut_short() -> None:
        with walk.store.hold(walk.alias):
            index.fill(records, made, place=Place(records[-1].key, done=5))
            assert watches(walk) == 1
            _die()

    with pytest.raises(ZeroDivisionError):
        cut_short()
    assert watches(walk) == 0


def watches(walk: Walk) -> int:
    with closing(sqlite3.connect(walk.url.partition("&journal=")[2])) as ledger:
        ((count,),) = ledger.execute("SELECT COUNT(*) FROM watches")
    return int(count)


# ---------------------------------------------------------------- switching


def test_a_switch_that_died_before_it_was_written_down_is_finished_by_the_next_look(
    shadowed: tuple[Walk, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    walk, target = shadowed
    before = walk.store.alias(walk.alias).generation
    with monkeypatch.context() as patch:
        patch.setattr(pointing, "_written", _die)
        with pytest.raises(ZeroDivisionError):
            point(walk, target)
    seen = walk.store.alias(walk.alias)
    assert (seen.live.name, seen.generation, walk.named()) == (target, before + 1, target)
    assert walk.store.behind(walk.alias) == ()
    known = load(walk.store.connection, walk.store.control, walk.alias)
    assert (known.drifted, known.row.live, known.alias.generation) == (False, target, before + 1)
    assert walk.store.ledger.capture(walk.alias).live == target
    assert walk.store.ledger.doubts(walk.alias) == []


def test_a_move_that_comes_late_is_put_right(shadowed: tuple[Walk, str]) -> None:
    """A request that was not answered takes place after we have gone back: the ledger still doubts it, and undoes it."""
    walk, target = shadowed
    point(walk, target)
    point(walk, walk.table)
    generation = walk.store.alias(walk.alias).generation
    walk.store.ledger.doubt(walk.alias, f"whether {target} was moved to is not known", facts={"of": "unanswered"})
    walk.application.web.put(f"/v1/aliases/{walk.server_alias}", json={"class": target})
    assert walk.store.alias(walk.alias).live.name == target
    assert walk.store.behind(walk.alias) == ()
    assert (walk.named(), walk.store.alias(walk.alias).live.name) == (walk.table, walk.table)
    assert walk.store.alias(walk.alias).generation == generation
    assert walk.store.ledger.doubts(walk.alias) == []


def test_what_a_stranger_writes_while_the_alias_moves_is_not_lost(
    shadowed: tuple[Walk, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit, a new object and a deletion on the old side, after our last look at it and before everybody agrees."""
    walk, target = shadowed

    def late() -> None:
        walk.write(1, "edited by a latecomer", to=walk.table)
        walk.write(ROWS + 1, "a latecomer's own", to=walk.table)
        walk.application.delete(walk.table, uid(2))

    with once_moved(monkeypatch, late):
        point(walk, target)
    assert walk.store.outbox(walk.alias).owed() >= 3
    pay(walk)
    for side in (walk.table, target):
        assert body_of(walk, side, 1) == "edited by a latecomer"
        assert body_of(walk, side, ROWS + 1) == "a latecomer's own"
        assert body_of(walk, side, 2) is None
        assert len(walk.application.all(side)) == ROWS


@pytest.mark.parametrize("still_s", [0.0, 1.1 * tail.QUICK_S])
def test_a_write_that_a_node_held_up_is_found_although_it_ends_when_all_agree(
    shadowed: tuple[Walk, str], monkeypatch: pytest.MonkeyPatch, still_s: float
) -> None:
    """Sent before the alias moved, and made when the node goes on. No move that was quick is looked at twice."""
    walk, target = shadowed
    moved, tailed, looks = pointing._put, tail.owe_tail, list[int]()

    def put(*args: object) -> None:
        moved(*args)  # type: ignore[arg-type]
        time.sleep(still_s)

    def owe_tail(*args: object) -> int:
        looks.append(tailed(*args))  # type: ignore[arg-type]
        if still_s and len(looks) == 1:
            walk.write(1, "held up", to=walk.table)
            walk.application.delete(walk.table, uid(2))
        return looks[-1]

    with monkeypatch.context() as patch:
        patch.setattr(tail, "HELD_UP_S", 0.0)
        patch.setattr(tail, "owe_tail", owe_tail)
        patch.setattr(pointing, "_put", put)
        point(walk, target)
    assert looks == ([0, 2] if still_s else [0])
    pay(walk)
    for side in (walk.table, target) if still_s else ():
        assert (body_of(walk, side, 1), body_of(walk, side, 2)) == ("held up", None)


def test_what_a_payment_copied_just_before_the_alias_moved_stays_deleted_on_whichever_side_that_was(
    shadowed: tuple[Walk, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No time tells it from what was written just then; a payment notes what it left. What is written again meanwhile stays."""
    walk, target = shadowed
    led, too, again, anew = numbers = [ROWS + number for number in range(4)]
    for number in numbers[:3]:
        walk.write(number, "copied after the last walk")
    walk.store.ledger.owe(walk.alias, [(uid(number),) for number in numbers[:3]])
    pay(walk)

    def early() -> None:
        for number in (too, again):
            walk.application.delete(walk.table, uid(number))

    def late() -> None:
        walk.application.delete(target, uid(led))
        for number in (again, anew):
            walk.write(number, "led to the new side", to=target, by="new")

    with once_moved(monkeypatch, late, before=early):
        point(walk, target)
    pay(walk)
    assert [body_of(walk, target, number) for number in numbers] == [None, None, *["led to the new side"] * 2]
    with walk.store.hold(walk.alias):
        worker = Worker(walk.store, walk.alias, encoder)
        settle(walk.store, walk.alias, walk.store.index(walk.alias, walk.table), worker)
    assert [body_of(walk, walk.table, number) for number in numbers] == [None, None, *["led to the new side"] * 2]


def test_what_was_edited_before_the_last_walk_and_deleted_after_the_move_stays_deleted(
    shadowed: tuple[Walk, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process dies when the alias has moved; what the old side got before it was walked is no latecomer's."""
    walk, target = shadowed
    walk.write(7, "edited during the migration")
    walk.proven()  # that pays it, and what a payment left on both sides is no latecomer's, however new it is
    with monkeypatch.context() as patch:
        patch.setattr(pointing, "_written", _die)
        with pytest.raises(ZeroDivisionError):
            walk.cut_over()
    assert (walk.named(), body_of(walk, target, 7)) == (target, "edited during the migration")
    walk.application.delete(target, uid(7))
    time.sleep(OVERLAP_MS / 1000)
    walk.cut_over()
    pay(walk)
    assert body_of(walk, target, 7) is None


def test_what_is_written_to_the_live_side_after_a_latecomer_is_the_newest(
    shadowed: tuple[Walk, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """An edit over an edit, and an object that is there again after it was deleted; both before the latecomer's were paid."""
    walk, target = shadowed

    def late() -> None:
        walk.write(1, "edited by a latecomer", to=walk.table)
        walk.application.delete(walk.table, uid(2))
        walk.write(3, "edited by a latecomer too", to=walk.table)

    with once_moved(monkeypatch, late):
        point(walk, target)
    walk.write(1, "newest, through the alias", to=target, by="new")
    walk.write(2, "there again", to=target, by="new")
    pay(walk)
    for side in (walk.table, target):
        assert body_of(walk, side, 1) == "newest, through the alias"
        assert body_of(walk, side, 2) == "there again"
        assert body_of(walk, side, 3) == "edited by a latecomer too"


def test_what_is_deleted_from_the_live_side_after_a_latecomers_edit_stays_deleted(
    shadowed: tuple[Walk, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The new side had it, older, when the edit was found; one that only the latecomer had has not come there yet."""
    walk, target = shadowed

    def late() -> None:
        for number in (1, 2, ROWS + 1):
            walk.write(number, "by a latecomer", to=walk.table)

    with once_moved(monkeypatch, late):
        point(walk, target)
    walk.application.delete(target, uid(1))
    pay(walk)
    for side in (walk.table, target):
        assert [body_of(walk, side, number) for number in (1, 2, ROWS + 1)] == [None, *["by a latecomer"] * 2]


def test_a_switch_pays_what_came_while_it_was_made(shadowed: tuple[Walk, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for a worker to find on the new side what was written to the old one; there, and on the way back."""
    walk, target = shadowed
    walk.proven()
    for verb, old, by in ((walk.cut_over, walk.table, "old"), (walk.rolled_back, target, "new")):
        text = f"before {verb.__name__} was over"
        with once_moved(monkeypatch, partial(walk.write, ROWS + 1, text, to=old, by=by)):
            assert verb().figures["left_owed"] == 0
        assert walk.store.outbox(walk.alias).owed() == 0
        assert [body_of(walk, side, ROWS + 1) for side in (walk.table, target)] == [text] * 2


def test_a_switch_whose_last_payments_fail_has_been_made(shadowed: tuple[Walk, str], monkeypatch: pytest.MonkeyPatch) -> None:
    walk, target = shadowed
    walk.proven()

    def fail(worker: Worker, *, deadline_s: float) -> int:
        raise StoreFailed("the world", code="not reached")

    with monkeypatch.context() as patch:

        def late() -> None:
            walk.write(ROWS + 1, "a latecomer's", to=walk.table)
            patch.setattr(Worker, "pay_up", fail)

        with once_moved(monkeypatch, late):
            done = walk.cut_over()
    assert (done.migration.phase, "left_owed" in done.figures) == (Phase.LIVE, False)
    assert walk.store.outbox(walk.alias).owed() == 1
    pay(walk)
    assert [body_of(walk, side, ROWS + 1) for side in (walk.table, target)] == ["a latecomer's"] * 2


def test_what_was_owed_at_the_switch_gives_way_to_what_is_written_after_it(shadowed: tuple[Walk, str]) -> None:
    walk, target = shadowed
    for number in (3, 4):
        walk.write(number, "edited and owed")
    walk.store.ledger.owe(walk.alias, [(uid(3),), (uid(4),)])
    walk.store.point(walk.alias, target, expect=walk.store.alias(walk.alias).generation, allow_owed=2)
    walk.write(3, "newer, on the new side", to=target, by="new")
    pay(walk)
    assert [body_of(walk, side, 3) for side in (walk.table, target)] == ["newer, on the new side"] * 2
    assert [body_of(walk, side, 4) for side in (walk.table, target)] == ["edited and owed"] * 2


def test_an_object_that_seems_a_moment_older_than_the_move_is_not_taken_for_deleted(
    shadowed: tuple[Walk, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody writes it through the alias, on a node whose clock is behind: here it is written just before the move."""
    walk, target = shadowed
    looked = pointing._looked

    def early(*args: object) -> object:
        found = looked(*args)  # type: ignore[arg-type]
        walk.write(ROWS + 5, "written by a slow clock", to=target, by="new")
        return found

    with monkeypatch.context() as patch:
        patch.setattr(pointing, "_looked", early)
        point(walk, target)
    pay(walk)
    assert body_of(walk, target, ROWS + 5) == "written by a slow clock"


def test_what_is_owed_when_it_switches_is_paid_from_the_side_that_was_live(shadowed: tuple[Walk, str]) -> None:
    walk, target = shadowed
    walk.write(3, "edited and owed")
    walk.store.ledger.owe(walk.alias, [(uid(3),)])
    generation = walk.store.alias(walk.alias).generation
    with pytest.raises(NotReady, match="1"):
        walk.store.point(walk.alias, target, expect=generation, allow_owed=0)
    assert walk.named() == walk.table
    assert walk.store.point(walk.alias, target, expect=generation, allow_owed=1).owed == 1
    pay(walk)
    assert [body_of(walk, side, 3) for side in (walk.table, target)] == ["edited and owed"] * 2


def test_a_switch_under_a_generation_that_has_passed_or_to_what_is_gone_changes_nothing(shadowed: tuple[Walk, str]) -> None:
    walk, target = shadowed
    generation = walk.store.alias(walk.alias).generation
    with pytest.raises(Moved):
        walk.store.point(walk.alias, target, expect=generation - 1, allow_owed=0)
    walk.application.web.delete(f"/v1/schema/{target}")
    with pytest.raises(Superseded):
        walk.store.point(walk.alias, target, expect=generation, allow_owed=0)
    assert walk.named() == walk.table


def test_a_retriever_sees_no_error_through_two_switches_and_an_end(shadowed: tuple[Walk, str], server: Node) -> None:
    walk, target = shadowed
    with Retriever.connect(server.url, walk.alias, encoders=ENCODERS) as retriever:
        seen = []
        for side in (target, walk.table, target):
            assert retriever.search(text_of(5), 1)[0].key == (uid(5),)
            pay(walk)
            point(walk, side)
        walk.store.retire(walk.alias, walk.table, drop=True)
        for _ in range(3):
            found = retriever.answer(text_of(5), 1)
            assert found.hits[0].key == (uid(5),)
            seen.append(found.index)
    assert seen[-1] == target


# ---------------------------------------------------------------- ending


def test_a_reader_is_seen_on_the_old_side_and_named(shadowed: tuple[Walk, str], server: Node) -> None:
    walk, target = shadowed
    index = walk.store.index(walk.alias, target)
    before = index.reads()
    with Retriever.connect(server.url, walk.alias, encoders=ENCODERS) as retriever:
        retriever.search(text_of(5), 1)
    old = walk.store.index(walk.alias, walk.table).reads()
    assert old.last_s is not None
    assert (old.count, old.last_s < 60, len(old.by)) == (None, True, 1)
    assert before.by == index.reads().by


def test_what_was_the_applications_stays_unless_it_is_to_be_dropped(shadowed: tuple[Walk, str]) -> None:
    walk, target = shadowed
    point(walk, target)
    said = walk.store.retire(walk.alias, walk.table, drop=False)
    assert f"left the collection {walk.table}" in said
    assert not walk.store.there(walk.table)
    assert len(walk.application.all(walk.table)) == ROWS
    with pytest.raises(Superseded):
        walk.store.index(walk.alias, walk.table)


def test_the_old_name_can_go_to_the_live_side_and_moves_with_it_from_then_on(shadowed: tuple[Walk, str]) -> None:
    walk, target = shadowed
    walk.proven()
    walk.cut_over()
    done = walk.retired(take_name=True)
    said = str(done.figures["done"])
    assert done.migration.phase == "retired"
    assert f"gave its name to {target}" in said
    assert " ms it stood for nothing" in said
    assert len(walk.application.all(walk.table)) == ROWS
    walk.opened("third")
    walk.filled()
    walk.proven()
    walk.cut_over()
    third = walk.store.alias(walk.alias).live.name
    assert third != target
    for name in (walk.table, walk.server_alias):
        assert walk.application.web.get(f"/v1/aliases/{name}").json()["class"] == third


def test_a_collection_to_which_another_alias_or_reference_leads_is_not_deleted(shadowed: tuple[Walk, str]) -> None:
    walk, target = shadowed
    point(walk, target)
    web, other = walk.application.web, f"{walk.table}Other"
    web.post("/v1/aliases", json={"alias": other, "class": walk.table})
    with pytest.raises(NotReady, match=other):
        walk.store.retire(walk.alias, walk.table, drop=True)
    web.delete(f"/v1/aliases/{other}")
    web.post("/v1/schema", json={"class": f"{walk.table}Notes", "properties": [{"name": "about", "dataType": [walk.table]}]})
    with pytest.raises(NotReady, match=f"{walk.table}Notes.about"):
        walk.store.retire(walk.alias, walk.table, drop=True)
    assert walk.store.there(walk.table)
    assert walk.store.alias(walk.alias).shadow is not None
    web.delete(f"/v1/schema/{walk.table}Notes")
    assert "deleted" in walk.store.retire(walk.alias, walk.table, drop=True)


def test_a_target_that_is_given_up_leaves_nothing_behind(shadowed: tuple[Walk, str]) -> None:
    walk, target = shadowed
    walk.store.discard(walk.alias, target)
    walk.store.discard(walk.alias, target)
    assert walk.application.web.get(f"/v1/schema/{target}").status_code == 404
    assert (walk.store.there(target), walk.store.captures(walk.alias)) == (False, False)
    with pytest.raises(NotReady):
        walk.store.discard(walk.alias, walk.table)
    assert len(walk.application.all(walk.server_alias)) == ROWS


def _die(*_: object, **__: object) -> None:
    raise ZeroDivisionError
