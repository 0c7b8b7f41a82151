"""Tenants in every state are listed, woken for the time of the work, put back, and made alike on two collections."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
from transvase.adapters.weaviate.collections.activity import Activity
from transvase.adapters.weaviate.collections.schema import derived, schema_of
from transvase.adapters.weaviate.collections.tenants import Tenants
from transvase.adapters.weaviate.wire.address import Address
from transvase.adapters.weaviate.wire.connection import Connection
from transvase.adapters.weaviate.wire.credentials import Credentials
from transvase.core.errors import StoreFailed, Superseded, Unfit, UnknownName
from weaviate_doors import Shelf, shelving
from weaviate_ground import put, self_provided
from weaviate_server import needed, node, place, running

pytestmark = pytest.mark.weaviate

A, I = Activity.ACTIVE, Activity.INACTIVE  # noqa: E741 - read in a table


@pytest.fixture
def many(connection: Connection, make: Callable[..., str]) -> str:
    return make(multiTenancyConfig={"enabled": True})


def test_two_hundred_tenants_are_made_and_listed_in_order_with_their_states(connection: Connection, many: str) -> None:
    states = {f"t{number:03}": I if number % 3 else A for number in range(230)}
    Tenants(connection, many).add(states)
    assert list(Tenants(connection, many).statuses().items()) == sorted(states.items())
    Tenants(connection, many).add({"t000": I})
    assert Tenants(connection, many).status("t000") is A, "one that is there stays as it is"
    Tenants(connection, many).remove(tuple(name for name in states if name > "t009"))
    assert len(Tenants(connection, many).statuses()) == 10


def test_one_that_sleeps_is_woken_and_put_back_also_after_a_failure(connection: Connection, many: str) -> None:
    tenants = Tenants(connection, many)
    tenants.add({"asleep": A, "awake": A})
    put(connection, many, 3, tenant="asleep")
    tenants.bring({"asleep": I})
    with pytest.raises(Unfit):
        connection.count(many, "asleep")
    with tenants.awake("asleep") as found:
        assert found is I
        assert connection.count(many, "asleep") == 10
    assert tenants.statuses() == {"asleep": I, "awake": A}
    with pytest.raises(ZeroDivisionError), tenants.awake("asleep"):
        _ = 1 / 0
    with tenants.awake("awake") as found:
        assert found is A
    assert tenants.statuses() == {"asleep": I, "awake": A}


def test_the_last_who_leaves_puts_it_to_sleep(connection: Connection, many: str) -> None:
    """Also where each came by an object of his own."""
    Tenants(connection, many).add({"a": I})
    inside, leave = threading.Barrier(4), threading.Event()
    founds: list[Activity] = []

    def visit() -> None:
        with Tenants(connection, many).awake("a") as found:
            founds.append(found)
            inside.wait(20)
            leave.wait(20)

    threads = [threading.Thread(target=visit) for _ in range(3)]
    for thread in threads:
        thread.start()
    inside.wait(20)
    with Tenants(connection, many).awake("a"):
        pass
    assert Tenants(connection, many).status("a") is A, "three are still inside"
    leave.set()
    for thread in threads:
        thread.join()
    assert founds == [I, I, I]
    assert Tenants(connection, many).status("a") is I


def test_a_tenant_that_is_not_there_and_a_collection_that_is_gone_are_named(connection: Connection, many: str) -> None:
    tenants = Tenants(connection, many)
    with pytest.raises(UnknownName, match="nobody"), tenants.awake("nobody"):
        pass
    with pytest.raises(Superseded):
        Tenants(connection, "Gone").statuses()
    tenants.add({"a": A})
    with pytest.raises(StoreFailed, match="offload"):
        tenants.bring({"a": Activity.OFFLOADED})


def test_a_target_gets_the_same_tenants_and_later_the_same_states(connection: Connection, many: str) -> None:
    connection.rest(
        "POST", "/schema", body=derived(schema_of(connection, many), name=f"{many}_1", vector="", width=4, metric="cosine")
    )
    try:
        source, target = Tenants(connection, many), Tenants(connection, f"{many}_1")
        source.add({"a": A, "b": I, "c": A, "d": I})
        target.add({"c": I, "d": A, "left-over": A})
        unlike = source.compared(target)
        assert dict(unlike.missing) == {"a": A, "b": I}
        assert dict(unlike.otherwise) == {"c": A, "d": I}
        assert unlike.extra == ("left-over",)
        source.mirrored(target)
        assert target.statuses() == {"a": A, "b": I, "c": I, "d": A, "left-over": A}
        source.mirrored(target, states=True)
        assert target.statuses() == {"a": A, "b": I, "c": A, "d": I, "left-over": A}
        assert source.mirrored(target, states=True).extra == ("left-over",), "nothing is removed unasked"
    finally:
        connection.rest("DELETE", f"/schema/{many}_1")


def test_a_state_that_is_wanted_while_somebody_is_inside_comes_when_he_leaves(connection: Connection, many: str) -> None:
    tenants = Tenants(connection, many)
    tenants.add({"a": I, "b": I, "c": I})
    with tenants.awake("a"), tenants.awake("b"):
        assert tenants.wanted() == {"a": I, "b": I, "c": I}
        tenants.want({"a": A, "c": A})
        assert tenants.statuses() == {"a": A, "b": A, "c": A}
        assert tenants.wanted() == {"a": A, "b": I, "c": A}
    assert tenants.statuses() == {"a": A, "b": I, "c": A}


def test_names_with_characters_of_a_path_are_carried(connection: Connection, many: str) -> None:
    tenants = Tenants(connection, many)
    tenants.add({"Ten-ant_1": I})
    with tenants.awake("Ten-ant_1"):
        put(connection, many, 3, tenant="Ten-ant_1")
    assert tenants.status("Ten-ant_1") is I


@pytest.fixture(scope="module")
def shelved() -> Iterator[tuple[Connection, Shelf]]:
    """A server that can put tenants away, with a collection whose tenants ``a`` and ``b`` hold ten objects each."""
    with shelving() as shelf, place() as folder:
        one = node(needed(), folder=folder)
        one.env.update(shelf.settings())
        with running([one]):
            connection = Connection(Address.parse(one.url), Credentials())
            for name in ("Cold", "Cold_1"):
                body = {"class": name, "vectorConfig": {"default": self_provided()}, "multiTenancyConfig": {"enabled": True}}
                connection.rest("POST", "/schema", body=body)
            Tenants(connection, "Cold").add({"a": A, "b": A})
            for tenant in ("a", "b"):
                put(connection, "Cold", 3, tenant=tenant)
            yield connection, shelf
            connection.close()


def settled(tenants: Tenants, tenant: str, wanted: Activity) -> None:
    """Return when the server has come to the state."""
    end = time.monotonic() + 20
    while tenants.status(tenant) is not wanted:
        assert time.monotonic() < end, f"{tenant} stays {tenants.status(tenant)}"
        time.sleep(0.05)


def test_one_that_was_offloaded_is_fetched_read_and_put_away_again(shelved: tuple[Connection, Shelf]) -> None:
    connection, shelf = shelved
    tenants = Tenants(connection, "Cold")
    tenants.bring({"a": Activity.OFFLOADED})
    settled(tenants, "a", Activity.OFFLOADED)
    assert any("cold/a/" in name for name in shelf.buckets["cold"])
    with pytest.raises(Unfit):
        connection.count("Cold", "a")
    with tenants.awake("a") as found:
        assert found is Activity.OFFLOADED
        assert connection.count("Cold", "a") == 10
        assert put(connection, "Cold", 3, tenant="a", start=50) == set()
    settled(tenants, "a", Activity.OFFLOADED)
    assert tenants.statuses() == {"a": Activity.OFFLOADED, "b": A}
    with tenants.awake("a"):
        assert connection.count("Cold", "a") == 20
    settled(tenants, "a", Activity.OFFLOADED)


def test_the_copy_of_one_that_is_put_away_sleeps(shelved: tuple[Connection, Shelf]) -> None:
    connection, _ = shelved
    source, target = Tenants(connection, "Cold"), Tenants(connection, "Cold_1")
    source.bring({"a": Activity.OFFLOADED})
    settled(source, "a", Activity.OFFLOADED)
    source.mirrored(target)
    assert target.statuses() == {"a": I, "b": A}
    with target.awake("a"):
        put(connection, "Cold_1", 4, tenant="a")
    source.mirrored(target, states=True)
    assert target.statuses() == {"a": I, "b": A}, "one that is asleep is not put away by itself"
    assert source.compared(target).otherwise == {}
    with target.awake("a"):
        assert connection.count("Cold_1", "a") == 10


def test_one_that_could_not_be_fetched_is_not_taken_for_empty(shelved: tuple[Connection, Shelf]) -> None:
    """The server says ACTIVE of it, and counts nothing: a fill would skip it, and a reconciliation empty the other side."""
    connection, shelf = shelved
    tenants = Tenants(connection, "Cold")
    tenants.bring({"b": Activity.OFFLOADED})
    settled(tenants, "b", Activity.OFFLOADED)
    stored = dict(shelf.buckets["cold"])
    shelf.broken = True
    with (
        pytest.raises(StoreFailed, match=r"tenant b of Cold was OFFLOADED and (came back empty|did not wake)"),
        tenants.awake("b"),
    ):
        pass
    shelf.broken = False
    assert {name: data for name, data in shelf.buckets["cold"].items() if "/b/" in name} == {
        name: data for name, data in stored.items() if "/b/" in name
    }
    assert tenants.status("b") is A, "nothing was put over what is stored"
