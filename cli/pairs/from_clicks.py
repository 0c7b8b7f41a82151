"""``transvase pairs from-clicks``: a collection of a click log."""

from __future__ import annotations

from pathlib import Path

import click
from transvase.cli.output import emit
from transvase.core.errors import BadValue
from transvase.core.signal.assembly import Terms, assemble
from transvase.core.signal.clicks.harvest import ClickTerms, harvest_clicks
from transvase.core.signal.clicks.propensity import ESTIMATORS
from transvase.core.signal.clicks.relevance import Bounds
from transvase.core.signal.clicks.sifting import Sieve
from transvase.core.signal.harvest import Tally

from .options import collection_options, shown


@click.command(name="from-clicks")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--corpus", required=True, type=click.Path(path_type=Path), metavar="FILE", help="Documents by id.")
@click.option(
    "--column", "columns", multiple=True, metavar="OURS=THEIRS", help="What a column is called in the log; can be repeated."
)
@click.option(
    "--estimator",
    type=click.Choice(ESTIMATORS),
    default="auto",
    show_default=True,
    help="Of the position bias: auto prefers swaps.",
)
@click.option("--clip", type=float, default=0.05, show_default=True, help="Least chance of a look that is reckoned with.")
@click.option(
    "--least-impressions", type=int, default=3, show_default=True, help="Times a document must have been shown for a query."
)
@click.option("--least-skips", type=int, default=2, show_default=True, help="Times it was passed over before that is a negative.")
@click.option(
    "--most-per-visit", type=click.IntRange(1), default=200, show_default=True, help="Queries in a visit before it is a robot's."
)
@click.option(
    "--most-per-minute",
    type=click.FloatRange(0.1),
    default=30.0,
    show_default=True,
    help="Queries a minute before it is a robot's.",
)
@click.option(
    "--most-broken",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    metavar="N",
    help="Lines that cannot be read: so many are left out and counted; more refuse the log.",
)
@collection_options
def command(
    *,
    file: Path,
    corpus: Path,
    columns: tuple[str, ...],
    estimator: str,
    clip: float,
    least_impressions: int,
    least_skips: int,
    most_per_visit: int,
    most_per_minute: float,
    most_broken: int,
    out: Path,
    terms: Terms,
    as_json: bool,
) -> None:
    """Make a collection of the click log in FILE (.jsonl, .csv or .tsv), with the position's part taken out."""
    click_terms = ClickTerms(
        columns=dict(_named(column) for column in columns),
        sieve=Sieve(most_per_visit=most_per_visit, most_per_minute=most_per_minute),
        bounds=Bounds(clip=clip, least_impressions=least_impressions, least_skips=least_skips),
        estimator=estimator,
        most_broken=most_broken,
    )
    tally = Tally()
    harvest, facts = harvest_clicks(file, corpus=corpus, terms=click_terms, tally=tally)
    made = assemble(harvest, out=out, terms=terms, tally=tally, facts={"kind": "clicks", **facts})
    emit(made.as_json(), as_json, shown=shown(made))


def _named(text: str) -> tuple[str, str]:
    ours, equals, theirs = text.partition("=")
    if not (ours and equals and theirs):
        raise BadValue("column", text, why="write OURS=THEIRS, such as session=sid")
    return ours, theirs
