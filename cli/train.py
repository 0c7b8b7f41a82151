"""``transvase train``: train a model on a judged collection, by the cheapest rung of the ladder that is worth it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

import click
from transvase.core.errors import BadValue
from transvase.core.training import Rung, Trained, TrainSettings, is_first, train

from .options import json_option
from .output import emit
from .progress import progress_to_stderr

_FRESH_S: Final = 60.0

_PATH = click.Path(path_type=Path)
_NOTHING = Path("none")


@click.command(name="train")
@click.option("--data", required=True, type=_PATH, help="Collection in the BEIR layout.")
@click.option(
    "--base",
    required=True,
    metavar="ENC",
    help="Model to start from: a directory, a hub name, builtin:minilm, or an endpoint (which gets adapters alone).",
)
@click.option("--out", required=True, type=_PATH, help="Directory to write the model into; it must not exist.")
@click.option("--minutes", type=float, help="Wall-clock budget of the whole run.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed and data give the same draws.")
@click.option("--epochs", type=int, default=3, show_default=True, help="Passes over the pairs, at most.")
@click.option(
    "--batch",
    type=int,
    help="Answers in a batch (of each process), with up to 4 questions each; default: 64, or 32 for few pairs or little time.",
)
@click.option("--rate", type=float, default=1e-4, show_default=True, help="Highest learning rate.")
@click.option("--length", type=int, default=64, show_default=True, help="Tokens read of each text while training.")
@click.option("--negatives", type=int, default=1, show_default=True, help="Mined hard negatives a pair.")
@click.option("--crops", type=float, default=1.0, show_default=True, help="Queries cut out of the corpus to each pair; 0: none.")
@click.option("--rungs", default=",".join(Rung), show_default=True, help="What may be tried, parted by commas.")
@click.option("--loss", default="ranking", show_default=True, help="ranking, cached (large batches) or triplet.")
@click.option("--guided", type=float, help="Leave out in-batch negatives that the base scores this far above the answer.")
@click.option("--guard", type=_PATH, help="Collection that must not get worse; default: installed documentation.")
@click.option(
    "--replay",
    type=_PATH,
    default="auto",
    show_default=True,
    help="Collection whose train pairs are mixed in; `installed` documentation; `auto`: that, if time allows; `none`.",
)
@click.option("--matryoshka", default="", help="Smaller dimensions to train for and to write models of: 256,128.")
@click.option("--lora", type=int, default=0, help="Rank of a low-rank update in place of all weights.")
@click.option("--teacher", type=_PATH, help="Cross-encoder (a directory) to learn scores from.")
@click.option("--prompt-query", help="Put before every query, in training and in serving.")
@click.option("--prompt-document", help="Put before every document, in training and in serving.")
@click.option("--device", help="cpu, cuda, cuda:1 …; default: the card where there is one.")
@json_option
def command(
    *,
    data: Path,
    base: str,
    out: Path,
    minutes: float | None,
    seed: int,
    epochs: int,
    batch: int | None,
    rate: float,
    length: int,
    negatives: int,
    crops: float,
    rungs: str,
    loss: str,
    guided: float | None,
    guard: Path | None,
    replay: Path | None,
    matryoshka: str,
    lora: int,
    teacher: Path | None,
    prompt_query: str | None,
    prompt_document: str | None,
    device: str | None,
    as_json: bool,
) -> None:
    """Train on qrels/train.tsv, choose on dev (or on families held out of train), never open test.

    Climbs from an adapter on the base's vectors to fine-tuning with mined negatives while validation gains and time lasts, and
    takes the rung with the cheapest migration of those that are within noise of the best. A run that was killed goes on when
    the same command is given again.
    """
    settings = TrainSettings(
        data=data,
        base=base,
        out=out,
        minutes=minutes,
        seed=seed,
        epochs=epochs,
        batch=batch,
        rate=rate,
        train_length=length,
        negatives=negatives,
        crops=crops,
        rungs=_rungs(rungs),
        loss=loss,
        guided=guided,
        guard=guard,
        replay=None if replay == _NOTHING else replay,
        matryoshka=_dimensions(matryoshka),
        lora=lora,
        teacher=teacher,
        prompt_query=prompt_query,
        prompt_document=prompt_document,
        device=device,
    )
    with progress_to_stderr() as progress:
        trained = train(settings, progress=progress, spent_s=_since_start())
    if is_first():  # torchrun starts this program several times; one of them speaks
        _show(trained, as_json=as_json)


def _show(trained: Trained, *, as_json: bool) -> None:
    for note in (*trained.notes, trained.note):
        click.echo(note, err=True)
    emit(trained.as_json() | {"out": str(trained.out)}, as_json)


def _since_start() -> float:
    """Seconds since this process began, because imports count against the budget; 0 in one that has long been at work."""
    try:
        ticks = int(Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError, IndexError):
        return 0.0
    return age if 0 < age < _FRESH_S else 0.0


def _rungs(text: str) -> tuple[Rung, ...]:
    names = [name.strip() for name in text.split(",") if name.strip()]
    unknown = sorted(set(names) - set(Rung))
    if unknown:
        raise BadValue("rungs", ",".join(unknown), why=f"there are {', '.join(Rung)}")
    return tuple(rung for rung in Rung if rung in names)


def _dimensions(text: str) -> tuple[int, ...]:
    try:
        return tuple(sorted({int(part) for part in text.split(",") if part.strip()}, reverse=True))
    except ValueError:
        raise BadValue("matryoshka", text, why="write whole numbers parted by commas, such as 256,128") from None
