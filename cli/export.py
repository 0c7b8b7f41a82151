"""``transvase export``: a model as a graph that serves without torch, measured against torch before it appears."""

from __future__ import annotations

from pathlib import Path

import click

from .options import json_option
from .output import emit
from .progress import progress_to_stderr


@click.command("export")
@click.argument("enc", metavar="ENC")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@click.option(
    "--precision", type=click.Choice(["fp32", "int8"]), default="fp32", show_default=True, help="What the graph computes with."
)
@click.option("--data", type=click.Path(path_type=Path), help="Collection to measure on; without it, general questions.")
@click.option("--split", default="dev", show_default=True, help="Which qrels/<split>.tsv judges.")
@click.option(
    "--most-loss", type=float, default=0.01, show_default=True, metavar="N", help="NDCG@10 that the export may lose, at most."
)
@json_option
def command(enc: str, out: Path, *, precision: str, data: Path | None, split: str, most_loss: float, as_json: bool) -> None:
    """Write the model ENC to the new directory OUT as ONNX, which encodes without torch.

    fp32 keeps the model's Space, and is refused unless every text agrees with torch to a cosine of 0.9999. int8 is smaller and
    faster, and below a cosine of 0.999 a Space of its own: the index must be filled by it too. Either is refused where it loses
    more NDCG@10 than is allowed. Nothing is written where it is refused.
    """
    from transvase.core.export import Precision, draw_trial, export

    with progress_to_stderr() as progress:
        asked = draw_trial(data, split=split, most_loss=most_loss)
        result = export(enc, out, precision=Precision(precision), trial=asked, progress=progress)
    agreement = f"least cosine with torch {result.least_cosine:.6f} over {result.compared} vectors"
    lines = [f"{result.directory}: {precision}, {result.size / 1e6:.1f} MB, {agreement}"]
    if found := result.worth:
        change = f"{found.change.difference:+.4f} (95 % {found.change.ci_low:+.4f} … {found.change.ci_high:+.4f})"
        lines.append(
            f"of {found.queries} questions from {found.asked_of}: {found.overlap:.1%} of the first ten kept, NDCG@10 {change}"
        )
    own = "the model's own" if result.same_space else "a Space of its own: an index must be filled and searched by this export"
    lines.append(f"space {result.space}: {own}")
    emit(result.as_json(), as_json, shown="\n".join(lines))
