"""The harness is a real server's: it answers, forgets nothing when it is killed, and three of it are one cluster."""

from __future__ import annotations

import urllib.error
import urllib.request

import pytest
from weaviate_server import VARIABLE, Node, binary, three_nodes

pytestmark = pytest.mark.weaviate


def test_a_variable_that_names_no_program_fails_and_does_not_skip(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, "/nowhere/weaviate")
    with pytest.raises(pytest.fail.Exception, match="is not a program"):
        binary()


def test_an_alias_is_made_moved_read_and_removed(server: Node) -> None:
    with server.client() as client:
        for name in ("First", "Second"):
            client.collections.create(name)
        client.alias.create(alias_name="Live", target_collection="First")
        assert client.alias.update(alias_name="Live", new_target_collection="Second")
        found = client.alias.get(alias_name="Live")
        assert found is not None
        assert found.collection == "Second"
        assert client.alias.delete(alias_name="Live")
        assert client.alias.get(alias_name="Live") is None


def test_what_was_acknowledged_outlives_a_kill(server: Node) -> None:
    with server.client() as client:
        kept = client.collections.create("Kept").data.insert({"text": "a"}, vector=[1.0, 0.0])
    server.kill()
    assert not server.running
    server.start()
    server.wait()
    with server.client() as client:
        found = client.collections.use("Kept").query.fetch_object_by_id(kept, include_vector=True)
    assert found is not None
    assert found.vector["default"] == [1.0, 0.0]


def test_a_frozen_server_answers_nothing_until_it_is_thawed(server: Node) -> None:
    server.freeze()
    try:
        with pytest.raises((TimeoutError, urllib.error.URLError)):
            urllib.request.urlopen(f"http://127.0.0.1:{server.rest}/v1/.well-known/live", timeout=0.5)
        assert not server.ready()
    finally:
        server.thaw()
    server.wait()


@pytest.mark.timeout(300)
def test_three_nodes_are_one_cluster_and_one_of_them_may_stop() -> None:
    with three_nodes() as nodes:
        with nodes[0].client() as client:
            assert {one.name for one in client.cluster.nodes()} == {one.name for one in nodes}
            client.collections.create("Everywhere")
        nodes[2].stop()
        with nodes[1].client() as client:
            client.alias.create(alias_name="Live", target_collection="Everywhere")
        nodes[2].start()
        nodes[2].wait()
        with nodes[2].client() as client:
            found = client.alias.get(alias_name="Live")
            assert found is not None
            assert found.collection == "Everywhere"
