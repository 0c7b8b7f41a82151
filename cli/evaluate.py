"""``transvase evaluate``: what models are worth on judged queries, the last one compared with the first."""

from __future__ import annotations

from pathlib import Path

import click
from rich.console import Group, RenderableType
from transvase.core.encoders import load
from transvase.core.errors import BadValue
from transvase.core.evaluation import Evaluation, evaluate, read

from .options import json_option
from .output import emit, rows
from .progress import progress_to_stderr


@click.command(name="evaluate")
@click.argument("encoders", nargs=-1, required=True, metavar="ENC...")
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Collection in the BEIR layout.")
@click.option("--split", default="test", show_default=True, help="Which qrels/<split>.tsv judges.")
@json_option
def command(*, encoders: tuple[str, ...], data: Path, split: str, as_json: bool) -> None:
    """Rank the whole corpus for every judged query with each model, exactly, and compare the last with the first."""
    repeated = sorted({name for name in encoders if encoders.count(name) > 1})
    if repeated:
        raise BadValue("encoders", ", ".join(repeated), why="name each model once")
    judged = read(data, split=split)
    with progress_to_stderr() as progress:
        evaluation = evaluate(judged, {name: load(name) for name in encoders}, split=split, progress=progress)
    emit(evaluation.as_json(), as_json, shown=_table(evaluation))


def _table(evaluation: Evaluation) -> RenderableType:
    metrics = list(next(iter(evaluation.models.values())))
    lines = [[name, *(f"{scores.mean():.4f}" for scores in figures.values())] for name, figures in evaluation.models.items()]
    shown: list[RenderableType] = [rows([f"{len(evaluation.queries)} queries", *metrics], lines)]
    if found := evaluation.comparison:
        interval = f"95 % {found.ci_low:+.4f} … {found.ci_high:+.4f}, p = {found.p_value:.4f}"
        shown.append(f"{found.metric}, last against first: {found.difference:+.4f} ({interval})")
    return Group(*shown)
