"""An export beside its model: texts a second, and the time of one short query, on one processor.

    python benchmarks/export.py [--base builtin:minilm] [--rounds 5]

Every figure is a ratio to torch in fp32, whose turn comes in the same round on the same texts. Processor seconds are
counted, not those of the wall, so that a neighbour does not change them much.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"

from transvase.core.encoders import directory_of
from transvase.core.encoders.onnx import load_onnx
from transvase.core.encoders.torch import load_torch
from transvase.core.evaluation.guard import guard_set
from transvase.core.export import Precision, export
from transvase.core.ports import Encoder
from transvase.core.space import Role


def cost(encoder: Encoder, calls: Sequence[Sequence[str]]) -> float:
    """Processor seconds of these calls, one after the other."""
    began = time.process_time()
    for texts in calls:
        encoder.encode(texts, Role.DOCUMENT)
    return time.process_time() - began


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--base", default="builtin:minilm")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    guard = guard_set(None, size=100, seed=1)
    long = [document.content for document in guard.documents[:100]]
    short = [query.text for query in guard.queries[:100]]
    work = {"long texts": [long], "short texts": [short], "one query": [[text] for text in short[:50]]}
    with tempfile.TemporaryDirectory() as scratch:
        ways: dict[str, Encoder] = {
            "torch": load_torch(directory_of(arguments.base), name=arguments.base, fast=False, device="cpu")
        }
        for precision in Precision:
            made = export(arguments.base, Path(scratch) / precision, precision=precision, progress=lambda *_: None)
            print(f"{precision}: {made.size / 1e6:.0f} MB, least cosine {made.least_cosine:.4f}, mean {made.mean_cosine:.4f}")
            ways[precision] = load_onnx(Path(scratch) / precision, name=precision, threads=1)
        for what, calls in work.items():
            for encoder in ways.values():
                cost(encoder, calls)
            rounds = [{name: cost(encoder, calls) for name, encoder in ways.items()} for _ in range(arguments.rounds)]
            ratios = {name: statistics.median(one["torch"] / one[name] for one in rounds) for name in ways}
            print(
                f"{what:12}",
                "  ".join(f"{name} {ratio:5.2f} of torch's speed" for name, ratio in ratios.items() if name != "torch"),
            )


if __name__ == "__main__":
    main()
