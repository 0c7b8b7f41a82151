"""What a migration on Weaviate costs beside the driver alone, on a server of this run: fill, search, writes, the alias' move.

    fill     pouring through `fill`, with an encoder that costs nothing, beside the driver's own batch import of the same objects
             with vectors that are ready; one import before it and one after, so that a slow moment meets both
    search   the Retriever beside the driver's query through the same alias, in turns, encoding excluded
    write    an insert through Mirror beside the driver's, in turns: without a migration, and with one open
    agree    on three nodes: from the alias' move until each of them serves the new side, there and back again

One JSON object on stdout, a table on stderr. Needs a server's program: `tests/weaviate_server.py` says where it is looked for.

    python benchmarks/weaviate.py [--objects 20000] [--searches 500] [--writes 200] [--switches 10]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from uuid import UUID, uuid4, uuid5

sys.path.append(sys.path.pop(0))  # this folder comes last: this file bears the driver's name

import pytest
from ground import ENCODERS, FILLER, Free, median_ms, verdict
from transvase.adapters.weaviate import WeaviateStore, connect
from transvase.adapters.weaviate.mirror import Mirror
from transvase.core.ports import Source
from transvase.core.retriever import Retriever
from transvase.core.space import Role, Vectors
from transvase.migrations.adopt import adopt
from transvase.migrations.fill import fill
from transvase.migrations.open import open_target
from transvase.migrations.sync import pay_once
from weaviate.classes.config import Configure, DataType, Property
from weaviate.classes.query import HybridFusion, MetadataQuery
from weaviate.client import WeaviateClient
from weaviate.collections import Collection
from weaviate.exceptions import WeaviateQueryError
from weaviate_server import ABSENT, Node, binary, one_node, place, three_nodes

NAMESPACE = UUID("2f1f7d0c-6f2b-4d6b-9f0a-6a5f0d3c1b11")
K = 5
FEW = 300
"""Objects on the three nodes: how long agreement takes has nothing to do with how many there are."""

Figures = dict[str, float | int]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=20_000)
    parser.add_argument("--searches", type=int, default=500)
    parser.add_argument("--writes", type=int, default=200)
    parser.add_argument("--switches", type=int, default=10)
    given = parser.parse_args()
    try:
        there = binary()
    except pytest.fail.Exception as error:
        print(f"benchmarks/weaviate.py: {error}", file=sys.stderr)
        return 2
    if there is None:
        print(f"benchmarks/weaviate.py: {ABSENT}", file=sys.stderr)
        return 0
    found: dict[str, object] = {"objects": given.objects, "processors": len(os.sched_getaffinity(0))}
    with one_node() as node, ground(node, objects=given.objects) as (client, store):
        print(f"Weaviate {store.connection.version}, {given.objects:,} objects, "
              f"{found['processors']} processors for all of it", file=sys.stderr)  # fmt: skip
        found |= {"server": store.connection.version, "search": searched(store, client, given.searches)}
        found["write"] = {"no migration": written(store, client, given.writes)}
        open_target(store, "docs", to="free", encoders=ENCODERS.__getitem__)
        found["fill"] = filled(store, client, given.objects)
        found["write"] |= {"one open": written(store, client, given.writes)}
    with three_nodes() as nodes:
        found["agree"] = agreed(nodes, given.switches)
    print(json.dumps(found, indent=2))
    return 0 if told(found) else 1


@contextmanager
def ground(node: Node, *, objects: int, copies: int = 1, url: str = "") -> Iterator[tuple[WeaviateClient, WeaviateStore]]:
    """An application's collection of so many documents under the alias ``docs``, its client, and an operator's store."""
    with place() as folder, node.client() as client:
        documents = collection(client, "Documents", copies=copies)
        imported(documents, objects, encoder="old")
        store = connect(f"{url or node.url}&journal={folder / 'ledger.sqlite'}")
        try:
            source = Source(table="Documents", key=(), text="{body}", vector="")
            adopt(store, "docs", source=source, encoder="old", encoders=ENCODERS.__getitem__)
            yield client, store
        finally:
            store.close()


def collection(client: WeaviateClient, name: str, *, copies: int = 1) -> Collection:
    """An empty collection of titles and bodies whose vectors are brought along."""
    text = [Property(name=name, data_type=DataType.TEXT) for name in ("title", "body")]
    replicas = Configure.replication(factor=copies)
    return client.collections.create(
        name, vector_config=Configure.Vectors.self_provided(), properties=text, replication_config=replicas
    )


def imported(documents: Collection, objects: int, *, encoder: str, wider: int = 0) -> float:
    """Seconds that the driver takes for an import in batches, of objects and vectors that are ready."""
    bodies = [f"document {n}: {FILLER}" for n in range(objects)]
    made = ENCODERS[encoder].encode(bodies, Role.DOCUMENT).matrix
    vectors = [row.tolist() + [0.0] * wider for row in made]
    begun = time.perf_counter()
    with documents.batch.fixed_size(200, concurrent_requests=2) as batch:
        for n, (body, vector) in enumerate(zip(bodies, vectors, strict=True)):
            batch.add_object({"title": f"title {n}", "body": body}, uuid=uuid5(NAMESPACE, str(n)), vector=vector)
    took = time.perf_counter() - begun
    assert not documents.batch.failed_objects, documents.batch.failed_objects[:1]
    return took


def filled(store: WeaviateStore, client: WeaviateClient, objects: int) -> Figures:
    """The fill between two plain imports of the same objects, at the width of the target."""
    target = store.alias("docs").shadow
    assert target is not None
    wider = target.width - ENCODERS["free"].space.dimension
    plain = [imported(collection(client, "Before"), objects, encoder="free", wider=wider)]
    poured: list[float] = []

    def progress(what: str, _done: int, _total: int) -> None:
        if what.startswith("comparing") and not poured:
            poured.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    outcome = fill(store, "docs", encoders=ENCODERS.__getitem__, progress=progress)
    whole = time.perf_counter() - begun
    plain.append(imported(collection(client, "After"), objects, encoder="free", wider=wider))
    rate, rows = objects / statistics.mean(plain), int(str(outcome.figures["rows"]))
    return {
        "plain_per_s": round(rate, 1),
        "poured_per_s": round(rows / poured[0], 1),
        "ratio": round(rows / poured[0] / rate, 3),
        "ratio_with_comparing": round(rows / whole / rate, 3),
        "walks": int(str(outcome.figures["walks"])),
    }


class Ready(Free):
    """An encoder whose answers are ready before the clock starts."""

    def __init__(self, queries: Sequence[str]) -> None:
        self.name, self.space = "old", ENCODERS["old"].space
        made = ENCODERS["old"].encode(queries, Role.QUERY)
        self._made = {query: made.take([row]) for row, query in enumerate(queries)}

    def encode(self, texts: Sequence[str], role: Role) -> Vectors:
        return self._made[texts[0]]


def searched(store: WeaviateStore, client: WeaviateClient, searches: int) -> dict[str, Figures]:
    """Medians of dense and hybrid searches, ours and the driver's."""
    queries = [f"document {n}" for n in range(searches)]
    ready, alias = Ready(queries), client.collections.use("Docs")
    vectors = {query: ready.encode([query], Role.QUERY).matrix[0].tolist() for query in queries}
    fused, shown = HybridFusion.RELATIVE_SCORE, MetadataQuery(distance=True, score=True)
    with Retriever(store, "docs", encoders={"old": ready}) as retriever:
        dense = turns(
            queries,
            lambda query: alias.query.near_vector(vectors[query], limit=K, return_metadata=shown),
            lambda query: retriever.search(query, k=K),
        )
        hybrid = turns(
            queries,
            lambda query: alias.query.hybrid(
                query, vector=vectors[query], alpha=0.5, limit=K, fusion_type=fused, return_metadata=shown
            ),
            lambda query: retriever.search(query, k=K, lexical=0.5),
        )
    return {"dense": dense, "hybrid": hybrid}


