"""Mirror on a real server: every verb leaves both sides alike, and what fails on the second side is paid later."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import numpy as np
import pytest
from transvase.adapters.weaviate.mirror import Mirror, following, sides
from transvase.adapters.weaviate.wire.failures import refusal
from transvase.adapters.weaviate.wire.line import Line
from transvase.core.connect import connect
from transvase.core.declaration import Proposal, Source
from transvase.core.errors import BadValue, SpaceMismatch, StoreFailed, UnknownName
from transvase.core.space import Vectors
from transvase.migrations.sync import Worker
from weaviate.classes.data import DataObject
from weaviate.classes.query import Filter
from weaviate_independent import Reader, differences, strange_vectors
from weaviate_mirrors import ENCODERS, Ground, assert_alike, mirrored, pay, reader, still
from weaviate_objects import ALIAS, NEW, OLD, WIDTH, Plot, encoded, uid
from weaviate_server import Node
from weaviate_walk import encoder, walked

pytestmark = pytest.mark.weaviate


def test_every_verb_leaves_both_sides_alike_and_nothing_owed(plot: Plot) -> None:
    with mirrored(plot) as mirror:
        first = mirror.insert({"body": "one", "team": "red"})
        second = mirror.data.insert({"body": "two"}, uuid=uid(2))
        assert second == uid(2)
        mirror.update(first, {"body": "one again"})
        mirror.update(first, {"team": "blue"})
        mirror.replace(second, {"body": "two again"})
        assert mirror.delete(first)
        assert not mirror.delete_by_id(first)
        done = mirror.insert_many([{"body": f"text {number}"} for number in range(40)])
        assert not done.has_errors
        assert len(done.uuids) == 40
        assert mirror.exists(second)
        assert not mirror.exists(first)
    assert_alike(plot, size=41)
    assert reader(plot).objects(plot.shadow.site)[second]["properties"] == {"body": "two again"}


def test_no_write_needs_the_clusters_leader(server: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even one that has to look at the alias and the collections anew: objects are written without it."""
    with walked(server, tmp_path, rows=20) as walk:
        walk.adopted()
        walk.opened()
        walk.filled()
        with Mirror.connect(walk.url, walk.alias, encoders=ENCODERS) as mirror, monkeypatch.context() as patch:
            mirror.update(uid(1), {"body": "while there was one"})
            asked, seen = Line.rest, walk.store.alias(walk.alias)

            def rest(line: Line, method: str, path: str, *, local: bool = False, **more: Any) -> Any:
                if path.startswith(("/schema/", "/aliases/")) and not local:
                    raise refusal("leader not found", status=500)
                return asked(line, method, path, local=local, **more)

            patch.setattr(sides, "KNOWN_S", 0.0)
            patch.setattr(Line, "rest", rest)
            assert seen.shadow is not None
            walk.store.ledger.begin_capture(walk.alias, live=seen.live.site, shadow=seen.shadow.site, patience_s=5.0)
            mirror.update(uid(1), {"body": "without one"})
            assert not mirror.insert_many([{"body": f"text {number}"} for number in range(10)]).has_errors
            assert mirror.delete(uid(2))
        assert Worker(walk.store, walk.alias, encoder).pay_up(deadline_s=30) == 0
        found = Reader(walk.application.web)
        assert differences(found, seen.live.site, seen.shadow.site) == []
        assert found.objects(seen.shadow.site)[uid(1)]["properties"]["body"] == "without one"


def test_batches_are_gathered_and_sent_as_the_drivers_are(plot: Plot) -> None:
    with mirrored(plot) as mirror:
        with mirror.batch.fixed_size(batch_size=10) as batch:
            ids = [batch.add_object({"body": f"text {number}"}, uuid=uid(number)) for number in range(25)]
            assert len(reader(plot).objects(plot.live.site)) == 20
        assert ids == [str(uid(number)) for number in range(25)], "as the driver tells ids that it was given"
        assert batch.number_errors == 0
        with mirror.batch.dynamic() as batch:
            batch.add_object({"body": "over what is there"}, uuid=uid(3))
            batch.add_object({"body": "of one id the last one counts"}, uuid=uid(3))
    assert_alike(plot, size=25)
    assert reader(plot).objects(plot.shadow.site)[uid(3)]["properties"]["body"] == "of one id the last one counts"


