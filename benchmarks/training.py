"""``transvase train`` beside the script that everyone copies: the same time, and four times it, on the same machine.

    python benchmarks/training.py DATA [--base builtin:minilm] [--out DIR] [--times 1,4] [--only-evaluate]

DATA is a collection in the BEIR layout with train, dev and test judgments. The script's wall time, from the start of its
process until its model is saved, is the budget (``--minutes``) of ours; both have all processors of the machine. What each
is worth is measured on the test split, exactly and on the whole corpus, and what each has forgotten on general questions.
Every run, alone and as the hybrid it would be served as, is held against the script's model, and against the best of what is
there without any training: BM25, the base, and the hybrid of both. Intervals draw whole families of queries.
Figures go to stderr as a table and to stdout as one JSON object. ``--only-evaluate`` measures again what an earlier run left in
``--out``, and trains nothing.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from transvase.core.encoders import directory_of, load
from transvase.core.evaluation.comparison import Comparison, compare
from transvase.core.evaluation.evaluate import Evaluation, evaluate
from transvase.core.evaluation.gather import gather
from transvase.core.evaluation.guard import SPLIT, guard_set
from transvase.core.evaluation.metrics import NDCG
from transvase.core.evaluation.runs import BM25, hybrid

SCRIPT = Path(__file__).with_name("plain_script.py")
GUARD = 300
SEED = 1
BASE, PLAIN = "base", "script"
RIVALS = (BM25, BASE, hybrid(BASE))
WALLS = "seconds.json"
"""In ``--out``: what each model took, for a later ``--only-evaluate``."""


def seconds(command: Sequence[str]) -> float:
    """Wall time of a process, from its start to its end."""
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def places(out: Path, times: Sequence[float]) -> dict[str, Path]:
    """Name → directory of each model that is trained, the script's first."""
    return {PLAIN: out / PLAIN, **{f"ours x{factor:g}": out / f"ours-{factor:g}" for factor in times}}


def train(data: Path, base: str, out: Path, times: Sequence[float]) -> None:
    """Train the script's model, and ours in so many times its time."""
    took = seconds([sys.executable, str(SCRIPT), str(directory_of(base)), str(data), str(out / PLAIN)])
    print(f"script: {took:.1f} s", file=sys.stderr)
    walls = {PLAIN: took}
    for factor, (name, place) in zip(times, list(places(out, times).items())[1:], strict=True):
        command = [sys.executable, "-m", "transvase.cli.main", "train", "--data", str(data), "--base", base, "--out", str(place)]
        walls[name] = seconds([*command, "--minutes", f"{took * factor / 60:.4f}"])
        (out / WALLS).write_text(json.dumps(walls), encoding="utf-8")


def measured(data: Path, encs: Mapping[str, str]) -> tuple[Evaluation, dict[str, float]]:
    """All models on the test split, and how much NDCG@10 on general questions each has above the base."""
    encoders = {name: load(enc) for name, enc in encs.items()}
    asked = gather(data, split="test")
    found = evaluate(asked.data, encoders, split="test", progress=silent, baselines=True, validation=asked.validation)
    general = evaluate(guard_set(None, size=GUARD, seed=SEED), encoders, split=SPLIT, progress=silent)
    return found, {name: float((figures[NDCG] - general.models[BASE][NDCG]).mean()) for name, figures in general.models.items()}


def over(evaluation: Evaluation, name: str, rival: str) -> Comparison:
    """The run minus its rival, on the same queries."""
    runs = evaluation.runs
    return compare(runs[rival][NDCG], runs[name][NDCG], metric=NDCG, families=evaluation.families)


def best_rival(evaluation: Evaluation) -> str:
    """The best of what is there without training: chosen by the very figures it is compared by, which is in its favour."""
    return max(RIVALS, key=lambda name: evaluation.runs[name][NDCG].mean())


def shown(name: str, evaluation: Evaluation, *, wall: float | None, guard: float | None) -> dict[str, object]:
    """One line of the table, printed, and the same as an object."""
    rival, mean = best_rival(evaluation), float(evaluation.runs[name][NDCG].mean())
    script = over(evaluation, name, PLAIN) if name != PLAIN else None
    there = over(evaluation, name, rival) if name != rival else None
    rest = f"{'' if wall is None else f'{wall:7.1f} s'}  {'' if guard is None else f'guard {guard:+.4f}'}"
    print(f"{name:24} {mean:.4f}  {_interval(script):30} {_interval(there):30} {rest}", file=sys.stderr)
    return {
        NDCG: mean,
        "over_the_script": script and script.as_json(),
        "over_what_is_there": there and {"rival": rival, **there.as_json()},
        "seconds": wall,
        "guard": guard,
    }


def told(evaluation: Evaluation, *, walls: Mapping[str, float], guards: Mapping[str, float]) -> dict[str, object]:
    """The whole table, printed, and the same as an object."""
    queries, kin, rival = len(evaluation.queries), len(set(evaluation.families)), best_rival(evaluation)
    print(f"{queries} queries in {kin} families; what is there: {rival}", file=sys.stderr)
    print(f"{'':24} {NDCG}  {'over the script':30} {f'over {rival}':30}", file=sys.stderr)
    report = {name: shown(name, evaluation, wall=walls.get(name), guard=guards.get(name)) for name in evaluation.runs}
    for name, choice in evaluation.fusions.items():
        print(f"{name}: {choice.why}", file=sys.stderr)
    fusions = {name: choice.as_json() for name, choice in evaluation.fusions.items()}
    return {"queries": queries, "families": kin, "what_is_there": rival, "runs": report, "fusions": fusions}


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("data", type=Path)
    parser.add_argument("--base", default="builtin:minilm")
    parser.add_argument("--out", type=Path, default=None)
    parser.add_argument("--times", default="1,4")
    parser.add_argument("--only-evaluate", action="store_true", help="measure the models that lie in --out; train none")
    given = parser.parse_args()
    times = [float(one) for one in given.times.split(",")]
    if given.only_evaluate and given.out is None:
        parser.error("--only-evaluate measures what lies in --out: name it")
    out = given.out or Path(tempfile.mkdtemp(prefix="transvase-training-"))
    if not given.only_evaluate:
        out.mkdir(parents=True, exist_ok=True)
        train(given.data, given.base, out, times)
    models = places(out, times)
    if missing := [str(place) for place in models.values() if not place.is_dir()]:
        parser.error(f"there is no model in {', '.join(missing)}: leave --only-evaluate out, or name other --times")
    walls = json.loads((out / WALLS).read_text(encoding="utf-8")) if (out / WALLS).exists() else {}
    evaluation, guards = measured(given.data, {BASE: given.base, **{name: str(place) for name, place in models.items()}})
    print(json.dumps(told(evaluation, walls=walls, guards=guards)))


def _interval(found: Comparison | None) -> str:
    return f"{found.difference:+.4f} ({found.ci_low:+.4f} … {found.ci_high:+.4f})" if found else ""


def silent(_what: str, _done: int, _total: int) -> None:
    """Progress that nobody watches."""


if __name__ == "__main__":
    main()
