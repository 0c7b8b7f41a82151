"""``transvase assess``: should we train at all? What was measured, the three conditions, the cheaper steps, and a verdict."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Group, RenderableType
from rich.text import Text
from transvase.core.assessment import Assessment, Conditions, Maturity, assess
from transvase.core.encoders import load
from transvase.core.errors import BadValue, UnknownName
from transvase.core.evaluation.judged import CORPUS

from .options import json_option
from .output import emit, rows
from .progress import progress_to_stderr

_MATURITY = [str(level) for level in Maturity]
_DEFAULTS = Conditions()


@click.command(name="assess")
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Collection in the BEIR layout.")
@click.option("--base", required=True, metavar="ENC", help="The model in use: a directory, a hub name or builtin:minilm.")
@click.option("--split", help="Which qrels/<split>.tsv judges; without it dev, else train. Never test unless named.")
@click.option("--bar", type=float, help="NDCG@10 that is wanted; without it, what tuning is estimated to reach.")
@click.option(
    "--least-gap", type=float, default=_DEFAULTS.least_gap, show_default=True, help="NDCG@10 below the bar that counts."
)
@click.option("--usable-pairs", type=int, default=_DEFAULTS.usable_pairs, show_default=True, help="Pairs that training needs.")
@click.option("--overfitting-pairs", type=int, default=_DEFAULTS.overfitting_pairs, show_default=True, help="Warn below these.")
@click.option("--failing-queries", type=int, default=_DEFAULTS.failing_queries, show_default=True, help="Failures to have seen.")
@click.option("--maturity", type=click.Choice(_MATURITY), help="Who looks after search quality.")
@click.option(
    "--least-maturity",
    type=click.Choice(_MATURITY),
    default=str(_DEFAULTS.least_maturity),
    show_default=True,
    help="Needed of it.",
)
@click.option("--searches-per-month", type=float, help="How many searches are made.")
@click.option("--value-per-search", type=float, help="What one search that is answered instead of failed is worth.")
@click.option("--upkeep-per-month", type=float, help="What keeping a model of your own costs, in the same money.")
@click.option(
    "--minutes",
    type=click.FloatRange(0),
    default=5.0,
    show_default=True,
    help="For a trial run where it stays open; 0: none.",
)
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed and data give the same figures.")
@json_option
def command(
    *,
    data: Path,
    base: str,
    split: str | None,
    bar: float | None,
    least_gap: float,
    usable_pairs: int,
    overfitting_pairs: int,
    failing_queries: int,
    maturity: str | None,
    least_maturity: str,
    searches_per_month: float | None,
    value_per_search: float | None,
    upkeep_per_month: float | None,
    minutes: float,
    seed: int,
    as_json: bool,
) -> None:
    """Say whether training pays on this collection, and which cheaper step would help first."""
    asked = Conditions(
        least_gap=least_gap,
        usable_pairs=usable_pairs,
        overfitting_pairs=overfitting_pairs,
        failing_queries=failing_queries,
        least_maturity=Maturity(least_maturity),
        bar=bar,
        maturity=Maturity(maturity) if maturity else None,
        searches_per_month=searches_per_month,
        value_per_search=value_per_search,
        upkeep_per_month=upkeep_per_month,
    )
    if not (data / CORPUS).is_file():  # before a model is loaded for nothing
        raise UnknownName("collection", str(data), hint="a collection has corpus.jsonl, queries.jsonl and qrels/<split>.tsv")
    if seed < 0:
        raise BadValue("seed", seed, why="a whole number of 0 or more")
    with progress_to_stderr() as progress:
        found = assess(data, load(base), split=split, asked=asked, minutes=minutes, seed=seed, progress=progress)
    emit(found.as_json(), as_json, shown=_shown(found))


def _shown(found: Assessment) -> RenderableType:
    parts: list[RenderableType] = [_ways(found), "", _conditions(found), "", _steps(found), ""]
    if found.failures.gathered:
        parts += [_clusters(found), ""]
    parts.append(Text(f"verdict: {found.advice}", style="bold"))
    parts += [Text(f"  {reason}") for reason in found.reasons]
    parts += [Text(f"note: {warning}") for warning in found.warnings]
    parts.append(Text(f"next: {found.next_step}"))
    return Group(*parts)


def _ways(found: Assessment) -> RenderableType:
    metrics = list(next(iter(found.survey.ways.values())).figures)
    best, heading = found.survey.best, f"{len(found.survey.data.queries):,} queries of {found.survey.data.split}"
    lines = [
        [f"{name}{' (best)' if name == best else ''}", *(f"{values.mean():.4f}" for values in way.figures.values())]
        for name, way in found.survey.ways.items()
    ]
    return rows([heading, *metrics], lines)


def _conditions(found: Assessment) -> RenderableType:
    words = {True: "yes", False: "no", None: "not judged"}
    lines = [
        [condition.name, "open" if condition.open else words[condition.passed], condition.reason]
        for condition in found.conditions
    ]
    return rows(["condition", "holds", "because"], lines)


def _steps(found: Assessment) -> RenderableType:
    lines = [
        [step.step, "yes" if step.advised else "no", f"{'at most ' if step.at_most else ''}{step.gain:+.3f}", step.reason]
        for step in found.steps
    ]
    return rows(["cheaper step", "advised", "NDCG@10", "because"], lines)


def _clusters(found: Assessment) -> RenderableType:
    lines = [
        [cluster.kind, cluster.queries, f"{cluster.rate:.0%}", f"{cluster.rate_outside:.0%}", f"{cluster.p_value:.4f}"]
        for cluster in found.failures.gathered
    ]
    return rows(["failures cluster where there is", "queries", "fail", "others fail", "p (Holm)"], lines)
