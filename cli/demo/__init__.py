"""``transvase demo``: the whole story on an embedded Postgres, under live traffic, and a report of it."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(name="demo")
@click.option("--minutes", type=click.FloatRange(0.05), default=2.0, show_default=True, help="Time for training.")
@click.option("--records", type=click.IntRange(200), default=3000, show_default=True, help="Records in the index, at least.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Draws records, splits and traffic.")
@click.option("--keep", metavar="DIR", type=click.Path(path_type=Path), help="Work in DIR (new or empty) and leave it there.")
@click.option(
    "--report", metavar="PATH", type=click.Path(path_type=Path), default=Path("report.html"), show_default=True, help="The page."
)
@click.option("--json", "as_json", is_flag=True, help="Write one JSON object to stdout.")
def command(*, minutes: float, records: int, seed: int, keep: Path | None, report: Path, as_json: bool) -> int:
    """Train a model, move a live index to it while readers and writers keep working, and count what went wrong.

    Ends with status 1 if anything was lost, stale, mixed or met an error.
    """
    import json

    from rich.console import Console
    from transvase.cli.progress import progress_to_stderr

    from .report import write
    from .story import Settings, tell
    from .summary import show

    with progress_to_stderr() as progress:
        outcome = tell(Settings(records=records, minutes=minutes, seed=seed, keep=keep, polite=True), progress=progress)
    write(outcome, report)
    show(outcome, Console(stderr=True, highlight=False))
    click.echo(f"the whole story with pictures: {report}", err=True)
    if as_json:
        click.echo(json.dumps(outcome.as_json(), ensure_ascii=False))
    return 0 if outcome.sound else 1
