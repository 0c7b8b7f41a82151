"""Three copies of each object, and one of them older: its node was away while others wrote, and is the first that is asked.

The server mends such copies by itself, half a minute later or so; here it is kept from it, so that nothing passes by luck.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from transvase.adapters.weaviate import connect
from transvase.adapters.weaviate.collections.shape import shape_of
from transvase.adapters.weaviate.comparing.sweep import changed_since
from transvase.adapters.weaviate.mirror import Mirror
from transvase.adapters.weaviate.objects.cargo import Cargo
from transvase.adapters.weaviate.objects.copies import fetch, pages
from transvase.adapters.weaviate.objects.reading import Lens, Seen, page
from transvase.adapters.weaviate.objects.writing import restamp
from transvase.adapters.weaviate.wire.address import Address
from transvase.adapters.weaviate.wire.connection import Connection, connected
from transvase.core.record import Key
from transvase.core.template import reading
from transvase.migrations.cutover import cutover
from transvase.migrations.plan import plan
from transvase.migrations.rollback import rollback
from transvase.migrations.sync import Worker
from weaviate.classes.data import DataReference
from weaviate_cluster import away, leader, url_of, whole
from weaviate_independent import Reader, differences, strange_vectors
from weaviate_objects import ALIAS, WIDTH, Application, Json, Plot, plotted, uid, vector
from weaviate_server import Node, three_nodes
from weaviate_walk import ENCODERS, Walk, encoder, text_of, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long, pytest.mark.story, pytest.mark.timeout(600)]

ROWS = 40
COPIES = {"replicationConfig": {"factor": 3}}


@pytest.fixture(scope="module")
def cluster() -> Iterator[Sequence[Node]]:
    """The node that will have been away comes first; it does not lead."""
    with three_nodes({"ASYNC_REPLICATION_DISABLED": "true"}) as nodes:
        whole(nodes)
        sleeper = next(one for one in nodes if one is not leader(nodes))
        yield [sleeper, *(one for one in nodes if one is not sleeper)]


@pytest.fixture
def walk(cluster: Sequence[Node], tmp_path: Path) -> Iterator[Walk]:
    """The application speaks to a node that is never away."""
    with walked(cluster[1], tmp_path, rows=ROWS, url=url_of(cluster), **COPIES) as made:
        yield made


def written(plot: Plot, nodes: Sequence[Node]) -> list[Key]:
    """Nine objects, of which the first node missed that one was edited, one deleted and one added."""
    for number in range(8):
        plot.write(number, text_of(number))
    with away(nodes[0], nodes):
        plot.write(1, "edited while one was away")
        plot.application.delete(plot.live.site, uid(2))
        plot.write(8, "added while one was away")
    return [(uid(number),) for number in range(9)]


def opened(*nodes: Node) -> Connection:
    return connected(Address.parse(url_of(nodes)))


@pytest.mark.parametrize("kind", ["plain", "with a reference"])
def test_what_a_copy_missed_is_told_by_the_others(cluster: Sequence[Node], tmp_path: Path, kind: str) -> None:
    sharding = {"shardingConfig": {"desiredCount": 3}}
    with plotted(cluster[1], tmp_path, **COPIES, **sharding) as plot:
        site = plot.live.site
        if kind != "plain":
            reference = {"name": "to", "dataType": [site]}
            plot.application.web.post(f"/v1/schema/{site}/properties", json=reference).raise_for_status()
        keys = written(plot, cluster)
        connection = opened(*cluster)
        shape = shape_of(connection, site)
        alone = {one.key: one for one in page(connection.each[0], shape, Lens(""), after=None, limit=100)}
        assert (keys[2] in alone, keys[8] in alone, alone[keys[1]].cargo.properties["body"]) == (True, False, text_of(1))
        walked_by = [one for some in pages(connection, site, Lens(""), limit=3) for one in some]
        found = fetch(connection, shape, Lens(""), keys)
        connection.close()
        wanted = sorted(key for key in keys if key != keys[2])
        assert [one.key for one in walked_by] == sorted(found) == wanted
        for some in (found, {one.key: one for one in walked_by}):
            assert some[keys[1]].cargo.properties["body"] == "edited while one was away"
            assert some[keys[8]].vector is not None


def test_keys_are_fetched_from_a_majority_through_a_single_host_too(cluster: Sequence[Node], tmp_path: Path) -> None:
    with plotted(cluster[1], tmp_path, **COPIES) as plot:
        keys = written(plot, cluster)
        connection = opened(cluster[0])
        found = fetch(connection, shape_of(connection, plot.live.site), Lens(""), keys)
        connection.close()
        assert sorted(found) == sorted(key for key in keys if key != keys[2])
        assert found[keys[1]].cargo.properties["body"] == "edited while one was away"


@pytest.mark.parametrize("kind", ["plain", "with a reference"])
def test_through_a_single_host_a_walk_sees_what_was_edited_and_deleted_while_its_node_was_away(
    cluster: Sequence[Node], tmp_path: Path, kind: str
) -> None:
    """As through a balancer. What was added meanwhile it does not see: a plan and a proof say that."""
    with plotted(cluster[1], tmp_path, **COPIES) as plot:
        site = plot.live.site
        if kind != "plain":
            reference = {"name": "to", "dataType": [site]}
            plot.application.web.post(f"/v1/schema/{site}/properties", json=reference).raise_for_status()
        keys = written(plot, cluster)
        connection = opened(cluster[0])
        found = {one.key: one for some in pages(connection, site, Lens(""), limit=3) for one in some}
        connection.close()
        assert sorted(found) == sorted(key for key in keys if key not in (keys[2], keys[8]))
        assert found[keys[1]].cargo.properties["body"] == "edited while one was away"


def test_a_host_that_is_away_is_done_without(cluster: Sequence[Node], tmp_path: Path) -> None:
    with plotted(cluster[1], tmp_path, **COPIES) as plot:
        keys = written(plot, cluster)
        connection = opened(*cluster)
        shape = shape_of(connection, plot.live.site)
        with away(cluster[2], cluster):
            walked_by = [one.key for some in pages(connection, plot.live.site, Lens(""), limit=4) for one in some]
            assert walked_by == sorted(fetch(connection, shape, Lens(""), keys)) == sorted({*keys} - {keys[2]})
        connection.close()


def test_a_sweep_finds_what_the_first_node_missed(cluster: Sequence[Node], tmp_path: Path) -> None:
    with plotted(cluster[1], tmp_path, url=url_of(cluster), **COPIES, invertedIndexConfig={"indexTimestamps": True}) as plot:
        for number in range(8):
            plot.write(number, text_of(number))
        since = changed_since(plot.setting, plot.live.site, 0).to
        keys = written(plot, cluster)
        assert {keys[1], keys[8]} <= set(changed_since(plot.setting, plot.live.site, since + 2_001).keys)


def copies(application: Application, site: str, nodes: Sequence[Node], number: int) -> list[Json]:
    """The object as each of the nodes holds it, about which no other one is asked."""
    path, options = f"/v1/objects/{site}/{uid(number)}", {"include": "vector"}
    return [application.web.get(path, params={**options, "node_name": one.name}).json() for one in nodes]


@pytest.mark.parametrize("hosts", [3, 1])
def test_a_vector_that_is_written_alone_comes_to_no_older_text(cluster: Sequence[Node], tmp_path: Path, hosts: int) -> None:
    """The server would write it into the older copy as well, with a new time; nobody would see or mend that any more."""
    with plotted(cluster[1], tmp_path, **COPIES) as plot:
        keys = [plot.write(number, text_of(number)) for number in range(9)]
        with away(cluster[0], cluster):
            for number in range(9):
                plot.write(number, f"edited, {number}")
        (older,) = copies(plot.application, plot.live.site, cluster[:1], 0)
        assert older["properties"]["body"] == text_of(0), "without that there is nothing to be mended"
        connection = opened(*[*cluster[1:], cluster[0]][:hosts])
        shape, read = shape_of(connection, plot.live.site), reading("{body}", ["body"])
        for number, key in enumerate(keys):
            wanted = np.array(vector(number), dtype=np.float32)
            one = Seen(key, Cargo({"body": f"edited, {number}", "team": "red"}), wanted)
            restamp(connection, shape, one, moving="", width=WIDTH, read=read)
        connection.close()
        for number in range(9):
            for one in copies(plot.application, plot.live.site, cluster, number):
                assert one["properties"]["body"] == f"edited, {number}"
                assert np.array_equal(np.float32(one["vector"]), np.float32(vector(number)))


def updated(mirror: Mirror, numbers: Sequence[int]) -> None:
    for number in numbers:
        mirror.update(uid(number), {"team": "blue"})


def referred(mirror: Mirror, numbers: Sequence[int]) -> None:
    for number in numbers:
        mirror.reference_add(uid(number), "cites", uid(0))


def referred_together(mirror: Mirror, numbers: Sequence[int]) -> None:
    refs = [DataReference(from_uuid=uid(number), from_property="cites", to_uuid=uid(0)) for number in numbers]
    assert not mirror.reference_add_many(refs).has_errors


@pytest.mark.parametrize("written", [updated, referred, referred_together])
def test_a_part_that_is_written_through_mirror_leaves_nothing_older_in_a_copy(
    cluster: Sequence[Node], tmp_path: Path, written: Callable[[Mirror, Sequence[int]], None]
) -> None:
    with walked(cluster[1], tmp_path, rows=9, url=url_of([*cluster[1:], cluster[0]]), **COPIES) as walk:
        prop = {"name": "cites", "dataType": [walk.table]}
        assert walk.application.web.post(f"/v1/schema/{walk.table}/properties", json=prop).is_success
        walk.adopted()
        with away(cluster[0], cluster):
            for number in range(9):
                walk.write(number, f"edited, {number}")
        with Mirror.connect(walk.url, walk.alias, encoders=ENCODERS) as mirror:
            written(mirror, range(9))
        for number in range(9):
            told = [one["properties"] for one in copies(walk.application, walk.table, cluster, number)]
            assert told == [told[0]] * 3
            assert told[0]["body"] == f"edited, {number}"
            assert told[0]["team"] == "blue" if written is updated else len(told[0]["cites"]) == 1


def test_what_a_copy_lacks_altogether_is_not_taken_for_lost_from_its_vector_index(
    cluster: Sequence[Node], tmp_path: Path
) -> None:
    """It would be written anew on the live side, beside everybody who writes there, as often as it is paid."""
    with plotted(cluster[1], tmp_path, url=url_of([*cluster[1:], cluster[0]]), **COPIES) as plot:
        plot.write(0, text_of(0))
        with away(cluster[0], cluster):
            keys = [plot.write(number, text_of(number)) for number in range(1, 20)]
        before = plot.application.all(plot.live.site)
        for only in (None, plot.live.site):
            plot.ledger.owe(ALIAS, keys, only=only)
            plot.pay()
            assert plot.outbox.owed() == 0
        assert plot.application.all(plot.live.site) == before


def strangers(walk: Walk, *, start: int, to: str, by: str) -> None:
    """An edit, a deletion and a new object, past Mirror."""
    walk.write(start, f"edited while one was away, {by}", to=to, by=by)
    walk.application.delete(to, uid(start + 1))
    walk.write(start + 1_000, f"added while one was away, {by}", to=to, by=by)


def missed(node: Node, side: str, start: int) -> bool:
    """The node's own copy has the object that was deleted, and not the one that was added."""
    connection = opened(node)
    shape = shape_of(connection, side)
    held = {one.key for one in page(connection.each[0], shape, Lens("").keys_only(), after=None, limit=1_000)}
    connection.close()
    return (uid(start + 1),) in held and (uid(start + 1_000),) not in held


