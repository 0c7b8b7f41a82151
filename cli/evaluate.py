"""``transvase evaluate``: what models are worth on judged queries, beside BM25 and hybrids, the last one against the first."""

from __future__ import annotations

import json
from pathlib import Path

import click
from rich.console import Group, RenderableType
from rich.text import Text
from transvase.core.encoders import load
from transvase.core.errors import BadValue, NotReady, Unfit, UnknownName
from transvase.core.evaluation import Evaluation, evaluate
from transvase.core.evaluation.examples import Example, losses, wins
from transvase.core.evaluation.gates import Gate, gates
from transvase.core.evaluation.gather import gather
from transvase.core.evaluation.guard import guard_set
from transvase.core.evaluation.metrics import NDCG
from transvase.core.ports import Progress
from transvase.core.signal.leaks import find_leaks

from .options import json_option
from .output import emit, rows
from .progress import progress_to_stderr
from .report import Told, write

_GUARD_SIZE = 500
"""Questions of the guard: enough that a loss of 0.01 is not mere chance, few enough to encode in a minute on a CPU."""


@click.command(name="evaluate")
@click.argument("encoders", nargs=-1, required=True, metavar="ENC...")
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Collection in the BEIR layout.")
@click.option("--split", default="test", show_default=True, help="Which qrels/<split>.tsv judges.")
@click.option("--baselines/--no-baselines", default=True, show_default=True, help="BM25, and its hybrid with each model.")
@click.option("--k", "ks", type=click.IntRange(1, 100), multiple=True, metavar="N", help="A further cut-off; may be repeated.")
@click.option("--examples", type=click.IntRange(0), default=5, show_default=True, metavar="N", help="Wins and losses shown.")
@click.option("--gates", "gated", is_flag=True, help="Ends with status 1 unless the last model may replace the first.")
@click.option("--guard", type=click.Path(path_type=Path), metavar="DIR", help="General collection for the gates, of your own.")
@click.option("--allow-leaks", is_flag=True, help="Evaluate although queries of the split were also trained on.")
@click.option("--per-query", type=click.Path(path_type=Path), metavar="FILE", help="Write every query's figures, a line each.")
@click.option("--html", type=click.Path(path_type=Path), metavar="FILE", help="Write a page with pictures.")
@json_option
def command(
    *,
    encoders: tuple[str, ...],
    data: Path,
    split: str,
    baselines: bool,
    ks: tuple[int, ...],
    examples: int,
    gated: bool,
    guard: Path | None,
    allow_leaks: bool,
    per_query: Path | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Rank the whole corpus for every judged query with each model, exactly, and compare the last with the first."""
    _check(encoders, gated=gated, baselines=baselines, guard=guard)
    for path in (per_query, html):
        _check_place(path)
    found = gather(data, split=split)
    leaks = _leaks(data, split=split, allowed=allow_leaks)
    guarded = guard_set(guard, size=_GUARD_SIZE, seed=1) if gated else None
    with progress_to_stderr() as progress:
        loaded = {name: load(name) for name in encoders}
        evaluation = evaluate(
            found.data,
            loaded,
            split=split,
            progress=progress,
            baselines=baselines,
            validation=found.validation,
            ks=sorted(set(ks)),
            trained=found.trained,
        )
        general = None
        if guarded is not None:
            pair = {name: loaded[name] for name in (evaluation.base, evaluation.candidate)}
            general = evaluate(guarded, pair, split=guarded.split, progress=_named(progress))
    judged = gates(evaluation, guard=general) if gated else None
    told = Told(
        evaluation=evaluation,
        gates=judged,
        wins=wins(evaluation, top=examples),
        losses=losses(evaluation, top=examples),
    )
    if html:
        write(told, html)
    if per_query:
        _write_queries(evaluation, per_query)
    emit({**_as_json(told), "leaks": leaks}, as_json, shown=_shown(told, leaks))
    if judged and (failed := [gate for gate in judged if not gate.passed]):
        raise NotReady("promotion", "; ".join(f"the gate “{gate.name}” failed ({gate.detail})" for gate in failed))


def _check(encoders: tuple[str, ...], *, gated: bool, baselines: bool, guard: Path | None) -> None:
    repeated = sorted({name for name in encoders if encoders.count(name) > 1})
    if repeated:
        raise BadValue("encoders", ", ".join(repeated), why="name each model once")
    if gated and len(encoders) < 2:
        raise BadValue("encoders", encoders[0], why="--gates judges the last model against the first; name the base first")
    if gated and not baselines:
        raise BadValue("--no-baselines", "--gates", why="a gate compares with BM25 and hybrids; leave one of the two out")
    if guard and not gated:
        raise BadValue("--guard", str(guard), why="the guard is one of the gates; give --gates too")


def _check_place(path: Path | None) -> None:
    """Hours of encoding must not end on a folder that is not there."""
    if path is not None and not path.parent.is_dir():
        raise UnknownName("directory", str(path.parent), hint=f"make it first, {path.name} is to be written there")
    if path is not None and path.is_dir():
        raise BadValue("file", str(path), why="it is a directory; name a file in it")


def _leaks(data: Path, *, split: str, allowed: bool) -> str | None:
    """What training has seen of the split in a sentence, None for nothing; Unfit unless that is ``allowed``."""
    if split == "train":
        return None
    found = find_leaks(data, split=split)
    if not found.leaking:
        return None
    if not allowed:
        remedy = "figures on it would flatter; divide the collection anew, or evaluate all the same with --allow-leaks"
        raise Unfit(f"{data}: {found.sentence()}", remedy=remedy)
    return found.sentence()


def _named(progress: Progress) -> Progress:
    """The same, saying that it is the guard that is asked."""
    return lambda what, done, total: progress(f"{what} on general questions", done, total)


def _write_queries(evaluation: Evaluation, path: Path) -> None:
    try:
        with path.open("w", encoding="utf-8") as file:
            for line in evaluation.per_query():
                file.write(json.dumps(line, ensure_ascii=False) + "\n")
    except OSError as error:
        remedy = "name another place with --per-query"
        raise Unfit(f"the figures of the queries cannot be written to {path} ({error.strerror})", remedy=remedy) from error


def _as_json(told: Told) -> dict[str, object]:
    found = told.evaluation.as_json()
    found["wins"] = [example.as_json() for example in told.wins]
    found["losses"] = [example.as_json() for example in told.losses]
    if told.gates is not None:
        found["gates"] = [gate.as_json() for gate in told.gates]
    return found


def _shown(told: Told, leaks: str | None) -> RenderableType:
    evaluation = told.evaluation
    metrics = list(evaluation.models[evaluation.base])
    lines = [
        [told.row(name), *(f"{scores.mean():.4f}" for scores in figures.values()), _against(evaluation, name)]
        for name, figures in evaluation.runs.items()
    ]
    heading = [f"{len(evaluation.queries)} queries", *metrics, f"{NDCG}, last against it"]
    shown: list[RenderableType] = [rows(heading, lines)]
    shown += [f"{name}: {choice.why}" for name, choice in evaluation.fusions.items()]
    if found := evaluation.comparison:
        interval = f"95 % {found.ci_low:+.4f} … {found.ci_high:+.4f}, p = {found.p_value:.4f}"
        shown.append(f"{found.metric}, last against first: {found.difference:+.4f} ({interval}{_kin(evaluation)})")
        shown += ["", _slices(evaluation)] if evaluation.contrasts else []
        shown += _examples("gained most", told.wins) + _examples("lost most", told.losses)
    if told.gates is not None:
        shown += ["", rows(["gate", "", "detail"], [_gate(gate) for gate in told.gates])]
    if leaks:
        shown += ["", f"beware: {leaks}; the figures flatter whoever was trained on it"]
    return Group(*map(_plain, shown))


def _against(evaluation: Evaluation, name: str) -> str:
    found = evaluation.against.get(name)
    return f"{found.difference:+.4f} ({found.ci_low:+.4f} … {found.ci_high:+.4f})" if found else ""


def _kin(evaluation: Evaluation) -> str:
    """How much less evidence there is than queries, where some are of one family."""
    count = len(set(evaluation.families))
    if count == 1 < len(evaluation.queries):
        return "; all of one family, for which alone this speaks"
    return f"; {count} families, each taken whole" if count < len(evaluation.queries) else ""


def _slices(evaluation: Evaluation) -> RenderableType:
    contrasts = sorted(evaluation.contrasts.items(), key=lambda one: one[1].comparison.difference)
    lines = []
    for name, found in contrasts:
        compared = found.comparison
        interval = f"{compared.ci_low:+.4f} … {compared.ci_high:+.4f}"
        lines.append([name, found.queries, f"{compared.difference:+.4f}", interval, f"{found.p_corrected:.4f}"])
    return rows(["slice", "queries", NDCG, "95 %", "p, corrected"], lines)


def _examples(title: str, found: tuple[Example, ...]) -> list[RenderableType]:
    if not found:
        return []
    lines = []
    for example in found:
        first, last = (
            next((f"{shown.rank}" for shown in side if shown.right), "–") for side in (example.base, example.candidate)
        )
        lines.append([example.text, f"{example.gain:+.3f}", f"{first} → {last}", example.candidate[0].text[:60]])
    return ["", rows([title, NDCG, "rank", "first answer now"], lines)]


def _gate(gate: Gate) -> tuple[str, str, str]:
    return gate.name, "passed" if gate.passed else "FAILED", gate.detail


def _plain(shown: RenderableType) -> RenderableType:
    """Sentences as they are, whatever brackets a model's name holds."""
    return Text(shown) if isinstance(shown, str) else shown
