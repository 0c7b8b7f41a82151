"""An application changes one line: the same program, given the driver's collection or a Mirror, does and is told the same."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from transvase.adapters.weaviate.mirror import Mirror, live
from transvase.adapters.weaviate.wire.address import Address
from transvase.adapters.weaviate.wire.connection import connected
from transvase.core.errors import BadValue, SpaceMismatch, StoreFailed
from weaviate.classes.data import DataObject, DataReference
from weaviate.classes.query import Filter
from weaviate.classes.tenants import Tenant, TenantActivityStatus
from weaviate.collections.classes.config import ConsistencyLevel
from weaviate.outputs.batch import BatchObjectReturn, BatchReferenceReturn, ErrorObject, ErrorReference
from weaviate_mirrors import assert_alike, mirrored, pay, reader
from weaviate_objects import ALIAS, OLD, WIDTH, Plot, collection, encoded, plotted, uid
from weaviate_server import Node

pytestmark = [pytest.mark.weaviate, pytest.mark.long]

PLAIN = "Plain"


def own(text: str) -> list[float]:
    """The vector that this application brings."""
    found: list[float] = encoded(OLD, [text], WIDTH).matrix[0].tolist()
    return found


STRANGE = [0.5] * 5


@pytest.fixture
def friends(server: Node, tmp_path: Path) -> Iterator[Plot]:
    """Both sides, and a collection of the driver's own, with references into themselves."""
    with plotted(server, tmp_path) as made:
        made.application.make(collection(PLAIN))
        for site in (made.live.site, made.shadow.site, PLAIN):
            prop = {"name": "friends", "dataType": [site]}
            made.application.web.post(f"/v1/schema/{site}/properties", json=prop).raise_for_status()
        yield made
        made.application.web.delete(f"/v1/schema/{PLAIN}").raise_for_status()


@pytest.fixture
def tenanted(server: Node, tmp_path: Path) -> Iterator[Plot]:
    with plotted(server, tmp_path, multiTenancyConfig={"enabled": True}) as made:
        made.application.make(collection(PLAIN, multiTenancyConfig={"enabled": True}))
        yield made
        made.application.web.delete(f"/v1/schema/{PLAIN}").raise_for_status()


def both(plot: Plot, server: Node, program: Callable[[Any], Any]) -> tuple[Any, Any]:
    """What the program says of the driver's collection, and of a Mirror."""
    client = server.client()
    try:
        theirs = program(client.collections.use(PLAIN))
    finally:
        client.close()
    with mirrored(plot) as mirror:
        return theirs, program(mirror)


def by_id(objects: list[Any] | None) -> object:
    return None if objects is None else sorted((str(one.uuid), one.successful, one.error) for one in objects)


def refused(one: ErrorObject) -> object:
    """All that an application reads of it but the sentence, which is the server's there and ours here."""
    assert isinstance(one, ErrorObject)
    assert one.message
    whole = one.object_
    return (one.original_uuid, str(whole.uuid), whole.properties, whole.vector, whole.references, whole.tenant, whole.index)


def written(notes: Any) -> list[object]:
    """The calls for single objects, most of them by position."""
    told: list[object] = [notes.data.insert({"body": "one"}, None, uid(1), own("one"))]
    told.append(isinstance(notes.data.insert({"body": "nameless"}), UUID))
    notes.data.insert({"body": "two"}, {"friends": (uid(1),)}, str(uid(2)))
    notes.data.replace(uid(1), {"body": "one again"}, None, own("one again"))
    notes.data.update(uid(2), {"team": "red"}, {"friends": [uid(1), uid(2)]})
    notes.data.with_data_model(dict[str, Any]).insert(properties={"body": "three"}, uuid=uid(3), references=None, vector=None)
    notes.data.reference_add(uid(3), "friends", uid(1))
    notes.data.reference_add(uid(3), "friends", uid(2))
    notes.data.reference_delete(uid(3), "friends", uid(1))
    notes.data.reference_replace(uid(1), "friends", [uid(1), uid(3)])
    told += [notes.data.delete_by_id(uid(3)), notes.data.exists(uid(1)), notes.data.exists(uid(9)), notes.exists()]
    return told


