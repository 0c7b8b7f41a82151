"""``transvase train``: fine-tune a model on a judged collection."""

from __future__ import annotations

from pathlib import Path

import click
from transvase.core.training import TrainSettings, train

from .options import json_option
from .output import emit
from .progress import progress_to_stderr


@click.command(name="train")
@click.option("--data", required=True, type=click.Path(path_type=Path), help="Collection in the BEIR layout.")
@click.option("--base", required=True, metavar="ENC", help="Model to start from: a directory, a hub name or builtin:minilm.")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Directory to write the model into; it must not exist."
)
@click.option("--minutes", type=float, help="Wall-clock budget of the whole run.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed and data give the same draws.")
@json_option
def command(*, data: Path, base: str, out: Path, minutes: float | None, seed: int, as_json: bool) -> None:
    """Fine-tune a model on qrels/train.tsv, choose on dev (or on families held out of train), never open test."""
    settings = TrainSettings(data=data, base=base, out=out, minutes=minutes, seed=seed)
    with progress_to_stderr() as progress:
        trained = train(settings, progress=progress)
    for note in (*trained.notes, trained.note):
        click.echo(note, err=True)
    emit(trained.as_json() | {"out": str(trained.out)}, as_json)
