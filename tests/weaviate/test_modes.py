"""A node that takes no writes for a while, by its mode or by shards: a fill waits and says why; a switch is made later."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest
from transvase.adapters.weaviate.ports import filling as pouring
from transvase.core.errors import StoreFailed
from transvase.migrations import throttle
from transvase.migrations.fill import fill
from transvase.migrations.status import status
from weaviate_gallows import small
from weaviate_independent import Reader, differences, strange_vectors
from weaviate_server import Node, needed, node, place, running
from weaviate_walk import Walk, encoder, walked

pytestmark = [pytest.mark.weaviate, pytest.mark.long, pytest.mark.story]

ROWS: Final = 60
WAIT_S: Final = 60.0


@dataclass(frozen=True)
class Moody:
    """A server whose mode is changed while it runs."""

    node: Node
    overrides: Path

    def mode(self, name: str) -> None:
        """Come to this mode, and return when the server says so."""
        self.overrides.write_text(f"operational_mode: {name}\n")

    @classmethod
    def begun(cls, folder: Path) -> Moody:
        made = cls(node(needed(), folder=folder), folder / "overrides.yaml")
        made.overrides.write_text("operational_mode: ReadWrite\n")
        made.node.env.update(
            RUNTIME_OVERRIDES_ENABLED="true", RUNTIME_OVERRIDES_LOAD_INTERVAL="200ms", RUNTIME_OVERRIDES_PATH=str(made.overrides)
        )
        return made


@pytest.fixture(scope="module")
def moody() -> Iterator[Moody]:
    with place() as folder:
        made = Moody.begun(folder)
        with running([made.node]):
            yield made


@pytest.fixture
def walk(moody: Moody, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Walk]:
    small(monkeypatch.setattr)
    with walked(moody.node, tmp_path, rows=ROWS) as made:
        made.adopted()
        made.opened()
        try:
            yield made
        finally:
            in_mode(moody, made, "ReadWrite")


def in_mode(moody: Moody, walk: Walk, name: str) -> None:
    """Come to the mode; return when the server says that it has."""
    moody.mode(name)
    end = time.monotonic() + WAIT_S
    while {one.mode for one in walk.store.connection.nodes()} != {name}:
        assert time.monotonic() < end, f"the server does not come to {name}"
        time.sleep(0.05)


def shards(walk: Walk, name: str, status: str) -> None:
    """Set every shard of the collection to this status."""
    web = walk.application.web
    for shard in web.get(f"/v1/schema/{name}/shards").json():
        assert web.put(f"/v1/schema/{name}/shards/{shard['name']}", json={"status": status}).is_success


def assert_whole(walk: Walk) -> None:
    alias, reader = walk.store.alias(walk.alias), Reader(walk.application.web)
    assert alias.shadow is not None
    assert differences(reader, alias.live.name, alias.shadow.name) == []
    for side in (alias.live, alias.shadow):
        assert len(reader.objects(side.name)) == ROWS
        assert strange_vectors(reader, side.name, encoder(str(side.encoder)), side.width) == []
    assert (walk.store.outbox(walk.alias).owed(), walk.store.ledger.doubts(walk.alias)) == (0, [])


def test_a_fill_waits_while_a_node_takes_no_writes_and_says_so(moody: Moody, walk: Walk) -> None:
    begun, waiting, said = threading.Event(), threading.Event(), list[str]()

    def progress(what: str, done: int, _total: int) -> None:
        said.append(what)
        if what == "filling" and not begun.is_set():
            begun.set()
            in_mode(moody, walk, "ReadOnly")
        if what.startswith("waiting"):
            waiting.set()

    with ThreadPoolExecutor(1) as pool:
        filled = pool.submit(fill, walk.store, walk.alias, encoders=encoder, progress=progress)
        assert waiting.wait(WAIT_S), said
        shadow = walk.store.alias(walk.alias).shadow
        assert shadow is not None
        held = len(Reader(walk.application.web).objects(shadow.name))
        assert held < ROWS
        assert not filled.done()
        in_mode(moody, walk, "ReadWrite")
        outcome = filled.result(WAIT_S)
    assert any("takes no writes" in one and "ReadOnly" in one for one in said if one.startswith("waiting")), said
    assert outcome.migration.phase == "filled"
    assert_whole(walk)


def test_a_fill_into_shards_that_are_read_only_says_so_and_goes_on_by_itself(walk: Walk, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the server sets them when its disk is nearly full; nothing sets them back but a person, who is shown why it waits."""
    monkeypatch.setattr(pouring, "PATIENCE_S", 1.0)
    monkeypatch.setattr(throttle, "NOTED_S", 0.0)
    shadow = walk.store.alias(walk.alias).shadow
    assert shadow is not None
    shards(walk, shadow.name, "READONLY")
    waiting, said = threading.Event(), list[str]()

    def progress(what: str, _done: int, _total: int) -> None:
        said.append(what)
        if what.startswith("waiting") and len(said) > 1:
            waiting.set()

    with ThreadPoolExecutor(1) as pool:
        filled = pool.submit(fill, walk.store, walk.alias, encoders=encoder, progress=progress)
        assert waiting.wait(WAIT_S), said
        assert "read-only" in str(status(walk.store, walk.alias).throttled_by)
        assert not filled.done()
        shards(walk, shadow.name, "READY")
        outcome = filled.result(WAIT_S)
    assert [one for one in said if one.startswith("waiting") and "read-only" in one]
    assert outcome.migration.phase == "filled"
    assert status(walk.store, walk.alias).throttled_by is None
    assert_whole(walk)


def test_a_switch_on_a_node_that_takes_no_writes_is_refused_with_the_reason_and_made_later(moody: Moody, walk: Walk) -> None:
    walk.filled()
    walk.proven()
    before = walk.store.alias(walk.alias)
    for _ in range(2):
        in_mode(moody, walk, "ReadOnly")
        with pytest.raises(StoreFailed, match=r"read-only|takes no writes"):
            walk.cut_over()
        assert (walk.named(), walk.store.alias(walk.alias)) == (walk.table, before)
        migration = walk.store.journal.load(walk.alias)
        assert migration is not None
        assert migration.phase == "proven"
    assert walk.store.ledger.doubts(walk.alias) == []
    in_mode(moody, walk, "ReadWrite")
    assert walk.cut_over().migration.phase == "live"
    in_mode(moody, walk, "ReadOnly")
    with pytest.raises(StoreFailed, match=r"read-only|takes no writes"):
        walk.rolled_back()
    in_mode(moody, walk, "ReadWrite")
    assert walk.rolled_back().migration.phase == "filled"
    assert_whole(walk)
