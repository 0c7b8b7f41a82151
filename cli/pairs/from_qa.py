"""``transvase pairs from-qa``: a collection of tickets or an FAQ."""

from __future__ import annotations

from pathlib import Path

import click
from transvase.cli.output import emit
from transvase.core.signal.assembly import Terms, assemble
from transvase.core.signal.harvest import Tally
from transvase.core.signal.qa import Columns, harvest_qa

from .options import collection_options, column_options, shown


@click.command(name="from-qa")
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--question", required=True, metavar="COL", help="Column of the question.")
@click.option("--answer", required=True, metavar="COL", help="Column of the answer.")
@click.option("--title", default="", metavar="COL", help="Column of the answer's title.")
@click.option("--id", "identifier", default="", metavar="COL", help="Column of the query's id.")
@column_options
@collection_options
def command(
    *,
    file: Path,
    question: str,
    answer: str,
    title: str,
    identifier: str,
    group: str,
    time: str,
    keep: tuple[str, ...],
    out: Path,
    terms: Terms,
    as_json: bool,
) -> None:
    """Make a collection of questions and their answers in FILE (.jsonl, .csv or .tsv with named columns)."""
    columns = Columns(question=question, answer=answer, title=title, id=identifier, group=group, time=time, kept=keep)
    tally = Tally()
    harvest = harvest_qa(file, columns=columns, tally=tally)
    made = assemble(harvest, out=out, terms=terms, tally=tally, facts={"kind": "qa"})
    emit(made.as_json(), as_json, shown=shown(made))
