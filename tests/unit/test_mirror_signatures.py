"""Mirror stands where the driver's collection stood: what the installed driver takes for writes, it takes in the same form."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from inspect import Parameter
from pathlib import Path
from typing import Any

import pytest
from transvase.core.errors import Lacking, Misuse

weaviate = pytest.importorskip("weaviate")

from transvase.adapters.ledger import connect  # noqa: E402
from transvase.adapters.weaviate.mirror import Mirror  # noqa: E402
from transvase.adapters.weaviate.mirror.batch import Batch  # noqa: E402
from transvase.adapters.weaviate.mirror.lacking import INSTEAD  # noqa: E402
from transvase.adapters.weaviate.objects.setting import Setting  # noqa: E402
from transvase.adapters.weaviate.wire.address import Address  # noqa: E402
from transvase.adapters.weaviate.wire.connection import Connection  # noqa: E402
from transvase.adapters.weaviate.wire.credentials import Credentials  # noqa: E402
from weaviate.collections.batch.collection import BatchCollection, BatchCollectionSync  # noqa: E402
from weaviate.connect import ConnectionParams  # noqa: E402

NOWHERE = "weaviate://127.0.0.1:1?grpc=2"


class Ground:
    """A store of one alias on a server that nobody asks."""

    def __init__(self, folder: Path) -> None:
        self._connection = Connection(Address.parse(NOWHERE), Credentials())
        self._ledger = connect(folder / "ledger.sqlite")

    def setting(self, alias: str) -> Setting:
        return Setting(
            connection=self._connection, ledger=self._ledger, alias=alias, look=lambda: pytest.fail("asked"), clock=lambda: 0
        )

    def close(self) -> None:
        self._ledger.close()
        self._connection.close()


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Mirror]:
    ground = Ground(tmp_path)
    with Mirror(ground, "handbook") as mirror:
        yield mirror
    ground.close()


@pytest.fixture(scope="module")
def theirs() -> Iterator[Any]:
    """The driver's own collection; it asks no server before it is used."""
    client = weaviate.WeaviateClient(ConnectionParams.from_url("http://127.0.0.1:1", 2), skip_init_checks=True)
    yield client.collections.use("Notes")
    client.close()


def public(one: object) -> list[str]:
    return [name for name in dir(one) if not name.startswith("_")]


def differences(ours: Any, theirs: Any) -> list[str]:
    """What a caller of ``theirs`` may write that ``ours`` would take otherwise, or not at all."""
    wanted, there = (list(inspect.signature(one).parameters.values()) for one in (theirs, ours))
    told = []
    for at, one in enumerate(wanted):
        other = next((other for other in there if other.name == one.name), None)
        if other is None:
            told.append(f"{one.name} is missing")
        elif one.kind is Parameter.POSITIONAL_OR_KEYWORD and (there.index(other) != at or other.kind is not one.kind):
            told.append(f"{one.name} is not argument {at}")
        elif one.default is not Parameter.empty and other.default != one.default:
            told.append(f"{one.name} is {other.default!r} unless told, not {one.default!r}")
    names = {one.name for one in wanted}
    more = [one for one in there if one.name not in names]
    told += [f"{one.name} would be asked for" for one in more if one.default is Parameter.empty]
    return told + [f"{one.name} takes a place" for one in more if one.kind is not Parameter.KEYWORD_ONLY]


@pytest.mark.parametrize("face", ["data", "batch", "tenants"])
def test_every_call_of_the_driver_for_writes_is_taken_as_it_stands(face: str, ours: Mirror, theirs: Any) -> None:
    mine, wanted = getattr(ours, face), getattr(theirs, face)
    names = public(wanted)
    assert len(names) > 8
    found = {
        name: ["is missing"]
        if not hasattr(mine, name)
        else differences(getattr(mine, name), call)
        if callable(call := getattr(wanted, name))
        else []
        for name in names
    }
    assert {name: told for name, told in found.items() if told} == {}


@pytest.mark.parametrize("kind", [BatchCollection, BatchCollectionSync])
def test_an_open_batch_is_filled_as_the_drivers(kind: type) -> None:
    assert {
        name: told
        for name in ("add_object", "add_reference", "flush")
        if (told := differences(getattr(Batch, name), getattr(kind, name)))
    } == {}
    assert isinstance(Batch.number_errors, property)


def test_a_call_that_would_be_taken_otherwise_is_seen() -> None:
    """What the comparison above rests on."""

    def call(a: int, b: int = 1, *, c: int = 2) -> None: ...

    def renamed(a: int, d: int = 1, *, c: int = 2) -> None: ...

    def turned(b: int = 1, a: int = 0, *, c: int = 2) -> None: ...

    def named(a: int, *, b: int = 1, c: int = 2) -> None: ...

    def other(a: int, b: int = 3, *, c: int = 2, e: int = 0) -> None: ...

    assert differences(call, call) == []
    assert differences(renamed, call) == ["b is missing", "d takes a place"]
    assert differences(turned, call) == ["a is not argument 0", "b is not argument 1"]
    assert differences(named, call) == ["b is not argument 1"]
    assert differences(other, call) == ["b is 3 unless told, not 1"]


def test_what_the_collection_has_besides_is_there_or_says_what_to_use(ours: Mirror, theirs: Any) -> None:
    for name in public(theirs):
        assert hasattr(ours, name) is (name not in INSTEAD), name
    for name in ("with_tenant", "with_consistency_level"):
        assert differences(getattr(Mirror, name), getattr(type(theirs), name)) == []
    inspect.signature(Mirror.exists).bind(ours)


@pytest.mark.parametrize("name", ["query", "aggregate", "iterator", "generate"])
def test_reading_through_it_says_where_to_read(name: str, ours: Mirror) -> None:
    with pytest.raises(Lacking, match=rf"client\.collections\.use\('Handbook'\)\.{name}.*Retriever"):
        getattr(ours.with_tenant("ada"), name)


def test_what_nobody_has_is_told_by_every_face(ours: Mirror) -> None:
    for face in (ours, ours.data, ours.batch, ours.batch.dynamic(), ours.tenants):
        with pytest.raises(Lacking, match=r"has no 'upsert'.*weaviate-client.*'Handbook'"):
            face.upsert  # noqa: B018
        assert not hasattr(face, "__deepcopy__")
        assert not hasattr(face, "_nothing")
    assert issubclass(Lacking, Misuse)


def test_its_name_is_the_one_by_which_the_driver_reads(ours: Mirror) -> None:
    assert ours.name == "Handbook"
    assert (ours.tenant, ours.with_tenant("ada").tenant) == (None, "ada")
