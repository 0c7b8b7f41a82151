"""``transvase train`` beside the script that everyone copies: the same time, and four times it, on the same machine.

    python benchmarks/training.py DATA [--base builtin:minilm] [--out DIR] [--times 1,4]

DATA is a collection in the BEIR layout with train, dev and test judgments. The script's wall time, from the start of its
process until its model is saved, is the budget (``--minutes``) of ours; both have all processors of the machine. What each
is worth is measured on the test split, exactly and on the whole corpus, and what each has forgotten on general questions.
Figures go to stderr as a table and to stdout as one JSON object.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from transvase.core.encoders import directory_of, load
from transvase.core.evaluation.comparison import Comparison, compare
from transvase.core.evaluation.evaluate import Evaluation, evaluate
from transvase.core.evaluation.gather import gather
from transvase.core.evaluation.guard import SPLIT, guard_set
from transvase.core.evaluation.metrics import NDCG

SCRIPT = Path(__file__).with_name("plain_script.py")
GUARD = 300
SEED = 1
BASE, PLAIN = "base", "script"


def seconds(command: Sequence[str]) -> float:
    """Wall time of a process, from its start to its end."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def trained(data: Path, base: str, out: Path, times: Sequence[float]) -> dict[str, tuple[str, float]]:
    """Name → ENC of the model and how many seconds it took; the base and the script come first."""
    took = seconds([sys.executable, str(SCRIPT), str(directory_of(base)), str(data), str(out / PLAIN)])
    print(f"script: {took:.1f} s", file=sys.stderr)
    made = {BASE: (base, 0.0), PLAIN: (str(out / PLAIN), took)}
    for factor in times:
        place = out / f"ours-{factor:g}"
        command = [sys.executable, "-m", "transvase.cli.main", "train", "--data", str(data), "--base", base, "--out", str(place)]
        made[f"ours x{factor:g}"] = (str(place), seconds([*command, "--minutes", f"{took * factor / 60:.4f}"]))
    return made


def shown(name: str, evaluation: Evaluation, *, wall: float | None, guard: float | None) -> dict[str, object]:
    """One line of the table, printed, and the same as an object."""
    scores = evaluation.runs[name][NDCG]
    over: Comparison = compare(evaluation.models[PLAIN][NDCG], scores, metric=NDCG)
    interval = f"{over.difference:+.4f} ({over.ci_low:+.4f} … {over.ci_high:+.4f})"
    rest = f"{'' if wall is None else f'{wall:7.1f} s'}  {'' if guard is None else f'guard {guard:+.4f}'}"
    print(f"{name:24} {scores.mean():.4f}  {interval:30} {rest}", file=sys.stderr)
    return {NDCG: float(scores.mean()), "over_the_script": over.as_json(), "seconds": wall, "guard": guard}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--base", default="builtin:minilm")
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--times", default="1,4")
    arguments = parser.parse_args()
    out = arguments.out or Path(tempfile.mkdtemp(prefix="transvase-training-"))
    out.mkdir(parents=True, exist_ok=True)
    made = trained(arguments.data, arguments.base, out, [float(one) for one in arguments.times.split(",")])

    encoders = {name: load(enc) for name, (enc, _) in made.items()}
    asked = gather(arguments.data, split="test")
    found = evaluate(asked.data, encoders, split="test", progress=silent, baselines=True, validation=asked.validation)
    general = evaluate(guard_set(None, size=GUARD, seed=SEED), encoders, split=SPLIT, progress=silent)
    guards = {name: float((figures[NDCG] - general.models[BASE][NDCG]).mean()) for name, figures in general.models.items()}
    walls = {name: wall for name, (_, wall) in made.items()}
    report = {name: shown(name, found, wall=walls.get(name), guard=guards.get(name)) for name in found.runs}
    print(json.dumps({"runs": report, "fusions": {name: choice.as_json() for name, choice in found.fusions.items()}}))


def silent(_what: str, _done: int, _total: int) -> None:
    """Progress that nobody watches."""


if __name__ == "__main__":
    main()
