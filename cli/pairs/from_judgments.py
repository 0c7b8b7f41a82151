"""``transvase pairs from-judgments``: a collection of graded pairs."""

from __future__ import annotations

from pathlib import Path

import click
from transvase.cli.output import emit
from transvase.core.signal.assembly import Terms, assemble
from transvase.core.signal.harvest import Tally
from transvase.core.signal.judgments import Columns, harvest_judgments

from .options import collection_options, column_options, shown


@click.command(name="from-judgments")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--query", default="query", show_default=True, metavar="COL", help="Column of the query: its text, or its id.")
@click.option("--document", default="document", show_default=True, metavar="COL", help="Column of the document: text or id.")
@click.option("--grade", default="grade", show_default=True, metavar="COL", help="Column of the grade, 0 (wrong) to 4.")
@click.option("--judge", default="", metavar="COL", help="Column of who judged: several judges become their median.")
@click.option(
    "--corpus", type=click.Path(path_type=Path), metavar="FILE", help="Documents by id; without it the column has texts."
)
@click.option(
    "--queries", type=click.Path(path_type=Path), metavar="FILE", help="Queries by id; without it the column has texts."
)
@column_options
@collection_options
def command(
    *,
    file: Path,
    query: str,
    document: str,
    grade: str,
    judge: str,
    corpus: Path | None,
    queries: Path | None,
    group: str,
    time: str,
    keep: tuple[str, ...],
    out: Path,
    terms: Terms,
    as_json: bool,
) -> None:
    """Make a collection of the judgments in FILE (.jsonl, .csv or .tsv with named columns), their grades kept."""
    columns = Columns(query=query, document=document, grade=grade, judge=judge, group=group, time=time, kept=keep)
    tally = Tally()
    harvest, agreed = harvest_judgments(file, columns=columns, corpus=corpus, queries=queries, tally=tally)
    made = assemble(harvest, out=out, terms=terms, tally=tally, facts={"kind": "judgments", "agreement": agreed})
    emit(made.as_json(), as_json, shown=shown(made))