def gathered(notes: Any) -> list[object]:
    """The calls for several."""
    some = [{"body": "a"}, DataObject({"body": "b"}, uid(12), STRANGE), DataObject({"body": "c"}, uid(13), own("c"))]
    notes.data.insert({"body": "the first one"}, None, uid(10), own("the first one"))
    many = notes.data.insert_many(some)
    assert isinstance(many, BatchObjectReturn)
    told: list[object] = [sorted(many.uuids), many.uuids[2], many.has_errors, {n: refused(e) for n, e in many.errors.items()}]
    with notes.batch.fixed_size(2, 1) as batch:
        vectors = [own(f"{number}") if number != 22 else STRANGE for number in range(20, 25)]
        told += [batch.add_object({"body": f"{n}"}, None, uid(n), one) for n, one in enumerate(vectors, 20)]
        batch.add_reference(uid(20), "friends", [uid(21), uid(23)])
        batch.add_reference(uid(20), "nothing", uid(21))
    told += [batch.number_errors, sorted(notes.batch.results.objs.uuids), [refused(one) for one in notes.batch.failed_objects]]
    told += [lined(one) for one in notes.batch.failed_references]
    refs = [
        DataReference("friends", uid(13), uid(10)),
        DataReference("nothing", uid(13), uid(12)),
        DataReference("friends", uid(13), [uid(20), uid(24)]),
    ]
    added = notes.data.reference_add_many(refs)
    assert isinstance(added, BatchReferenceReturn)
    told += [added.has_errors, {number: lined(one) for number, one in added.errors.items()}]
    for options in ({"dry_run": True}, {"dry_run": True, "verbose": True}, {"verbose": True}, {}):
        done = notes.data.delete_many(Filter.by_property("body").like("2*"), **options)
        told.append((done.matches, done.successful, done.failed, by_id(done.objects)))
    return told


def lined(one: ErrorReference) -> object:
    assert isinstance(one, ErrorReference)
    assert one.message
    whole = one.reference
    return (
        str(whole.from_object_uuid),
        whole.from_property_name,
        str(whole.to_object_uuid),
        whole.to_object_collection,
        whole.tenant,
    )


def housed(notes: Any) -> list[object]:
    """The calls about tenants."""
    tenants = notes.tenants
    tenants.create(["ada", Tenant(name="bob", activity_status=TenantActivityStatus.INACTIVE), "eve"])
    told: list[object] = [tenants.get(), tenants.get_by_name("bob"), tenants.get_by_name("nobody"), tenants.exists("eve")]
    tenants.activate("bob")
    tenants.deactivate(["ada", Tenant(name="eve")])
    told += [tenants.get_by_names(["ada", Tenant(name="bob"), "nobody"]), tenants.exists(Tenant(name="nobody"))]
    tenants.update([Tenant(name="ada", activity_status=TenantActivityStatus.ACTIVE)])
    tenants.remove("eve")
    notes.with_tenant("ada").data.insert({"body": "ada's"}, None, uid(1))
    bob = notes.with_tenant(Tenant(name="bob"))
    with bob.batch.dynamic() as batch:
        batch.add_object({"body": "bob's"}, uuid=uid(1))
    told += [bob.batch.failed_objects, bob.tenant, bob.data.exists(uid(1)), tenants.get()]
    return told


@pytest.mark.parametrize("program", [written, gathered])
def test_one_line_changes_and_the_program_does_and_hears_the_same(friends: Plot, server: Node, program: Any) -> None:
    theirs, ours = both(friends, server, program)
    assert ours == theirs
    pay(friends)
    assert_alike(friends)
    sides = [reader(friends).objects(name) for name in (PLAIN, friends.live.site)]
    kept = [
        {uuid: bare(one, name) for uuid, one in side.items() if uuid in KNOWN}
        for side, name in zip(sides, (PLAIN, friends.live.site), strict=True)
    ]
    assert kept[0] == kept[1]
    assert len(sides[0]) == len(sides[1])


KNOWN = {uid(number) for number in range(30)}


def bare(one: dict[str, Any], name: str) -> object:
    """Its properties, with references that lead into the collection itself."""
    return {
        key: sorted(to["beacon"].replace(f"/{name}/", "/") for to in value) if key == "friends" else value
        for key, value in one["properties"].items()
    }


def test_tenants_are_told_as_the_driver_tells_them(tenanted: Plot, server: Node) -> None:
    theirs, ours = both(tenanted, server, housed)
    assert ours == theirs
    assert_alike(tenanted, size=2)


