"""What the tests of the mirror stand on: a store of two collections, and child processes that write through one and are killed.

Run as a program it is a fork server (``forking``): a child makes one write through a Mirror and is killed by SIGKILL at the n-th
step: before (n odd) or after (n even) an exchange with the server, a transaction of the ledger, or a flush.
"""

from __future__ import annotations

import os
import re
import signal
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import httpx
from forking import End, Server, Tally, serve
from transvase.adapters.ledger import connect
from transvase.adapters.ledger.flushing import Flusher
from transvase.adapters.ledger.sqlite import SqlitePages
from transvase.adapters.weaviate.mirror import Mirror
from transvase.adapters.weaviate.objects.setting import Setting
from transvase.adapters.weaviate.wire.address import Address
from transvase.adapters.weaviate.wire.connection import Connection
from transvase.adapters.weaviate.wire.credentials import Credentials
from transvase.adapters.weaviate.wire.line import Line
from transvase.core.declaration import Alias, Declaration, Source
from weaviate.classes.query import Filter
from weaviate_independent import Reader, differences, strange_vectors
from weaviate_objects import ALIAS, NEW, OLD, WIDTH, Application, Plot, now_ms, uid

DIE_AT: Final = "TRANSVASE_TEST_DIE_AT"
ENCODERS: Final = {"old": OLD, "new": NEW}


@dataclass
class Ground:
    """What a Mirror needs of a store. ``seen`` is what it is told of the alias; None: how it is."""

    plot: Plot
    seen: Alias | None = field(default=None)

    def setting(self, alias: str) -> Setting:
        assert alias == ALIAS
        return Setting(
            connection=self.plot.connection,
            ledger=self.plot.ledger,
            alias=ALIAS,
            look=lambda: self.seen or self.plot.look(),
            clock=lambda: now_ms(self.plot.connection),
        )

    def close(self) -> None:
        """The plot closes what is open."""


@contextmanager
def mirrored(plot: Plot, *, encoders: Mapping[str, Any] | None = None, held_s: float = 0.3) -> Iterator[Mirror]:
    """A mirror of the plot, closed afterwards."""
    with Mirror(Ground(plot), ALIAS, encoders=ENCODERS if encoders is None else encoders, held_s=held_s) as mirror:
        yield mirror


BESIDE: Final = 1_000
"""What an object's companions are counted on from."""


def tenant_of(number: int) -> str:
    """A tenant of which one write disposes."""
    return f"t{number}"


def _batched(mirror: Mirror, number: int) -> None:
    """Three objects in two requests: two new ones, or over what is there, and one more."""
    with mirror.batch.fixed_size(2) as batch:
        for one in (number, number + BESIDE, number + 2 * BESIDE):
            batch.add_object({"body": f"batched {number}"}, uuid=uid(one))
    assert not mirror.batch.failed_objects, mirror.batch.failed_objects


VERBS: Final[Mapping[str, Callable[[Mirror, int], object]]] = {
    "insert": lambda m, n: m.insert({"body": f"inserted {n}", "team": "red"}, uuid=uid(n)),
    "replace": lambda m, n: m.replace(uid(n), {"body": f"replaced {n}", "team": "blue"}),
    "update": lambda m, n: m.update(uid(n), {"body": f"updated {n}"}),
    "delete": lambda m, n: m.delete(uid(n)),
    "insert_many": lambda m, n: m.insert_many([Whole(uid(n), {"body": f"one of many {n}"}), {"body": f"another of many {n}"}]),
    "batch": _batched,
    "delete_many": lambda m, n: m.delete_many(Filter.by_id().contains_any([uid(n), uid(n + BESIDE)])),
    "remove tenant": lambda m, n: m.tenants.remove([tenant_of(n)]),
}


@dataclass
class Whole:
    """As the driver's DataObject."""

    uuid: Any
    properties: dict[str, Any]
    vector: Any = None
    references: Any = None


class Gallows(Server):
    """The fork server, as a context."""

    def __init__(self, plot: Plot, url: str) -> None:
        super().__init__(__file__)
        self._ground = {"url": url, "ledger": plot.ledger.where, "sites": [plot.live.site, plot.shadow.site]}

    def make(self, verb: str, number: int, *, die_at: int = 0, tenant: str = "") -> End:
        """Make the write in a child, in a tenant where one is named; with ``die_at`` it is killed there."""
        return self.done({**self._ground, "verb": verb, "number": number, "tenant": tenant, DIE_AT: die_at})


