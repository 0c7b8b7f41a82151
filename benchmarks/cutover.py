"""The longest that any reader or writer waits while the alias is switched ten times, beside the same load without a switch.

Readers search through the Retriever and through the SQL view, writers insert, edit and delete, a worker pays the outbox: the
same threads in both halves, which take turns so that a slow moment of the machine meets both.

    python benchmarks/cutover.py [--rows 10000] [--switches 10] [--seconds 3]
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import threading
import time
from collections.abc import Callable

import psycopg
from ground import ENCODERS, adopted, database, documents, server, verdict
from transvase.core.fence import Fenced
from transvase.core.retriever import Retriever
from transvase.core.space import Role
from transvase.migrations.fill import fill
from transvase.migrations.open import open_target
from transvase.migrations.sync import Worker, beside

READERS = 2
WRITERS = 2
PAUSE_S = 0.02


class Waits:
    """The longest single operation of each half, in seconds."""

    def __init__(self) -> None:
        self.half = "without"
        self.longest = {"without": 0.0, "with": 0.0}
        self.count = {"without": 0, "with": 0}
        self.errors: list[str] = []
        self._lock = threading.Lock()

    def timed(self, act: Callable[[], object]) -> None:
        half, begun = self.half, time.perf_counter()
        try:
            act()
        except Exception as error:
            self.errors.append(repr(error))
        took = time.perf_counter() - begun
        with self._lock:
            if half == self.half:  # one that began in the other half belongs to neither
                self.longest[half] = max(self.longest[half], took)
                self.count[half] += 1


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000)
    parser.add_argument("--switches", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=3.0, help="of each half around one switch")
    given = parser.parse_args()
    waits, stop = Waits(), threading.Event()
    with server() as url, database(url, "cutover") as own:
        documents(own, given.rows, index=True)
        store = adopted(own)
        encoders = ENCODERS.__getitem__
        open_target(store, "docs", to="new", encoders=encoders)
        fill(store, "docs", encoders=encoders)
        loads = [through_retriever, through_view] * (READERS // 2) + [writer] * WRITERS
        threads = [threading.Thread(target=load, args=(own, given.rows, seed, waits, stop)) for seed, load in enumerate(loads)]
        with beside(Worker(store, "docs", encoders)):
            for thread in threads:
                thread.start()
            time.sleep(2.0)
            switches = []
            for _ in range(given.switches):
                waits.half = "without"
                time.sleep(given.seconds)
                waits.half = "with"
                alias = store.alias("docs")
                assert alias.shadow is not None
                switches.append(store.point("docs", alias.shadow.name, expect=alias.generation, allow_owed=10_000))
                time.sleep(given.seconds)
            stop.set()
            for thread in threads:
                thread.join()
        store.close()
    for half in ("without", "with"):
        print(f"{half} a switch: {waits.count[half]:,} operations, the longest {waits.longest[half] * 1000:.1f} ms")
    print(f"a switch took {max(s.seconds for s in switches) * 1000:.1f} ms at most; nobody was seen waiting longer than "
          f"{max(s.waited_s for s in switches) * 1000:.1f} ms for one")  # fmt: skip
    print(f"errors: {len(waits.errors)} {waits.errors[:1]}")
    held = verdict(
        "longest wait with switches beside without", waits.longest["with"] / waits.longest["without"], bound=2.0, at_least=False
    )
    return 0 if held and not waits.errors else 1


def through_retriever(url: str, rows: int, seed: int, waits: Waits, stop: threading.Event) -> None:
    with Retriever.connect(url, "docs", encoders=ENCODERS) as retriever:
        for n in itertools.count(seed):
            if stop.is_set():
                return
            waits.timed(lambda n=n: retriever.search(f"document {n % rows}", k=5))
            time.sleep(PAUSE_S)


def through_view(url: str, rows: int, seed: int, waits: Waits, stop: threading.Event) -> None:
    """A stranger's SQL: it asks in the space that it last saw live, and looks again when the database refuses the vector."""
    choice = random.Random(seed)
    with psycopg.connect(url, autocommit=True) as connection:
        vectors = {name: Fenced(ENCODERS[name], width) for name, width in (("old", 384), ("new", 385))}
        live = "old"
        while not stop.is_set():
            text = f"document {choice.randrange(rows)}"
            vector = str(vectors[live].encode([text], Role.QUERY).matrix[0].tolist())

            def search(vector: str = vector) -> None:
                nonlocal live
                try:
                    connection.execute(
                        "SELECT id FROM transvase.docs ORDER BY embedding <=> %s::vector LIMIT 5", (vector,)
                    ).fetchall()
                except psycopg.errors.DataException:
                    live = "new" if live == "old" else "old"

            waits.timed(search)
            time.sleep(PAUSE_S)


def writer(url: str, rows: int, seed: int, waits: Waits, stop: threading.Event) -> None:
    choice = random.Random(seed)
    with psycopg.connect(url, autocommit=True) as connection:
        for n in itertools.count(rows + seed, WRITERS + READERS):
            if stop.is_set():
                return
            edited = choice.randrange(rows)
            statement, values = choice.choice((
                ("INSERT INTO documents (id, title, body) VALUES (%s, 'new', 'a new document') ON CONFLICT DO NOTHING", (n,)),
                ("UPDATE documents SET body = body || ' edited' WHERE id = %s", (edited,)),
                ("DELETE FROM documents WHERE id = %s", (edited,)),
            ))  # fmt: skip
            waits.timed(lambda statement=statement, values=values: connection.execute(statement, values))
            time.sleep(PAUSE_S * 2)


if __name__ == "__main__":
    sys.exit(main())
