"""Writers and deleters, with a Mirror and without one, while a shadow is filled and the alias moves: nothing lost, nothing back.

An independent reader compares every object, property and vector of both sides at the end; and each writer remembers what it was
told had been done to the keys that it alone writes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from uuid import UUID

import numpy as np
import pytest
from transvase.adapters import ledger
from transvase.adapters.weaviate import WeaviateStore
from transvase.adapters.weaviate.mirror import Mirror
from transvase.adapters.weaviate.wire.address import Address
from transvase.adapters.weaviate.wire.connection import connected
from transvase.adapters.weaviate.wire.credentials import Credentials
from transvase.core.declaration import Declaration, Proposal, Source
from transvase.core.fence import Fenced
from transvase.core.ports import Encoder, Index, Place
from transvase.core.space import Role
from transvase.migrations.reconcile import settle
from transvase.migrations.sync import Worker, beside
from weaviate.classes.data import DataObject
from weaviate_independent import Reader, differences, strange_vectors
from weaviate_mirrors import ENCODERS
from weaviate_objects import NEW, OLD, WIDTH, Application, applied, collection, encoded, uid
from weaviate_server import Node
from weaviate_work import at_work

pytestmark = [pytest.mark.weaviate, pytest.mark.long]

_numbers = count(1)
SIZE, COMMON = 300, 5
"""Objects before anything begins; the first few of them are written by everybody."""


def encoder(name: str) -> Encoder:
    return ENCODERS[name]


@dataclass
class Writer:
    """One thread of the application. It alone writes the keys from ``first`` on, and remembers what it was told."""

    first: int
    act: Callable[[Writer, int, str | None], None]
    drawn: np.random.Generator
    known: dict[UUID, str | None] = field(default_factory=dict)
    steps: int = 0

    def step(self) -> None:
        own = self.drawn.random() < 0.6
        number = self.first + int(self.drawn.integers(30)) if own else int(self.drawn.integers(COMMON))
        body = None if self.drawn.random() < 0.3 else f"of {self.first}, step {self.steps}"
        self.act(self, number, body)
        if own:
            self.known[uid(number)] = body
        self.steps += 1


@dataclass
class Town:
    """A collection under an alias of its own, and everybody who is at work on it."""

    node: Node
    folder: Path
    application: Application
    name: str
    stores: list[WeaviateStore] = field(default_factory=list)

    @property
    def alias(self) -> str:
        return f"{self.name}Alias"

    def store(self) -> WeaviateStore:
        """One more store on the same server and ledger, as another process has it."""
        book = ledger.connect(self.folder / f"{self.name}.sqlite")
        self.stores.append(WeaviateStore(connected(Address.parse(self.node.url), Credentials()), book))
        return self.stores[-1]

    def adopted(self, store: WeaviateStore) -> Declaration:
        source = Source(table=self.name, key=("uuid",), text="body", vector="")
        proposal = Proposal(self.alias, source, OLD.space, OLD.name)
        declaration = store.inspect(proposal)
        store.adopt(proposal, declaration)
        return declaration

    def put(self, name: str, number: int, body: str) -> None:
        """An object by REST, seen by nobody."""
        known = encoded(OLD, [body], WIDTH).matrix[0].tolist()
        self.application.put(name, {"id": str(uid(number)), "properties": {"body": body, "team": "red"}, "vector": known})

    def stranger(self, writer: Writer, number: int, body: str | None) -> None:
        """Past every Mirror; deletes by the collection's name, for through the alias nothing would be deleted."""
        if body is None:
            self.application.delete(self.name, uid(number))
        else:
            self.put(self.alias, number, body)


@pytest.fixture
def town(server: Node, tmp_path: Path) -> Iterator[Town]:
    with applied(server) as application:
        made = Town(server, tmp_path, application, f"Town{next(_numbers)}")
        application.make(collection(made.name))
        for number in range(SIZE):
            made.put(made.name, number, f"text {number}")
        try:
            yield made
        finally:
            for store in made.stores:
                store.close()


def mirroring(mirror: Mirror) -> Callable[[Writer, int, str | None], None]:
    """One write of a random kind; what was told to be done is done."""

    def act(writer: Writer, number: int, body: str | None) -> None:
        if body is None:
            mirror.delete(uid(number))
        elif mirror.exists(uid(number)) and number >= SIZE and writer.steps % 2:
            (mirror.update if writer.steps % 4 == 1 else mirror.replace)(uid(number), {"body": body, "team": "blue"})
        else:
            more = [DataObject({"body": f"{body} (more)"}, uuid=uid(number + 10_000))] if number >= SIZE else []
            done = mirror.insert_many([DataObject({"body": body, "team": "green"}, uuid=uid(number)), *more])
            assert not done.has_errors, done.errors

    return act