def test_ingest_writes_all_that_comes_and_tells_the_rest(plot: Plot) -> None:
    with mirrored(plot) as mirror:
        some = (DataObject({"body": f"text {n}"}, uid(n), STRANGE if n == 250 else own(f"text {n}")) for n in range(450))
        done = mirror.data.ingest(some)
        assert isinstance(done, BatchObjectReturn)
        assert (len(done.uuids), list(done.errors)) == (449, [250])
    assert_alike(plot, size=449)


def test_where_nothing_is_taken_that_is_an_error(plot: Plot) -> None:
    """As with the driver, whose callers look at errors of single objects only."""
    with mirrored(plot) as mirror:
        with pytest.raises(SpaceMismatch):
            mirror.data.insert_many([DataObject({"body": "a"}, vector=STRANGE)])
        with pytest.raises(StoreFailed, match="none of 2 objects was taken"):
            mirror.data.insert_many([{"body": 5}, {"body": 6}])
        assert mirror.data.insert_many([]).uuids == {}
        assert plot.outbox.owed() == 0
    assert_alike(plot, size=0)


def test_a_batch_that_waits_in_vain_for_one_request_goes_on_with_the_others(plot: Plot, server: Node) -> None:
    """The server is frozen for the time of one request; what failed can be added again as it is told."""
    plot.connection = connected(Address.parse(f"{server.url}&timeout=2"))
    with closing(plot.connection), mirrored(plot) as mirror:
        mirror.insert({"body": "warm"}, uuid=uid(99))
        with mirror.batch.fixed_size(10) as batch:
            for number in range(30):
                if number == 19:
                    server.freeze()
                batch.add_object({"body": f"text {number}"}, uuid=uid(number), vector=own(f"text {number}"))
                if number == 19:
                    server.thaw()
        assert [one.object_.uuid for one in mirror.batch.failed_objects] == [str(uid(number)) for number in range(10, 20)]
        assert all("timed out" in one.message or "deadline" in one.message.lower() for one in mirror.batch.failed_objects)
        assert (batch.number_errors, sorted(mirror.batch.results.objs.errors)) == (10, list(range(10, 20)))
        failed = mirror.batch.failed_objects
        with mirror.batch.dynamic() as again:
            for one in failed:
                again.add_object(one.object_.properties, one.object_.references, one.object_.uuid, one.object_.vector)
        assert mirror.batch.failed_objects == []
        pay(plot)
    assert_alike(plot, size=31)


def test_a_batch_waits_for_a_server_that_comes_back(plot: Plot, server: Node) -> None:
    with mirrored(plot) as mirror:
        with mirror.batch.fixed_size(10) as batch, ThreadPoolExecutor(1) as thread:
            batch.add_object({"body": "before"}, uuid=uid(1))
            batch.flush()
            server.kill()
            batch.add_object({"body": "after"}, uuid=uid(2))
            sent = thread.submit(batch.flush)
            time.sleep(0.5)
            assert not sent.done()
            server.start()
            server.wait()
            sent.result()
        assert mirror.batch.failed_objects == []
        pay(plot)
    assert_alike(plot, size=2)


def test_references_that_fail_together_are_told_and_the_block_goes_on(friends: Plot, monkeypatch: pytest.MonkeyPatch) -> None:
    def silent(*_: object, **__: object) -> None:
        raise StoreFailed("no answer", code="timed out")

    with mirrored(friends) as mirror:
        mirror.insert_many([DataObject({"body": f"text {number}"}, uid(number)) for number in range(4)])
        with mirror.batch.dynamic() as batch:
            with monkeypatch.context() as patched:
                patched.setattr(live, "refer_many", silent)
                batch.add_reference(uid(1), "friends", [uid(2), uid(3)])
                batch.flush()
            batch.add_reference(uid(0), "friends", uid(3))
        told = [(one.message, one.reference.from_object_uuid, one.reference.to_object_uuid) for one in batch.failed_references]
        assert told == [("no answer [timed out]", str(uid(1)), str(uid(to))) for to in (2, 3)]
        assert mirror.batch.failed_references == batch.failed_references
        pay(friends)
    assert_alike(friends, size=4)
    assert "friends" in reader(friends).objects(friends.live.site)[uid(0)]["properties"]


