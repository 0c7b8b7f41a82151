"""``transvase adopt``."""

from __future__ import annotations

import click
from transvase.core.ports import Source
from transvase.migrations.adopt import adopt
from transvase.migrations.agreement import SAMPLE

from .options import alias_argument, json_option, sample_option
from .output import emit
from .progress import progress_to_stderr
from .wiring import enc_as_kept, encoders, patiently


@click.command()
@alias_argument
@click.option("--table", required=True, help="The table whose rows are searched (schema.table), or the collection.")
@click.option("--key", default="", metavar="COL[,COL]", help="Column or columns that identify a row; left out for a collection.")
@click.option(
    "--text",
    required=True,
    metavar="EXPR",
    help="What is embedded: SQL over one row, or properties as in '{title?} {body}' (`?`: it may be missing).",
)
@click.option(
    "--vector", default="", metavar="COL", help="The column that holds the vectors; a collection's default one if left out."
)
@click.option("--encoder", required=True, metavar="ENC", help="The encoder that made them, or `unknown`.")
@sample_option(SAMPLE)
@json_option
@click.pass_obj
def command(
    url: str | None, *, alias: str, table: str, key: str, text: str, vector: str, encoder: str, sample: int, as_json: bool
) -> None:
    """Take an existing index under ALIAS, after proving on a sample which encoder made its vectors.

    Nothing of the table changes.
    """
    columns = tuple(column.strip() for column in key.split(",")) if key.strip() else ()
    source = Source(table=table, key=columns, text=text, vector=vector)
    with progress_to_stderr() as progress:
        found = patiently(
            url,
            lambda store: adopt(
                store, alias, source=source, encoder=enc_as_kept(encoder), encoders=encoders(), sample=sample, progress=progress
            ),
            progress=progress,
        )
    emit(found.as_json(), as_json)
