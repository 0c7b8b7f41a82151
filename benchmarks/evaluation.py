"""What exact evaluation costs beside the matrix product alone, and how much memory it takes as the corpus grows.

An encoder that costs nothing stands in for a model; the product with the very same blocks is what no exact search can do
without. Run each size in a process of its own, since peak memory never falls:

    python benchmarks/evaluation.py [--documents 1000000] [--queries 10000] [--k 10]
"""

from __future__ import annotations

import argparse
import resource
import sys
import time
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from transvase.core.evaluation.ranking import BLOCK, CELLS, nearest, unit

DIMENSION = 384
READY = 65_536
"""Random rows made before the clock starts; a corpus passes by as windows of them, so that making them costs nothing."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--queries", type=int, default=10_000)
    parser.add_argument("--k", type=int, default=10)
    given = parser.parse_args()
    rng = np.random.default_rng(1)
    ready = rng.standard_normal((READY, DIMENSION), dtype=np.float32)
    queries = rng.standard_normal((given.queries, DIMENSION), dtype=np.float32)
    held = megabytes()
    begun = time.perf_counter()
    rows, _ = nearest(queries, passing(ready, given.documents), k=given.k)
    ours, peak = time.perf_counter() - begun, megabytes()
    begun = time.perf_counter()
    products(unit(queries), passing(ready, given.documents))
    alone = time.perf_counter() - begun
    whole = given.documents * DIMENSION * 4 / 1e6
    print(
        f"{given.queries:,} queries × {given.documents:,} records, k = {given.k}: {ours:.1f} s; the products alone {alone:.1f} s"
    )
    print(f"ratio to the matrix product alone: {ours / alone:.2f}")
    print(f"memory taken by the search: {peak - held:.0f} MB (the corpus' vectors would be {whole:,.0f} MB)")
    return 0 if (rows >= 0).all() else 1


def passing(ready: NDArray[np.float32], documents: int) -> Iterator[NDArray[np.float32]]:
    """Blocks of a corpus of that many documents."""
    for first in range(0, documents, BLOCK):
        at = (first * 7) % (READY - BLOCK)
        yield ready[at : at + min(BLOCK, documents - first)]


def products(queries: NDArray[np.float32], blocks: Iterator[NDArray[np.float32]]) -> None:
    """The same products in blocks of the same size, and nothing else."""
    for block in blocks:
        step = max(1, CELLS // len(block))
        for at in range(0, len(queries), step):
            queries[at : at + step] @ block.T


def megabytes() -> float:
    """The most memory that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


if __name__ == "__main__":
    sys.exit(main())