def alike(walk: Walk, nodes: Sequence[Node]) -> None:
    """Both sides hold what was written, on the nodes that were never away."""
    alias = walk.store.alias(walk.alias)
    assert alias.shadow is not None
    reader = Reader(walk.application.web)
    assert differences(reader, alias.live.name, alias.shadow.name) == []
    for side in (alias.live, alias.shadow):
        assert strange_vectors(reader, side.name, encoder(str(side.encoder)), side.width) == []


def test_writes_that_the_operators_own_node_missed_survive_a_cutover_and_a_rollback(walk: Walk, cluster: Sequence[Node]) -> None:
    """Each move is made by an operator who is new, and whose first host is the node that was away."""
    target = walk.ready()
    with away(cluster[0], cluster):
        strangers(walk, start=3, to=walk.table, by="old")
    assert missed(cluster[0], walk.table, 3)
    operator = connect(walk.url)
    cutover(operator, walk.alias, encoders=encoder)
    assert Worker(operator, walk.alias, encoder).pay_up(deadline_s=30) == 0
    operator.close()
    assert walk.named() == target
    held = {uuid: one["properties"]["body"] for uuid, one in Reader(walk.application.web).objects(target).items()}
    assert held[uid(3)] == "edited while one was away, old"
    assert held[uid(1_003)] == "added while one was away, old"
    assert uid(4) not in held
    alike(walk, cluster)
    with away(cluster[0], cluster):
        strangers(walk, start=5, to=target, by="new")
    assert missed(cluster[0], target, 5)
    operator = connect(walk.url)
    rollback(operator, walk.alias, encoders=encoder)
    assert Worker(operator, walk.alias, encoder).pay_up(deadline_s=30) == 0
    operator.close()
    assert walk.named() == walk.table
    held = {uuid: one["properties"]["body"] for uuid, one in Reader(walk.application.web).objects(walk.table).items()}
    assert held[uid(5)] == "edited while one was away, new"
    assert held[uid(1_005)] == "added while one was away, new"
    assert held.keys() == {uid(number) for number in (*range(ROWS), 1_003, 1_005) if number not in (4, 6)}
    alike(walk, cluster)


def test_a_plan_and_a_proof_say_that_the_address_names_too_few_nodes(walk: Walk, cluster: Sequence[Node]) -> None:
    walk.adopted()
    said = " ".join(plan(walk.store, walk.alias, to="new", encoders=encoder).warnings)
    assert "the URL names" not in said
    operator = connect(f"{cluster[0].url}&journal={walk.url.partition('&journal=')[2]}")
    said = " ".join(plan(operator, walk.alias, to="new", encoders=encoder).warnings)
    assert "the URL names 1 host" in said
    live = walk.store.alias(walk.alias).live.name
    assert "the URL names" not in str(walk.store.index(walk.alias, live).census().remarks)
    assert "the URL names 1 host" in str(operator.index(walk.alias, live).census().remarks)
    operator.close()
