"""The curves of a run as a picture: the training loss of each fine-tuning and validation NDCG@10, in ``runs/<id>/curves.png``."""

from __future__ import annotations

from transvase.core.training.settings import Trained

from .rundir import RunDirectory


def draw_curves(trained: Trained, run: RunDirectory) -> None:
    """Write ``curves.png``; nothing where matplotlib is not installed or no fine-tuning took place."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError:
        return
    losses = [line for line in run.lines() if line.get("kind") == "training" and "loss" in line]
    tuned = list(dict.fromkeys(point.rung for point in trained.curve if point.rung != "base"))
    if not tuned:
        return
    figure = Figure(figsize=(5 * len(tuned), 6), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(2, len(tuned), squeeze=False)
    for column, rung in enumerate(tuned):
        upper, lower = axes[0][column], axes[1][column]
        seen = {int(str(line["step"])): float(str(line["loss"])) for line in losses if line.get("rung") == rung}
        upper.plot(list(seen), list(seen.values()), color="tab:blue")
        upper.set(title=rung, ylabel="training loss")
        points = [point for point in trained.curve if point.rung == rung]
        lower.plot([point.step for point in points], [point.ndcg for point in points], marker="o", color="tab:green")
        lower.axhline(trained.base_ndcg, linestyle="--", color="grey", label="base")
        lower.set(xlabel="update", ylabel="validation NDCG@10")
        lower.legend()
    figure.savefig(run.path / "curves.png", dpi=110)
