"""``transvase pairs synthesize``: queries made up for records, by a language model or by rules."""

from __future__ import annotations

import sys
from pathlib import Path

import click
from transvase.cli.options import json_option
from transvase.cli.output import emit
from transvase.cli.progress import progress_to_stderr
from transvase.core.encoders import load
from transvase.core.encoders.builtin import MINILM
from transvase.core.errors import BadValue
from transvase.core.signal.assembly import Terms
from transvase.core.signal.cleaning import Rules
from transvase.core.signal.cut import Cut
from transvase.core.signal.synthetic.budget import Estimate, Prices
from transvase.core.signal.synthetic.synthesize import Model, Synthesis, synthesize

from .options import shown

_NONE = "none"


@click.command(name="synthesize")
@click.option("--corpus", type=click.Path(path_type=Path), metavar="FILE", help="Records: JSON lines or a table.")
@click.option(
    "--data", type=click.Path(path_type=Path), metavar="DIR", help="Or a collection, whose own queries are not repeated."
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Directory to write; it must not exist.")
@click.option("--offline", is_flag=True, help="No language model: titles, headings, cropped sentences, key phrases.")
@click.option("--endpoint", metavar="URL", help="OpenAI-compatible chat completions; the key comes from TRANSVASE_API_KEY.")
@click.option("--model", metavar="NAME", help="The model's name at the endpoint.")
@click.option(
    "--styles", metavar="NAME,…", default="", help="What queries are like [question,keywords,problem; offline: crops first]."
)
@click.option("--per-record", type=int, default=3, show_default=True, metavar="N", help="Queries made for a record, in all.")
@click.option("--records", type=int, metavar="N", help="Only for so many records, drawn at random.")
@click.option("--examples", type=click.Path(path_type=Path), metavar="FILE", help="Real queries, to show the model their tone.")
@click.option("--budget", type=float, metavar="USD", help="The most that this job may cost, all its runs together.")
@click.option("--price-in", type=float, metavar="USD", help="Per million tokens sent.")
@click.option("--price-out", type=float, metavar="USD", help="Per million tokens received.")
@click.option("--rate", type=float, metavar="N", help="Requests a minute, at most.")
@click.option("--workers", type=int, default=4, show_default=True, metavar="N", help="Requests at once.")
@click.option("--timeout", type=float, default=60.0, show_default=True, metavar="SECONDS", help="For one request.")
@click.option("--attempts", type=int, default=6, show_default=True, metavar="N", help="Of one request, before it is given up.")
@click.option("--answer-tokens", type=int, default=400, show_default=True, metavar="N", help="The most that one answer may have.")
@click.option("--answers", type=click.Path(path_type=Path), metavar="FILE", help="Where answers are kept [beside --out].")
@click.option("--encoder", default=MINILM, show_default=True, metavar="ENC", help="For the round trip; none: BM25 alone.")
@click.option(
    "--keep-rank", type=int, default=10, show_default=True, metavar="K", help="Up to where a query must find its record."
)
@click.option("--dev", type=float, default=0.1, show_default=True, help="Share of the queries for dev, by family.")
@click.option(
    "--language", "languages", multiple=True, metavar="CODE", help="Keep only texts that may be in it; can be repeated."
)
@click.option("--seed", type=int, default=1, show_default=True, help="Draws records, examples, crops and splits.")
@click.option("--yes", is_flag=True, help="Agree to the cost beforehand.")
@json_option
def command(
    *,
    corpus: Path | None,
    data: Path | None,
    out: Path,
    offline: bool,
    endpoint: str | None,
    model: str | None,
    styles: str,
    per_record: int,
    records: int | None,
    examples: Path | None,
    budget: float | None,
    price_in: float | None,
    price_out: float | None,
    rate: float | None,
    workers: int,
    timeout: float,
    attempts: int,
    answer_tokens: int,
    answers: Path | None,
    encoder: str,
    keep_rank: int,
    dev: float,
    languages: tuple[str, ...],
    seed: int,
    yes: bool,
    as_json: bool,
) -> None:
    """Make up queries that each record answers, keep those that find it, and write them as a collection."""
    asked = None
    if _by_model(endpoint=endpoint, model=model, offline=offline):
        asked = Model(
            url=endpoint or "",
            name=model or "",
            budget=budget,
            prices=Prices(into=price_in, out=price_out),
            per_minute=rate,
            workers=workers,
            timeout_s=timeout,
            attempts=attempts,
            most_out=answer_tokens,
            answers=answers,
        )
    settings = Synthesis(
        source=_source(corpus, data),
        out=out,
        terms=Terms(rules=Rules(languages=languages, seed=seed), cut=Cut(dev=dev, test=0.0, seed=seed)),
        model=asked,
        styles=tuple(name.strip() for name in styles.split(",") if name.strip()),
        per_record=per_record,
        records=records,
        examples=examples,
        keep_rank=keep_rank,
    )
    with progress_to_stderr() as progress:
        made = synthesize(
            settings,
            load=lambda: None if encoder == _NONE else load(encoder),
            agree=lambda cost: _agreed(cost, yes=yes),
            progress=progress,
        )
    emit(made.as_json(), as_json, shown=shown(made))


def _by_model(*, endpoint: str | None, model: str | None, offline: bool) -> bool:
    if offline and (endpoint or model):
        raise BadValue("--offline", endpoint or model, why="an endpoint and a model are for asking one; give one or the other")
    if not offline and not (endpoint and model):
        raise BadValue("synthesize", "nobody to ask", why="give --endpoint URL and --model NAME, or --offline")
    return not offline


def _source(corpus: Path | None, data: Path | None) -> Path:
    if (corpus is None) == (data is None):
        raise BadValue("synthesize", "records", why="give --corpus FILE or --data DIR, one of them")
    if data is not None and not data.is_dir():
        raise BadValue("--data", str(data), why="a collection is a directory with corpus.jsonl; a file goes with --corpus")
    found = corpus if data is None else data
    assert found is not None
    return found


def _agreed(cost: Estimate, *, yes: bool) -> bool:
    """Announce the cost; ask where somebody sits in front of it. A program that calls sets --budget instead."""
    click.echo(cost.sentence(), err=True)
    return yes or not sys.stdin.isatty() or click.confirm("Go on?", err=True)