def written(store: WeaviateStore, client: WeaviateClient, writes: int) -> Figures:
    """Medians of single inserts of one object each: the driver's past us into a collection of its own, and Mirror's."""
    name = f"Aside{uuid4().hex[:8]}"
    aside = collection(client, name)
    vector = ENCODERS["old"].encode(["a note"], Role.DOCUMENT).matrix[0].tolist()
    imported(aside, 1_000, encoder="old")
    with Mirror(store, "docs", encoders=ENCODERS) as mirror:
        found = turns(
            [f"note {n}: {FILLER}" for n in range(writes)],
            lambda body: aside.data.insert({"title": "note", "body": body}, vector=vector),
            lambda body: mirror.data.insert({"title": "note", "body": body}, vector=vector),
        )
    client.collections.delete(name)
    return {**found, "owed": store.outbox("docs").owed()}


def turns(what: Sequence[str], bare: Callable[[str], object], ours: Callable[[str], object]) -> Figures:
    """The two acts in turns; the first few of each are not counted."""
    times: tuple[list[float], list[float]] = ([], [])
    for one in what:
        for act, kept in zip((bare, ours), times, strict=True):
            begun = time.perf_counter()
            act(one)
            kept.append(time.perf_counter() - begun)
    a, b = (median_ms(kept[5:]) for kept in times)
    return {"bare_ms": round(a, 2), "ours_ms": round(b, 2), "ratio": round(b / a, 2)}


