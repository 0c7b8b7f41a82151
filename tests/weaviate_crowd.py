"""Everybody at work on three nodes of which one may be away: writers with a Mirror or past every one, readers, and what is there.

A write that failed is in doubt, for the server may have made it or not: one of both states is right from then on, and no third.
In the end the copies of every node are compared, and where they differ the object is asked for by its id, as a majority has it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import httpx
import numpy as np
from transvase.adapters.weaviate import connect
from transvase.adapters.weaviate.mirror import Mirror
from transvase.core.errors import NotReady, StoreFailed
from transvase.core.retriever import Retriever
from transvase.core.space import Role
from transvase.migrations.sync import Worker, beside
from weaviate.classes.data import DataObject
from weaviate_independent import Json, Reader, differences, strange_vectors
from weaviate_objects import NEW, OLD, WIDTH, uid
from weaviate_scores import Searcher, askew
from weaviate_server import Node
from weaviate_walk import ENCODERS, Walk, encoder, text_of
from weaviate_work import at_work
from weaviate_writers import WALL

OWN: Final = 20
"""Keys that a writer has for itself."""
ALLOWED: Final = 2 * OWN
"""A write that is under way counts as owed, and with writers that never pause there is always one."""
WAIT_S: Final = 120.0
EVERY_S: Final = 0.05
"""Between two writes, or two searches, of one thread: two processors do all of this."""

Act = Callable[["Writer", UUID, str | None, bool], None]
"""Writes the text of a key, or deletes it; told whether it is there. StoreFailed where that may have been done or not.

Early where what is to be deleted, and should be there, has not come yet.
"""


class Early(Exception):
    """There was nothing to delete: what a stranger wrote while the alias moved comes to the new side a moment later."""


@dataclass
class Writer:
    """One thread of the application. For each of its keys: what may be there, which is one state unless a write went wrong."""

    act: Act
    first: int
    rows: int
    drawn: np.random.Generator = field(default_factory=lambda: np.random.default_rng(0))
    stranger: bool = False
    """Writes past every Mirror, pauses now and then, and deletes nothing that it wrote since ``fresh`` was emptied.

    Written past Mirror and deleted past Mirror on two sides within one move of the alias, it may come back: nothing tells the
    deletion from a write that has not come yet (see the limits in docs/weaviate.md).
    """
    known: dict[int, set[str | None]] = field(default_factory=dict)
    fresh: set[int] = field(default_factory=set)
    steps: int = 0
    failures: list[str] = field(default_factory=list)
    history: dict[int, list[str]] = field(default_factory=dict)
    """What was tried of each key, when (seconds of one clock), and how it ended."""
    slowest_s: float = 0.0

    def step(self) -> None:
        number = self.first + int(self.drawn.integers(OWN))
        before = self.known.get(number, {text_of(number) if number < self.rows else None})
        gone = self.drawn.random() < 0.3 and not (self.stranger and number in self.fresh)
        body = None if gone else f"of {self.first}, step {self.steps}"
        self.steps += 1
        self.fresh.add(number)
        begun, end = time.time(), "done"
        try:
            self.act(self, uid(number), body, before != {None} and len(before) == 1)
        except Early as error:
            end = str(error)
            self.known[number] = {*before, body}
        except StoreFailed as error:
            end = str(error)
            self.failures.append(end)
            self.known[number] = {*before, body}
        else:
            self.known[number] = {body}
        self.slowest_s = max(self.slowest_s, time.time() - begun)
        self.history.setdefault(number, []).append(f"{begun:.3f} to {time.time():.3f}: {body!r} {end}")


def through(mirror: Mirror) -> Act:
    """By Mirror."""

    def act(writer: Writer, key: UUID, body: str | None, there: bool) -> None:
        if body is None:
            mirror.delete(key)
        elif there and writer.steps % 2:
            mirror.update(key, {"body": body})
        else:
            done = mirror.insert_many([DataObject({"body": body, "team": "green"}, uuid=key)])
            if done.has_errors:
                raise StoreFailed(str(done.errors))

    return act


def past(walk: Walk) -> Act:
    """Past every Mirror, at the application's node: through the alias, with vectors of the side that it believes to be live."""
    sides = {"width": WIDTH}

    def act(writer: Writer, key: UUID, body: str | None, there: bool) -> None:
        if body is None:
            if not _deleted(walk, key) and there:
                raise Early("there was nothing to delete")
            return
        while True:
            vector = (OLD if sides["width"] == WIDTH else NEW).encode([body], Role.DOCUMENT).matrix[0].tolist()
            vector += [0.0] * (sides["width"] - len(vector))
            told = {"id": str(key), "properties": {"body": body, "team": "past"}, "vector": vector}
            (done,) = _asked(walk, "POST", "batch/objects", {"objects": [{"class": walk.server_alias, **told}]}).json()
            why = str((done["result"].get("errors") or {}).get("error") or "")
            if not why:
                return
            if not any(said in why for said in WALL):
                raise StoreFailed(why)
            sides["width"] = 2 * WIDTH + 1 - sides["width"]

    return act