def test_a_filter_deletes_the_same_objects_on_both_sides(plot: Plot) -> None:
    with mirrored(plot) as mirror:
        objects = [DataObject({"body": f"text {n}", "team": "red" if n % 3 else "blue"}, uuid=uid(n)) for n in range(30)]
        mirror.insert_many(objects)
        done = mirror.delete_many(Filter.by_property("team").equal("blue"))
        assert (done.matches, done.successful, done.failed) == (10, 10, 0)
        assert mirror.delete_many([uid(1), uid(2), uid(500)]).successful == 2
        with pytest.raises(BadValue, match="Filter"):
            mirror.delete_many({"team": "red"})
    assert_alike(plot, size=18)


def test_an_object_that_is_there_already_is_the_applications_error_and_no_debt(plot: Plot) -> None:
    with mirrored(plot) as mirror:
        mirror.insert({"body": "one"}, uuid=uid(1))
        with pytest.raises(StoreFailed, match="already exists"):
            mirror.insert({"body": "two"}, uuid=uid(1))
        with pytest.raises(StoreFailed):
            mirror.update(uid(7), {"body": "nobody"})
        pay(plot, seconds=5)
    assert_alike(plot, size=1)


def test_what_cannot_be_an_object_is_refused_before_anything_is_noted(plot: Plot) -> None:
    with mirrored(plot) as mirror:
        for bad in (
            lambda: mirror.insert({"body": object()}),
            lambda: mirror.insert(["body"]),  # type: ignore[arg-type]
            lambda: mirror.insert({"body": "a"}, uuid="no uuid"),
            lambda: mirror.insert({"body": "a"}, vector="no numbers"),
            lambda: mirror.insert_many(["no object"]),
            lambda: mirror.with_tenant("t").insert({"body": "a"}),
            lambda: mirror.with_tenant(""),
            lambda: mirror.batch.fixed_size(0),
        ):
            with pytest.raises(BadValue):
                bad()
    assert_alike(plot, size=0)
    with pytest.raises(BadValue, match="alias"):
        Mirror(Ground(plot), " ")
    with pytest.raises(BadValue, match="other stores"):
        Mirror(object(), "docs")  # type: ignore[arg-type]


def test_a_property_that_nobody_knew_arrives_on_both_sides(plot: Plot) -> None:
    with mirrored(plot) as mirror:
        mirror.insert({"body": "one", "pages": 12, "price": 1.5, "in_print": True, "colours": ["red"]})
        mirror.insert_many([{"body": "two", "weight": 2.5}])
        mirror.update(mirror.insert({"body": "three"}), {"height": 3})
    assert_alike(plot, size=3)


def test_own_vectors_go_to_the_side_that_is_as_wide_and_strange_ones_to_none(plot: Plot) -> None:
    old, new = encoded(OLD, ["a"], WIDTH), encoded(NEW, ["a"], WIDTH + 1)
    with mirrored(plot) as mirror:
        for number, own in enumerate((old.matrix[0].tolist(), new.matrix[0], Vectors(NEW.space, new.matrix[:, :WIDTH]), old)):
            mirror.insert({"body": "a"}, uuid=uid(number), vector=own)
        with pytest.raises(SpaceMismatch):
            mirror.insert({"body": "a"}, vector=[1.0] * 5)
        with pytest.raises(SpaceMismatch):
            mirror.insert(
                {"body": "a"}, vector=encoded(ENCODERS["old"].__class__("other", dimension=WIDTH, seed=9), ["a"], WIDTH)
            )
    assert_alike(plot, size=4)


def test_an_application_that_brings_its_vectors_needs_no_encoder_for_them(plot: Plot) -> None:
    """The shadow's vectors are the worker's then: its encoder is not here either."""
    with mirrored(plot, encoders={"old": NEW}) as mirror:
        mirror.insert({"body": "a"}, uuid=uid(1), vector=encoded(OLD, ["a"], WIDTH).matrix[0])
        mirror.update(uid(1), {"team": "blue"})
    assert plot.outbox.owed() == 1
    pay(plot)
    assert_alike(plot, size=1)