def test_a_block_that_ends_by_an_error_sends_what_was_added(plot: Plot) -> None:
    with mirrored(plot) as mirror:
        with pytest.raises(ZeroDivisionError), mirror.batch.dynamic() as batch:
            batch.add_object({"body": "one", "pages": len(str(batch.add_object({"body": "two"}, uuid=uid(1)))) // 0})
        mirror.batch.fixed_size()
        assert mirror.batch.results.objs.uuids == {}, "of the batch that was opened last"
    assert_alike(plot, size=1)


def test_the_same_dictionary_filled_anew_for_each_object_is_told_as_it_was(plot: Plot) -> None:
    with mirrored(plot) as mirror:
        properties: dict[str, Any] = {}
        with mirror.batch.dynamic() as batch:
            for number in range(3):
                properties["body"] = f"text {number}"
                batch.add_object(properties, uuid=uid(number), vector=STRANGE)
        assert [one.object_.properties["body"] for one in batch.failed_objects] == ["text 0", "text 1", "text 2"]
    assert_alike(plot, size=0)


def test_threads_may_share_one_batch(plot: Plot) -> None:
    with mirrored(plot) as mirror, mirror.batch.fixed_size(30) as batch, ThreadPoolExecutor(4) as threads:
        for done in [threads.submit(batch.add_object, {"body": f"text {number}"}, uuid=uid(number)) for number in range(200)]:
            done.result()
    assert sorted(batch._tally.results.objs.uuids) == list(range(200))
    assert_alike(plot, size=200)


def test_a_rate_that_is_limited_is_kept(plot: Plot) -> None:
    with mirrored(plot) as mirror:
        begun = time.monotonic()
        with mirror.batch.rate_limit(600) as batch:
            for number in range(16):
                batch.add_object({"body": f"text {number}"}, uuid=uid(number))
                if number % 5 == 4:
                    batch.flush()
        assert time.monotonic() - begun >= 1.5, "fifteen before the last, ten a second"
        with pytest.raises(BadValue):
            mirror.batch.rate_limit(0)
    assert_alike(plot, size=16)


def test_indexing_is_waited_for(plot: Plot) -> None:
    with mirrored(plot) as mirror:
        with mirror.batch.stream(concurrency=3) as batch:
            batch.add_object({"body": "one"}, uuid=uid(1))
        mirror.batch.wait_for_vector_indexing()
    assert_alike(plot, size=1)


def test_a_level_of_consistency_is_taken_where_quorum_fulfils_it(plot: Plot) -> None:
    with mirrored(plot) as mirror:
        view = mirror.with_consistency_level(ConsistencyLevel.QUORUM)
        view.close()
        view.data.insert({"body": "one"}, uuid=uid(1))
        with pytest.raises(BadValue, match="QUORUM"):
            mirror.with_consistency_level(ConsistencyLevel.ALL)
    assert_alike(plot, size=1)


def test_a_collection_that_is_gone_is_told_as_the_driver_tells_it(plot: Plot) -> None:
    with mirrored(plot) as mirror:
        assert isinstance(mirror, Mirror)
        assert (mirror.exists(), mirror.name) == (True, ALIAS)
        plot.application.web.delete(f"/v1/schema/{plot.live.site}").raise_for_status()
        assert mirror.exists() is False


def test_a_batch_to_a_side_that_is_retired_under_it_goes_to_the_other(
    plot: Plot, server: Node, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where auto-schema is off the server refuses each object by itself."""
    server.stop()
    server.start(AUTOSCHEMA_ENABLED="false")
    server.wait()
    plain = live.insert_many

    def late(*args: Any, **named: Any) -> Any:
        monkeypatch.undo()
        plot.swapped = True
        plot.ledger.end_capture(ALIAS)
        plot.application.web.delete(f"/v1/schema/{plot.live.site}").raise_for_status()
        return plain(*args, **named)

    with mirrored(plot) as mirror:
        mirror.insert({"body": "before"}, uuid=uid(1))
        monkeypatch.setattr(live, "insert_many", late)
        with mirror.batch.dynamic() as batch:
            batch.add_object({"body": "after"}, uuid=uid(2))
        assert batch.failed_objects == []
    assert plot.application.web.get(f"/v1/schema/{plot.live.site}").status_code == 404
    assert sorted(reader(plot).objects(plot.shadow.site)) == sorted([uid(1), uid(2)])