def agreed(nodes: Sequence[Node], switches: int) -> Figures:
    """Moves of the alias on three nodes, each of which has every object; milliseconds.

    ``served``: from the beginning of the move until a query through the alias, put to each node by itself, was answered by the
    new side on the last of them. ``over``: until our switch was over, which also looks through what the old side got meanwhile.
    """
    hosts = ",".join(f"127.0.0.1:{node.rest}" for node in nodes)
    url = f"weaviate://{hosts}?grpc={','.join(str(node.grpc) for node in nodes)}"
    moves, served, over = [], [], []
    with ExitStack() as stack:
        clients = [stack.enter_context(node.client()) for node in nodes]
        _, store = stack.enter_context(ground(nodes[0], objects=FEW, copies=len(nodes), url=url))
        workers = stack.enter_context(ThreadPoolExecutor(len(nodes)))
        open_target(store, "docs", to="free", encoders=ENCODERS.__getitem__)
        fill(store, "docs", encoders=ENCODERS.__getitem__)
        for _ in range(switches):
            while store.outbox("docs").owed():  # what was copied just before a switch is looked at again after it
                pay_once(store, "docs", ENCODERS.__getitem__)
            now = store.alias("docs")
            assert now.shadow is not None
            seen = [workers.submit(answered, client, now.shadow.width) for client in clients]
            made = store.point("docs", now.shadow.name, expect=now.generation, allow_owed=0)
            begun = time.perf_counter() - made.agreed_s - made.seconds
            moves.append(made.seconds)
            over.append(made.seconds + made.agreed_s)
            served.append(max(one.result() for one in seen) - begun)
            assert not store.behind("docs")
    return {
        "switches": switches,
        "move_ms": round(median_ms(moves), 1),
        "served_ms": round(median_ms(served), 1),
        "served_longest_ms": round(max(served) * 1000, 1),
        "over_ms": round(median_ms(over), 1),
        "over_longest_ms": round(max(over) * 1000, 1),
    }


def answered(client: WeaviateClient, width: int) -> float:
    """When this node first answered a query of that width through the alias: the side that has it is live there."""
    alias = client.collections.use("Docs")
    while True:
        try:
            alias.query.near_vector([1.0] * width, limit=1)
        except WeaviateQueryError:
            time.sleep(0.002)
        else:
            return time.perf_counter()


def told(found: dict[str, object]) -> bool:
    """The table, and whether every bound holds."""
    with to_stderr():
        search, write, poured, agree = (found[name] for name in ("search", "write", "fill", "agree"))
        for name, figures in (*search.items(), *((f"insert, {when}", kept) for when, kept in write.items())):  # type: ignore[attr-defined]
            print(f"{name}: bare {figures['bare_ms']} ms, ours {figures['ours_ms']} ms, {figures['ratio']} times")
        print(f"import {poured['plain_per_s']}/s, fill {poured['poured_per_s']}/s")  # type: ignore[index]
        print(f"with the comparing of both sides: {poured['ratio_with_comparing']} of the import's rate")  # type: ignore[index]
        print(f"alias moved in {agree['move_ms']} ms, the last of three nodes answered by the new side after "
              f"{agree['served_ms']} ms, {agree['served_longest_ms']} ms at most of {agree['switches']}; "
              f"our switch was over after {agree['over_ms']} ms")  # type: ignore[index]  # fmt: skip
        held = [
            verdict("fill beside a plain import", poured["ratio"], bound=0.8, at_least=True),  # type: ignore[index]
            verdict("Retriever beside the driver", search["dense"]["ratio"], bound=1.1, at_least=False),  # type: ignore[index]
        ]
    return all(held)


@contextmanager
def to_stderr() -> Iterator[None]:
    """What is printed is for people."""
    kept, sys.stdout = sys.stdout, sys.stderr
    try:
        yield
    finally:
        sys.stdout = kept


if __name__ == "__main__":
    sys.exit(main())
