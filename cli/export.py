"""``transvase export``: a model as a graph that serves without torch, proven against torch before it appears."""

from __future__ import annotations

from pathlib import Path

import click

from .options import json_option
from .output import emit
from .progress import progress_to_stderr


@click.command("export")
@click.argument("enc", metavar="ENC")
@click.argument("out", metavar="OUT", type=click.Path(path_type=Path))
@json_option
def command(enc: str, out: Path, *, as_json: bool) -> None:
    """Write the model ENC to the new directory OUT as ONNX, which encodes without torch.

    The export has the same Space as the model. It is refused, and nothing is written, unless 200 texts agree with torch to a
    cosine of 0.9999.
    """
    from transvase.core.training.export import export

    with progress_to_stderr() as progress:
        result = export(enc, out, progress=progress)
    agreement = f"least cosine {result.least_cosine:.6f} over {result.compared} vectors"
    shown = f"{result.directory}: space {result.space}, {agreement}, {result.size / 1e6:.1f} MB"
    emit(result.as_json(), as_json, shown=shown)