def reader(plot: Plot) -> Reader:
    return Reader(plot.application.web)


def assert_alike(plot: Plot, *, owed: int = 0, size: int | None = None) -> None:
    """The same objects on both sides, each with its encoder's vector, and no more owed than is told."""
    assert plot.outbox.owed() == owed
    assert differences(reader(plot), plot.live.site, plot.shadow.site, moving=plot.source.vector) == []
    for side, encoder in ((plot.live, OLD), (plot.shadow, NEW)):
        assert strange_vectors(reader(plot), side.site, encoder, side.width, moving=plot.source.vector) == []
    if size is not None:
        assert len(reader(plot).everything(plot.live.site)) == size


def pay(plot: Plot, *, seconds: float = 15.0) -> None:
    """Pay as a worker does, until nothing is owed."""
    end = time.monotonic() + seconds
    while plot.outbox.owed():
        assert time.monotonic() < end, f"{plot.outbox.owed()} keys stay owed"
        if not plot.pay():
            time.sleep(0.1)


def still(plot: Plot, site: str, status: str) -> None:
    """Set the shards of a collection read-only, or ready again."""
    for shard in plot.application.web.get(f"/v1/schema/{site}/shards").json():
        answer = plot.application.web.put(f"/v1/schema/{site}/shards/{shard['name']}", json={"status": status})
        assert answer.is_success, answer.text


def count(
    die_at: int, tally: Tally, *, beside: tuple[str, ...] = (), by: signal.Signals = signal.SIGKILL, among: str = ""
) -> None:
    """Make every exchange from now on two steps, and one of the steps the last. Threads so named are not counted.

    With ``among`` only requests count whose method and path it matches.
    """
    lock = threading.Lock()

    def tick() -> None:
        if beside and threading.current_thread().name.startswith(beside):
            return
        with lock:
            tally.steps += 1
            last = tally.steps == die_at
        if last:
            os.kill(os.getpid(), by)

    def around(kind: type, name: str) -> None:
        plain = getattr(kind, name)

        def call(self: Any, *args: Any, **kwargs: Any) -> Any:
            counted = not among or (name == "rest" and re.match(among, " ".join(args[:2])))
            step = tick if counted else _nothing
            step()
            done = plain(self, *args, **kwargs)
            step()
            return done

        setattr(kind, name, call)

    for name in ("rest", "search", "batch", "delete"):
        around(Line, name)
    around(Flusher, "flush")
    for name in ("read", "write") if not among else ():
        plain = getattr(SqlitePages, name)

        def entered(self: Any, *args: Any, plain: Any = plain, **kwargs: Any) -> Any:
            @contextmanager
            def inside() -> Iterator[Any]:
                tick()
                with plain(self, *args, **kwargs) as run:
                    yield run
                tick()

            return inside()

        setattr(SqlitePages, name, entered)


def _nothing() -> None:
    """No step."""


def _plot(url: str, ledger: str, sites: list[str]) -> Plot:
    common = {"text": "body", "metric": "cosine", "form": "float32"}
    live = Declaration(name=sites[0], space=OLD.space, encoder="old", width=WIDTH, adopted=True, **common)
    shadow = Declaration(name=sites[1], space=NEW.space, encoder="new", width=WIDTH + 1, **common)
    connection = Connection(Address.parse(url), Credentials())
    source = Source(table=sites[0], key=("uuid",), text="body", vector="")
    return Plot(Application(httpx.Client()), connection, connect(ledger), live, shadow, source)


def _write(order: dict[str, Any], tally: Tally) -> int:
    plot = _plot(order["url"], order["ledger"], order["sites"])
    mirror = Mirror(Ground(plot), ALIAS, encoders=ENCODERS)
    count(order[DIE_AT], tally)
    VERBS[order["verb"]](mirror.with_tenant(order["tenant"]) if order["tenant"] else mirror, order["number"])
    return tally.steps


if __name__ == "__main__":
    serve(_write)
