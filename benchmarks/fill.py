"""How fast ``fill`` pours with an encoder that costs nothing, beside a raw binary COPY of the very same rows.

The raw COPY is the limit: it neither reads, nor encodes, nor looks whether a text has changed. Then one million rows against ten
thousand: the rate must hold and the memory must not grow.

    python benchmarks/fill.py [--rows 100000] [--long 1000000] [--short 10000]
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from contextlib import suppress

import psycopg
from ground import ENCODERS, adopted, database, documents, seconds, server, verdict
from transvase.migrations.fill import fill
from transvase.migrations.open import open_target


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--short", type=int, default=10_000)
    parser.add_argument("--long", type=int, default=1_000_000)
    parser.add_argument("--alone", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.alone:
        print(json.dumps(alone(given.alone)))
        return 0
    with server() as url:
        beside = beside_copy(url, given.rows)
    steady = long_against_short(given.short, given.long)
    return 0 if beside and steady else 1


def beside_copy(url: str, rows: int) -> bool:
    """Three rounds, the best of each side: what the machine's neighbours take is taken from both."""
    ratios = []
    for attempt in range(3):
        with database(url, f"fill_{attempt}") as own:
            documents(own, rows, vectors=False)
            poured = pour(own)
            raw = raw_copy(own)
            ratios.append(raw / poured)
            print(f"fill {rows / poured:,.0f} rows/s, raw COPY {rows / raw:,.0f} rows/s, {rows:,} rows")
    return verdict("fill beside raw COPY", max(ratios), bound=0.5, at_least=True)


class Poured(Exception):
    """Raised when the pouring is over and the index would be built: how long that takes is not the question here."""


def pour(url: str) -> float:
    """Seconds from the start of ``fill`` until every row is there."""
    store = adopted(url, encoder="unknown")
    open_target(store, "docs", to="free", encoders=ENCODERS.__getitem__)

    def progress(what: str, done: int, total: int) -> None:
        if what.startswith("building"):
            raise Poured

    begun = time.perf_counter()
    with suppress(Poured):
        fill(store, "docs", encoders=ENCODERS.__getitem__, progress=progress)
    took = time.perf_counter() - begun
    store.close()
    return took


def raw_copy(url: str) -> float:
    """Seconds for a COPY of the filled rows, from memory, into a table of the same form."""
    with psycopg.connect(url, autocommit=True) as connection:
        side = connection.execute("SELECT shadow FROM transvase_control.alias").fetchone()
        assert side is not None
        relation = f'transvase_control."{side[0]}"'
        with connection.cursor().copy(f"COPY (SELECT * FROM {relation} ORDER BY k1) TO STDOUT (FORMAT binary)") as copy:
            chunks = [bytes(chunk) for chunk in copy]
        connection.execute("CREATE TABLE raw (k1 bigint PRIMARY KEY, embedding vector(385) NOT NULL, digest bytea NOT NULL)")
        connection.execute("CHECKPOINT")

        def write() -> None:
            with connection.cursor().copy("COPY raw FROM STDIN (FORMAT binary)") as copy:
                for chunk in chunks:
                    copy.write(chunk)

        return seconds(write)


def alone(rows: int) -> dict[str, float]:
    """One fill in a process of its own: its rate, and the most memory that the process ever had."""
    with server() as url, database(url, "alone") as own:
        documents(own, rows, vectors=False)
        took = pour(own)
    return {"rows_per_s": rows / took, "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def long_against_short(short: int, long: int) -> bool:
    """Each in a process of its own, so that the peak memory is its own too."""
    results = {}
    for rows in (short, long):
        answer = subprocess.run([sys.executable, __file__, "--alone", str(rows)], check=True, capture_output=True, text=True)
        results[rows] = json.loads(answer.stdout.splitlines()[-1])
        print(f"{rows:,} rows: {results[rows]['rows_per_s']:,.0f} rows/s, peak {results[rows]['peak_mib']:,.0f} MiB")
    rate = verdict(
        f"rate at {long:,} rows against {short:,}",
        results[long]["rows_per_s"] / results[short]["rows_per_s"],
        bound=0.9,
        at_least=True,
    )
    memory = verdict(
        f"memory at {long:,} rows against {short:,}",
        results[long]["peak_mib"] / results[short]["peak_mib"],
        bound=1.3,
        at_least=False,
    )
    return rate and memory


if __name__ == "__main__":
    sys.exit(main())