def test_two_threads_on_the_same_keys_leave_nothing_to_the_worker(plot: Plot) -> None:
    def write(seed: int) -> None:
        drawn = np.random.default_rng(seed)
        for step in range(25):
            number = int(drawn.integers(4))
            if drawn.random() < 0.3:
                mirror.delete(uid(number))
            else:
                mirror.insert_many([DataObject({"body": f"of {seed}, step {step}"}, uuid=uid(number))])

    with mirrored(plot) as mirror, ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(write, seed) for seed in range(4)]:
            done.result()
    assert_alike(plot)


def test_a_write_that_overlaps_another_process_is_left_to_the_worker(plot: Plot) -> None:
    with mirrored(plot) as mirror:
        mirror.insert({"body": "one"}, uuid=uid(1))
        theirs = plot.ledger.intend(ALIAS, [(uid(1),)], first=plot.live.site)
        mirror.replace(uid(1), {"body": "two"})
        assert plot.outbox.read(limit=5) == [], "somebody is writing it still"
        plot.ledger.settle(ALIAS, theirs)
        assert plot.outbox.owed() == 1, "whose write came last is not known"
        pay(plot)
    assert_alike(plot, size=1)


def test_two_processes_on_the_same_keys_leave_to_the_worker_what_crossed(plot: Plot, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two mirrors share no locks: what they write at the same time reaches the two sides in another order, here often."""
    left, together = list[int](), Barrier(4, timeout=60)
    for name in ("put", "echo", "drop"):
        monkeypatch.setattr(following, name, _late(getattr(following, name)))

    def write(mirror: Mirror, seed: int) -> None:
        drawn = np.random.default_rng(seed)
        for number in range(25):
            together.wait()
            if drawn.random() < 0.3:
                mirror.delete(uid(number))
            else:
                mirror.insert_many([DataObject({"body": f"of {seed}"}, uuid=uid(number))])
            left.append(plot.outbox.owed())

    with mirrored(plot) as one, mirrored(plot) as other, ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(write, (one, other)[seed % 2], seed) for seed in range(4)]:
            done.result()
    assert max(left) > 0
    pay(plot)
    assert_alike(plot)


def _late(act: Callable[..., object]) -> Callable[..., object]:
    """The same, some time later: a request that was held up on its way."""
    drawn = np.random.default_rng(3)

    def later(*args: object, **named: object) -> object:
        time.sleep(float(drawn.choice([0.0, 0.0, 0.05])))
        return act(*args, **named)

    return later


def test_without_a_migration_one_side_is_written_and_nothing_is_owed(plot: Plot) -> None:
    plot.ledger.end_capture(ALIAS)
    with mirrored(plot) as mirror:
        mirror.insert({"body": "one"}, uuid=uid(1))
        mirror.insert_many([{"body": "two"}])
        mirror.update(uid(1), {"body": "one again"})
        assert mirror.delete(uid(1))
    assert plot.outbox.owed() == 0
    assert len(reader(plot).objects(plot.live.site)) == 1
    assert reader(plot).objects(plot.shadow.site) == {}
    assert strange_vectors(reader(plot), plot.live.site, OLD, WIDTH) == []


def test_a_capture_that_begins_is_followed_by_the_next_write(plot: Plot) -> None:
    plot.ledger.end_capture(ALIAS)
    with mirrored(plot) as mirror:
        mirror.insert({"body": "before"}, uuid=uid(1))
        plot.ledger.begin_capture(ALIAS, live=plot.live.site, shadow=plot.shadow.site)
        mirror.insert({"body": "after"}, uuid=uid(2))
    assert list(reader(plot).objects(plot.shadow.site)) == [uid(2)]


def test_a_capture_between_other_sides_than_the_alias_leaves_every_write_owed(plot: Plot) -> None:
    """The alias is told a moment later than the capture: nothing is lost meanwhile."""
    ground = Ground(plot, seen=replace(plot.look(), shadow=None))
    with Mirror(ground, ALIAS, encoders=ENCODERS) as mirror:
        mirror.insert({"body": "one"}, uuid=uid(1))
        assert plot.outbox.owed() == 1
        ground.seen = None
        mirror.insert({"body": "two"}, uuid=uid(2))
        pay(plot)
    assert_alike(plot, size=2)


def test_a_shadow_that_takes_nothing_is_no_error_and_is_paid_later(plot: Plot) -> None:
    with mirrored(plot) as mirror:
        mirror.insert_many([DataObject({"body": f"text {number}"}, uuid=uid(number)) for number in range(3)])
        still(plot, plot.shadow.site, "READONLY")
        mirror.insert({"body": "new"}, uuid=uid(9))
        mirror.update(uid(0), {"body": "changed"})
        assert mirror.delete(uid(1))
        assert [debt.only for debt in plot.outbox.read(limit=9)] == [plot.shadow.site] * 3
        assert plot.outbox.owed() == 3
        still(plot, plot.shadow.site, "READY")
        pay(plot)
    assert_alike(plot, size=3)


def test_a_key_that_is_owed_is_written_again_in_order(plot: Plot) -> None:
    """The late payment of the first write must not undo the second: a deletion."""
    with mirrored(plot) as mirror:
        still(plot, plot.shadow.site, "READONLY")
        mirror.insert({"body": "one"}, uuid=uid(1))
        still(plot, plot.shadow.site, "READY")
        late = plot.corpus.read([(uid(1),)])
        debts = plot.outbox.read(limit=5)
        assert mirror.delete(uid(1))
        plot.outbox.pay(debts, [plot.payment(side, late) for side in (plot.live, plot.shadow)])
        pay(plot)
    assert_alike(plot, size=0)


def test_a_live_side_that_takes_nothing_is_the_applications_error(plot: Plot) -> None:
    with mirrored(plot) as mirror:
        still(plot, plot.live.site, "READONLY")
        with pytest.raises(StoreFailed, match="read-only"):
            mirror.insert({"body": "one"})
        still(plot, plot.live.site, "READY")
        pay(plot)
    assert_alike(plot, size=0)


def test_a_server_that_went_away_leaves_what_was_sent_owed(plot: Plot, server: Node) -> None:
    with mirrored(plot) as mirror:
        mirror.insert({"body": "one"}, uuid=uid(1))
        server.kill()
        with pytest.raises(StoreFailed):
            mirror.replace(uid(1), {"body": "two"})
        server.start()
        server.wait()
        pay(plot)
        mirror.replace(uid(1), {"body": "three"})
        pay(plot)
    assert_alike(plot, size=1)


def test_what_is_in_doubt_is_held_back_before_it_is_anybodys_to_pay(plot: Plot, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object, **__: object) -> None:
        raise StoreFailed("no answer", code="timed out")

    with mirrored(plot, held_s=1.0) as mirror:
        with monkeypatch.context() as patched:
            patched.setattr(following, "echo", silent)
            mirror.insert({"body": "one"}, uuid=uid(1))
        assert plot.outbox.owed() == 1
        assert plot.outbox.read(limit=5) == []
        pay(plot)
    assert_alike(plot, size=1)


def test_a_mirror_that_is_closed_leaves_its_doubts_to_others(plot: Plot, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object, **__: object) -> None:
        raise StoreFailed("no answer", code="timed out")

    with monkeypatch.context() as patched, mirrored(plot, held_s=600) as mirror:
        patched.setattr(following, "echo", silent)
        mirror.insert({"body": "one"}, uuid=uid(1))
    assert [debt.key for debt in plot.outbox.read(limit=5)] == [(uid(1),)]


def test_a_cutover_is_followed_and_the_old_side_is_kept_current(plot: Plot) -> None:
    with mirrored(plot) as mirror:
        mirror.insert({"body": "before"}, uuid=uid(1))
        plot.swapped = True
        mirror._hand.desk.sides.look()
        mirror.insert({"body": "after"}, uuid=uid(2))
        mirror.update(uid(1), {"body": "changed after"})
        assert plot.outbox.owed() == 0
        still(plot, plot.live.site, "READONLY")
        mirror.insert({"body": "the new side takes it alone"}, uuid=uid(3))
        assert uid(3) in reader(plot).objects(plot.shadow.site)
        still(plot, plot.live.site, "READY")
        pay(plot)
    assert_alike(plot, size=3)


def test_a_write_to_the_side_that_was_live_a_moment_ago_is_not_lost(plot: Plot) -> None:
    """The alias has moved, this mirror has not heard of it, and its second write fails."""
    ground = Ground(plot, seen=plot.look())
    with Mirror(ground, ALIAS, encoders=ENCODERS) as mirror:
        mirror.insert({"body": "before"}, uuid=uid(1))
        mirror.insert({"body": "goes"}, uuid=uid(2))
        plot.swapped = True
        still(plot, plot.shadow.site, "READONLY")
        mirror.update(uid(1), {"body": "written late"})
        assert mirror.delete(uid(2))
        still(plot, plot.shadow.site, "READY")
        assert plot.outbox.owed() == 2
        pay(plot)
    assert_alike(plot, size=1)
    assert reader(plot).objects(plot.shadow.site)[uid(1)]["properties"]["body"] == "written late"


def test_the_intent_names_the_side_that_is_written_first(plot: Plot) -> None:
    """Between the look and the intent the capture changed, and the alias with it: the first intent is given up."""
    ground = Ground(plot, seen=plot.look())
    with Mirror(ground, ALIAS, encoders=ENCODERS) as mirror:
        mirror.insert({"body": "before"}, uuid=uid(1))
        plot.swapped, ground.seen = True, None
        plot.ledger.end_capture(ALIAS)
        plot.ledger.begin_capture(ALIAS, live=plot.shadow.site, shadow=plot.live.site)
        still(plot, plot.live.site, "READONLY")
        mirror.update(uid(1), {"body": "after"})
        assert plot.ledger.firsts(ALIAS, [(uid(1),)]) == {(uid(1),): plot.shadow.site}
        still(plot, plot.live.site, "READY")
        pay(plot)
    assert_alike(plot, size=1)


def test_a_side_that_was_retired_is_not_made_anew_by_a_mirror_that_had_not_heard(plot: Plot) -> None:
    """The server makes a collection of any object that is written to one that is gone."""
    ground = Ground(plot, seen=plot.look())
    with Mirror(ground, ALIAS, encoders=ENCODERS) as mirror:
        mirror.insert({"body": "before"}, uuid=uid(1))
        plot.swapped, ground.seen = True, None
        plot.ledger.end_capture(ALIAS)
        plot.application.web.delete(f"/v1/schema/{plot.live.site}").raise_for_status()
        mirror.insert({"body": "after"}, uuid=uid(2))
        mirror.insert_many([{"body": "and more"}])
        mirror.update(uid(1), {"body": "changed"})
    assert plot.application.web.get(f"/v1/schema/{plot.live.site}").status_code == 404
    assert len(reader(plot).objects(plot.shadow.site)) == 3
    assert strange_vectors(reader(plot), plot.shadow.site, NEW, WIDTH + 1) == []
    assert plot.outbox.owed() == 0


def test_a_text_that_goes_away_takes_its_vector_along(plot: Plot) -> None:
    with mirrored(plot) as mirror:
        mirror.insert({"body": "one", "team": "red"}, uuid=uid(1))
        mirror.update(uid(1), {"body": None})
        pay(plot)
        mirror.insert({"team": "blue"}, uuid=uid(2))
        mirror.update(uid(2), {"body": "now it has one"})
    assert_alike(plot, size=2)


def test_a_mirror_is_connected_by_a_url_and_lets_go_of_its_store(plot: Plot, server: Node, tmp_path: Path) -> None:
    """As an application opens one: the alias and its ledger are those that the operator made."""
    url = f"{server.url}&journal={tmp_path / 'operator.sqlite'}"
    with closing(connect(url)) as store:
        source = Source(table=plot.live.site, key=("uuid",), text="body", vector="")
        plot.write(1, "before")
        proposal = Proposal("Connected", source, OLD.space, OLD.name)
        store.adopt(proposal, store.inspect(proposal))
        with Mirror.connect(url, "Connected", encoders=ENCODERS) as mirror:
            mirror.insert({"body": "two"}, uuid=uid(2))
            mirror.update(uid(1), {"body": "changed"})
        assert store.outbox("Connected").owed() == 0
    assert strange_vectors(reader(plot), plot.live.site, OLD, WIDTH) == []
    with pytest.raises(UnknownName):
        Mirror.connect(url, "Nobody")
    with pytest.raises(BadValue, match="other stores"):
        Mirror.connect("memory:", "docs")
    plot.application.web.delete("/v1/aliases/Connected").raise_for_status()
    plot.application.web.delete("/v1/schema/TransvaseControl").raise_for_status()