def _deleted(walk: Walk, key: UUID) -> bool:
    """By the collection's name, for nothing is deleted through an alias; again where that was moved. False: it was not there."""
    site, said = "", set[int]()
    while site != (site := _asked(walk, "GET", f"aliases/{walk.server_alias}").json()["class"]):
        said.add(_asked(walk, "DELETE", f"objects/{site}/{key}").status_code)
    return said != {404}


def _asked(walk: Walk, method: str, path: str, body: object = None) -> httpx.Response:
    try:
        answer = walk.application.web.request(method, f"/v1/{path}", json=body)
    except httpx.HTTPError as error:
        raise StoreFailed(f"{type(error).__name__}: {error}") from error
    if answer.status_code >= 500:
        raise StoreFailed(answer.text)
    return answer


@dataclass(frozen=True)
class Crowd:
    """Who was at work, and what each of them remembers."""

    writers: Sequence[Writer]
    searchers: Sequence[Searcher]

    def __str__(self) -> str:
        writers = [
            f"writer {one.first}: {one.steps} steps, {one.slowest_s:.1f} s, failed: {one.failures}" for one in self.writers
        ]
        return "\n".join(
            [*writers, *(f"{len(one.sides)} searches, {one.slowest_s:.1f} s, torn {one.torn}" for one in self.searchers)]
        )

    def told(self) -> dict[int, set[str | None]]:
        """What may be there of the keys that they wrote."""
        return {number: some for one in self.writers for number, some in one.known.items()}

    def history(self) -> dict[int, list[str]]:
        """What they tried of each of their keys."""
        return {number: some for one in self.writers for number, some in one.history.items()}

    def unharmed(self, *sides: str) -> None:
        """No answer was mixed or stayed wrong, nothing was held wrongly, every side answered, and everybody was at work."""
        wrong = [said for one in self.searchers for said in (*one.wrong, *(f"MIXED {some}" for some in one.mixed))]
        assert not wrong, "\n".join(wrong)
        torn = [(one.torn, len(one.sides)) for one in self.searchers]
        assert all(some <= count // 20 for some, count in torn), torn
        assert all(set(sides) <= set(one.sides) for one in self.searchers)
        steps = [(one.steps, one.stranger) for one in self.writers]
        assert all(count > (0 if pausing else OWN) for count, pausing in steps), steps


@contextmanager
def gathered(walk: Walk, *, rows: int, first: int = 0, more: Sequence[Writer] = ()) -> Iterator[Crowd]:
    """Two writers through Mirrors, two readers, each with a store of its own, ``more`` writers; and a worker that pays already.

    The first writer's keys begin at ``first``, where there are objects; those of the second one are new.
    """
    with ExitStack() as stack:
        mirrors = [stack.enter_context(Mirror.connect(walk.url, walk.alias, encoders=ENCODERS)) for _ in range(2)]
        retrievers = [stack.enter_context(Retriever.connect(walk.url, walk.alias, encoders=ENCODERS)) for _ in range(2)]
        paying = connect(walk.url)
        stack.callback(paying.close)
        ours = [
            Writer(through(one), start, rows, np.random.default_rng(start))
            for one, start in zip(mirrors, (first, 1_000 + first), strict=True)
        ]
        stack.enter_context(beside(Worker(paying, walk.alias, encoder)))
        yield Crowd([*ours, *more], [Searcher(one, walk.application.web, walk.table, rows) for one in retrievers])


@contextmanager
def crowd(walk: Walk, *, rows: int, first: int = 0, more: Sequence[Writer] = ()) -> Iterator[Crowd]:
    """All who are ``gathered``, at work."""
    with (
        gathered(walk, rows=rows, first=first, more=more) as made,
        at_work([one.step for one in (*made.writers, *made.searchers)], every_s=EVERY_S),
    ):
        yield made


def patiently(move: Callable[[], object]) -> list[str]:
    """The same word again while the cluster is in the way; what it said each time."""
    end, refused = time.monotonic() + WAIT_S, list[str]()
    while True:
        try:
            move()
        except (NotReady, StoreFailed) as error:
            refused.append(str(error))
            if time.monotonic() > end:
                raise
            time.sleep(0.5)
        else:
            return refused


@dataclass(frozen=True)
class Copies(Reader):
    """Reads every node's copy; an object that they do not all hold alike as a majority has it, from each of the nodes."""

    others: Sequence[httpx.Client] = ()

    def objects(self, name: str, *, tenant: str = "") -> dict[UUID, Json]:
        # A copy that missed a deletion keeps the time at which the object was made first; nobody is promised that one.
        held = [
            {key: _undated(one) for key, one in Reader(web).objects(name, tenant=tenant).items()}
            for web in (self.web, *self.others)
        ]
        found = {key: one for key, one in held[0].items() if all(some.get(key) == one for some in held)}
        for key in set().union(*held) - found.keys():
            path = f"/v1/objects/{name}/{key}?include=vector&consistency_level=QUORUM{f'&tenant={tenant}' if tenant else ''}"
            answers = [web.get(path) for web in (self.web, *self.others)]
            told = [_undated(one.json()) if one.status_code == 200 else one.status_code for one in answers]
            assert all(one == told[0] for one in told), f"{key} of {name}: {told}"
            if told[0] != 404:
                found[key] = told[0]
        return found


def _undated(one: Json) -> Json:
    return {name: value for name, value in one.items() if name != "creationTimeUnix"}


@contextmanager
def copies(nodes: Sequence[Node]) -> Iterator[Copies]:
    """A reader of all of the nodes."""
    with ExitStack() as stack:
        first, *others = (stack.enter_context(httpx.Client(base_url=f"http://127.0.0.1:{one.rest}", timeout=60)) for one in nodes)
        yield Copies(first, others)


def ended(
    walk: Walk, nodes: Sequence[Node], known: Mapping[int, set[str | None]], *, rows: int, history: Mapping[int, Sequence[str]]
) -> None:
    """Both sides hold the same: what the writers were told (``known``), and what nobody wrote, with the right vectors."""
    assert Worker(walk.store, walk.alias, encoder).pay_up(deadline_s=WAIT_S) == 0
    alias = walk.store.alias(walk.alias)
    assert alias.shadow is not None
    with copies(nodes) as reader:
        assert differences(reader, alias.live.name, alias.shadow.name) == []
        for side in (alias.live, alias.shadow):
            assert askew(nodes, side) == []
            assert strange_vectors(reader, side.name, encoder(str(side.encoder)), side.width) == []
        held = {uuid: one["properties"]["body"] for uuid, one in reader.objects(alias.live.name).items()}
    may: dict[int, set[str | None]] = {number: {text_of(number)} for number in range(rows)} | dict(known)
    wrong = [
        f"{n}: {held.get(uid(n))!r} and not {some}: {history.get(n)}" for n, some in may.items() if held.get(uid(n)) not in some
    ]
    assert not wrong, "\n".join(wrong)
    assert held.keys() <= {uid(number) for number in may}
    assert (walk.store.outbox(walk.alias).owed(), walk.store.ledger.doubts(walk.alias)) == (0, [])