def pour(store: WeaviateStore, alias: str, index: Index, *, batch: int = 40) -> None:
    """The fill, in small batches so that writers come in between."""
    corpus, target, place = store.corpus(alias), index.declaration, Place()
    while not place.finished:
        records = corpus.after(place.after, limit=batch)
        some = [record for record in records if record.text is not None]
        place = Place(records[-1].key if records else place.after, len(records) < batch, place.done + len(records))
        vectors = Fenced(NEW, target.width).encode([record.text or "" for record in some], Role.DOCUMENT)
        index.fill(some, vectors, place=place, bare=[record for record in records if record.text is None])


def assert_whole(town: Town, old: Declaration, new: Declaration, writers: list[Writer]) -> None:
    reader = Reader(town.application.web)
    assert differences(reader, old.site, new.site) == []
    assert strange_vectors(reader, old.site, OLD, old.width) == []
    assert strange_vectors(reader, new.site, NEW, new.width) == []
    there = {key: one["properties"]["body"] for key, one in reader.objects(new.site).items()}
    for writer in writers:
        assert writer.steps > 20, "it had the time to write"
        assert {key: there.get(key) for key in writer.known} == writer.known


def target(store: WeaviateStore, alias: str) -> Declaration:
    live = store.alias(alias).live
    return Declaration(
        name=store.physical(f"{alias}_1"),
        space=NEW.space,
        encoder=NEW.name,
        text=live.text,
        width=WIDTH + 1,
        metric=live.metric,
        form=live.form,
    )


def test_nothing_is_lost_and_nothing_comes_back_while_a_shadow_is_filled_and_the_alias_moves_there_and_back(town: Town) -> None:
    operator, alias = town.store(), town.alias
    old = town.adopted(operator)
    mirrors = [Mirror(town.store(), alias, encoders=ENCODERS) for _ in range(2)]
    seeds = iter(range(100))
    ours = [Writer(1_000 * (1 + n), mirroring(mirrors[n % 2]), np.random.default_rng(next(seeds))) for n in range(3)]
    strangers = [Writer(9_000, town.stranger, np.random.default_rng(next(seeds)))]
    new = target(operator, alias)
    worker = Worker(operator, alias, encoder)
    with at_work([one.step for one in ours]):
        with at_work([one.step for one in strangers]):
            operator.create(alias, new)
            pour(operator, alias, operator.index(alias, new.name))
            worker.pay_once()
        with beside(worker):
            done = settle(operator, alias, operator.index(alias, new.name), worker)
            assert done["reconcile_left"] == 0
            moved = [_moved(operator, alias, to, worker) for to in (new, old, new)]
    assert moved == [new.name, old.name, new.name]
    assert worker.drain(deadline_s=30) == 0, "what these writers leave is owed: nobody has to walk for it"
    assert_whole(town, old, new, [*ours, *strangers])
    for mirror in mirrors:
        mirror.close()


def _moved(store: WeaviateStore, alias: str, to: Declaration, worker: Worker) -> str:
    """Move the alias under traffic, whatever is owed just then; wait until every node agrees."""
    store.point(alias, to.name, expect=store.alias(alias).generation, allow_owed=100)
    assert store.behind(alias) == ()
    time.sleep(1.5)
    worker.pay_once()
    return store.alias(alias).live.name


def test_without_a_mirror_reconciling_finds_everything_that_was_written_during_a_fill(town: Town) -> None:
    operator, alias = town.store(), town.alias
    old = town.adopted(operator)
    new = target(operator, alias)
    worker = Worker(operator, alias, encoder)
    strangers = [Writer(1_000 * (1 + n), town.stranger, np.random.default_rng(n)) for n in range(3)]
    with at_work([one.step for one in strangers]):
        operator.create(alias, new)
        pour(operator, alias, operator.index(alias, new.name))
    done = settle(operator, alias, operator.index(alias, new.name), worker)
    assert isinstance(done["found"], int)
    assert done["found"] > 0, "writes passed unseen: this is what has to be found"
    assert_whole(town, old, new, strangers)
