"""How fast ``fill --derive`` pours, beside a raw binary COPY of the very same rows, and beside a fill that encodes.

The raw COPY is the limit: it neither reads, nor multiplies, nor looks whether a text has changed. The fill with the small model
is timed over a few rows, and is what a derivation saves.

    python benchmarks/derive.py [--rows 100000] [--encoded 300]
"""

from __future__ import annotations

import argparse
import sys
import time
from contextlib import suppress

import numpy as np
import psycopg
from fill import Poured, raw_copy
from ground import DIMENSION, ENCODERS, adopted, database, documents, seconds, server, verdict
from linear import Linear, adapter
from transvase.core.encoders import load
from transvase.core.space import Role
from transvase.migrations.fill import fill
from transvase.migrations.open import open_target


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--encoded", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with server() as url:
        rates = beside_copy(url, given.rows, rounds=given.rounds)
    encoding = encoded(given.encoded)
    print(f"fill with builtin:minilm {encoding:,.0f} rows/s: deriving is {rates / encoding:,.0f} times as fast")
    return 0


def beside_copy(url: str, rows: int, *, rounds: int) -> float:
    """Rounds, the best of each side: what the machine's neighbours take is taken from both. Rows a second of the best one."""
    ratios, rates = [], []
    turned = adapter("turned", ENCODERS["old"])
    for attempt in range(rounds):
        with database(url, f"derive_{attempt}") as own:
            documents(own, rows)
            took = poured(own, turned)
            raw, read = raw_copy(own), raw_read(own)
            ratios.append(raw / took)
            rates.append(rows / took)
            both = f"raw COPY in {rows / raw:,.0f} rows/s and out {rows / read:,.0f} rows/s"
            print(f"derive {rows / took:,.0f} rows/s, {both}, product alone {product(turned, rows):,.0f} rows/s")
            print(f"deriving takes {took / (raw + read):.2f} times as long as both COPYs")
    verdict("derive beside raw COPY in", max(ratios), bound=0.25, at_least=True)
    return max(rates)


def poured(url: str, encoder: Linear) -> float:
    """Seconds from the start of ``fill --derive`` until every row is there, the index not yet built."""
    store = adopted(url)
    named = {**ENCODERS, encoder.name: encoder}
    open_target(store, "docs", to=encoder.name, encoders=named.__getitem__)

    def progress(what: str, done: int, total: int) -> None:
        if what.startswith("building"):
            raise Poured

    begun = time.perf_counter()
    with suppress(Poured):
        fill(
            store,
            "docs",
            encoders=named.__getitem__,
            derivations=lambda _enc, _source: encoder.derivation,
            progress=progress,
        )
    took = time.perf_counter() - begun
    store.close()
    return took


def raw_read(url: str) -> float:
    """Seconds for a COPY of keys and vectors out of the table, in key order."""
    with psycopg.connect(url, autocommit=True) as connection:

        def read() -> None:
            query = "COPY (SELECT id, embedding FROM documents ORDER BY id) TO STDOUT (FORMAT binary)"
            with connection.cursor().copy(query) as copy:
                for _ in copy:
                    pass

        return seconds(read)


def product(encoder: Linear, rows: int) -> float:
    """Rows a second of the matrix product and the normalisation, in blocks."""
    from transvase.core.encoders.derivation import moved

    block = np.random.default_rng(1).standard_normal((min(rows, 5_000), DIMENSION), dtype=np.float32)
    return len(block) / seconds(lambda: moved(block, encoder.matrix))


def encoded(rows: int) -> float:
    """Texts a second that the packaged small model encodes on this machine: a fill cannot be faster."""
    from ground import FILLER

    encoder = load("builtin:minilm")
    texts = [f"document {n}: {FILLER}" for n in range(rows)]
    encoder.encode(texts[:16], Role.DOCUMENT)
    return rows / seconds(lambda: encoder.encode(texts, Role.DOCUMENT))


if __name__ == "__main__":
    sys.exit(main())
