"""Makes queries for records, by a language model or without one, sifts them, and writes what is left as a judged collection."""

from __future__ import annotations

import hashlib
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Final

from transvase.core.errors import BadValue, NotReady
from transvase.core.evaluation.judged import Document, Query
from transvase.core.ports import Encoder, Progress
from transvase.core.signal.assembly import Made, Terms, assemble
from transvase.core.signal.given import given_corpus, given_queries
from transvase.core.signal.harvest import Harvest, Judgment, Tally

from . import offline, prompts
from .asking import Asking, End, Job, Outcome, ask_all
from .bill import bill, billed
from .budget import Budget, Estimate, Prices
from .endpoint import Endpoint, shown
from .ledger import Ledger
from .pace import Pace
from .planning import Account, Conversation, account, chosen, conversations, distinct, estimate, jobs_of
from .real import own_queries
from .sieve import Candidate, apart, finding, own_words

ANSWERS: Final = "synthetic-answers.jsonl"
"""Where answers are kept unless told otherwise: beside the collection, so that its neighbours share them."""

EXAMPLES: Final = 8
"""Real queries shown to the model, as many as Promptagator shows."""

_DEV: Final = "dev holds made-up queries too: judge some real ones before deciding anything by its figures"

_PATIENCE: Final = 1.5
"""Of the time that one request may take: how long an interrupted run waits for answers under way."""

Agree = Callable[[Estimate], bool]
"""Told what it will cost before anything is asked; False ends the run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """Which language model is asked, how fast, and for how much."""

    url: str
    name: str
    budget: float | None = None
    prices: Prices = field(default_factory=Prices)
    per_minute: float | None = None
    workers: int = 4
    timeout_s: float = 60.0
    attempts: int = 6
    pause_s: float = 1.0
    most_out: int = 400
    answers: Path | None = None

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise BadValue("--model", self.name, why="the endpoint needs a model's name")
        if self.budget is not None and not self.prices.known:
            raise BadValue("--budget", self.budget, why="give --price-in and --price-out: without prices no cost can be told")
        for name, value in (("--workers", self.workers), ("--attempts", self.attempts), ("--answer-tokens", self.most_out)):
            if value < 1:
                raise BadValue(name, value, why="1 or more")
        if not 0 < self.timeout_s < float("inf"):
            raise BadValue("--timeout", self.timeout_s, why="seconds are needed, more than 0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Synthesis:
    """What is to be made. ``source``: a corpus file, or a collection, whose own queries are then neither repeated nor touched."""

    source: Path
    out: Path
    terms: Terms
    model: Model | None
    styles: tuple[str, ...] = ()
    per_record: int = 3
    records: int | None = None
    examples: Path | None = None
    keep_rank: int = 10

    def __post_init__(self) -> None:
        for name, value in (("--per-record", self.per_record), ("--records", self.records), ("--keep-rank", self.keep_rank)):
            if value is not None and value < 1:
                raise BadValue(name, value, why="1 or more")
        if self.examples is not None and self.model is None:
            raise BadValue("--examples", str(self.examples), why="examples are shown to a language model; leave out --offline")


def synthesize(settings: Synthesis, *, load: Callable[[], Encoder | None], agree: Agree, progress: Progress) -> Made:
    """Make, sift and write; the collection appears whole or not at all, and what was paid for is kept either way.

    ``load`` gives the encoder of the round trip; None: BM25 alone makes it.

    BadValue for what is wrong with the input or the endpoint's address, key or model; NotReady when nobody agreed to the cost;
    EndpointFailed when the endpoint answers nothing any more; Busy when another run uses the same file of answers.
    """
    if settings.out.exists() and (not settings.out.is_dir() or any(settings.out.iterdir())):
        raise BadValue("out", str(settings.out), why="it exists already; name a directory that does not, or remove it first")
    documents = tuple(given_corpus(settings.source).values())
    shown_queries = () if settings.examples is None else tuple(given_queries(settings.examples).values())
    real = own_queries(settings.source)
    rows, skipped = chosen(documents, records=settings.records, barred=real.families, seed=settings.terms.cut.seed)
    tally = Tally()
    encoder = load()  # before anything is paid for
    if settings.model is None:
        found = _offline(settings, documents, rows)
    else:
        found = _by_model(settings, settings.model, documents, rows, shown_queries, agree=agree, progress=progress)
    with billed(lambda: found.bill):
        candidates, trip = _sifted(
            settings, found, documents, real=(*shown_queries, *real.queries), encoder=encoder, tally=tally, progress=progress
        )
        facts = found.facts | {
            "records": {"all": len(documents), "used": len(rows)} | {reason: count for reason, count in skipped.items() if count},
            "styles": _styles(found.candidates, candidates),
            "round_trip": trip,
        }
        harvest = _harvest(candidates, documents)
        return assemble(harvest, out=settings.out, terms=settings.terms, tally=tally, facts=facts)


@dataclass(frozen=True, slots=True)
class _Found:
    """Queries before they are sifted, what the report says of them, and what a refusal from then on says of money."""

    candidates: list[Candidate]
    facts: dict[str, object]
    bill: str = ""


def _sifted(
    settings: Synthesis,
    found: _Found,
    documents: Sequence[Document],
    *,
    real: Sequence[Query],
    encoder: Encoder | None,
    tally: Tally,
    progress: Progress,
) -> tuple[list[Candidate], dict[str, object]]:
    """What is left of them, and what the round trip says of itself."""
    candidates = found.candidates
    tally.read = len(candidates)
    if settings.model is not None:
        candidates = own_words(candidates, documents, tally=tally)
    candidates = apart(candidates, documents, real=real, tally=tally)
    return finding(candidates, documents, encoder=encoder, keep_rank=settings.keep_rank, tally=tally, progress=progress)


def _styles(made: Sequence[Candidate], left: Sequence[Candidate]) -> dict[str, dict[str, int]]:
    kept = Counter(one.style for one in left)
    return {style: {"made": count, "kept": kept[style]} for style, count in sorted(Counter(one.style for one in made).items())}


def _offline(settings: Synthesis, documents: Sequence[Document], rows: Sequence[int]) -> _Found:
    styles = offline.checked_styles(settings.styles or offline.STYLES)
    used = [documents[row] for row in rows]
    draw = settings.terms.cut.seed
    hands = offline.made(used, styles=styles, per_record=settings.per_record, seed=draw, in_turn=bool(settings.styles))
    found = [Candidate(row, style, text) for row, hand in zip(rows, hands, strict=True) for style, text in hand]
    facts: dict[str, object] = {"kind": "synthetic", "made_by": "rules"}
    return _Found(found, facts | ({"notes": [_DEV]} if settings.terms.cut.dev else {}))


def _by_model(
    settings: Synthesis,
    model: Model,
    documents: Sequence[Document],
    rows: Sequence[int],
    real: Sequence[Query],
    *,
    agree: Agree,
    progress: Progress,
) -> _Found:
    styles = prompts.checked_styles(settings.styles or ("question", "keywords", "problem"))
    draw = random.Random(settings.terms.cut.seed)  # noqa: S311  a draw has to be repeatable, not secret
    examples = [" ".join(query.text.split())[: prompts.LONGEST_QUERY] for query in draw.sample(real, min(EXAMPLES, len(real)))]
    conversation = conversations(documents, examples=examples)
    jobs = distinct(jobs_of(documents, rows, styles=styles, per_record=settings.per_record), conversation, model=model.name)
    with Ledger(model.answers or settings.out.parent / ANSWERS) as ledger:
        before = account(jobs, conversation, ledger=ledger, model=model.name)
        expected = estimate(
            jobs,
            conversation,
            ledger=ledger,
            model=model.name,
            prices=model.prices,
            most_out=model.most_out,
            budget=model.budget,
        )
        if expected.prompts and not agree(expected):
            raise NotReady("synthesize", "the cost was not agreed to")

        def spent() -> tuple[Account, str]:
            now = account(jobs, conversation, ledger=ledger, model=model.name)
            return now, bill(before, now, prices=model.prices, ledger=ledger.path)

        with billed(lambda: spent()[1]):
            outcomes, asking = _asked(
                model, jobs, conversation, ledger=ledger, spent=expected.usd_spent_before, progress=progress
            )
        after, said = spent()
    found = [Candidate(one.job.row, one.job.style, text) for one in outcomes for text in one.queries]
    facts: dict[str, object] = {
        "kind": "synthetic",
        "made_by": {"endpoint": shown(model.url), "model": model.name, "prompts": prompts.VERSION, "examples": len(examples)},
        "answers": _ends(outcomes, documents),
        "cost": _cost(model, expected, before=before, after=after, asking=asking),
        "notes": [*_notes(outcomes, after), *([_DEV] if settings.terms.cut.dev else [])],
    }
    return _Found(found, facts, said)


def _asked(
    model: Model, jobs: Sequence[Job], conversation: Conversation, *, ledger: Ledger, spent: float, progress: Progress
) -> tuple[list[Outcome], Asking]:
    stop = threading.Event()
    with Endpoint(
        model.url, model=model.name, timeout_s=model.timeout_s, most_out=model.most_out, workers=model.workers
    ) as endpoint:
        asking = Asking(
            endpoint=endpoint,
            ledger=ledger,
            budget=Budget(model.budget, spent=spent),
            prices=model.prices,
            pace=Pace(per_minute=model.per_minute, stop=stop),
            stop=stop,
            conversation=conversation,
            most_out=model.most_out,
            attempts=model.attempts,
            pause_s=model.pause_s,
        )
        return ask_all(asking, jobs, workers=model.workers, patience_s=_PATIENCE * model.timeout_s, progress=progress), asking


def _ends(outcomes: Sequence[Outcome], documents: Sequence[Document]) -> dict[str, object]:
    """How many questions ended how, with the reasons of the first few that failed."""
    tally = Tally()
    for one in outcomes:
        if one.end is not End.ANSWERED:
            tally.drop(str(one.end), f"{documents[one.job.row].id}: {one.why}" if one.why else documents[one.job.row].id)
    return {"answered": sum(one.end is End.ANSWERED for one in outcomes), **tally.as_json()}


def _cost(model: Model, expected: Estimate, *, before: Account, after: Account, asking: Asking) -> dict[str, object]:
    """Estimated and measured; dollars are None where no price was given."""
    known = model.prices.known
    total, earlier = after.usd(model.prices), before.usd(model.prices)
    return {
        "estimated": asdict(expected),
        "requests": asking.requests,
        "failed_requests": asking.failures,
        "answers_paid": after.answers - before.answers,
        "answers_from_before": before.answers,
        "tokens_in": after.tokens_in - before.tokens_in,
        "tokens_out": after.tokens_out - before.tokens_out,
        "usd": round(total - earlier, 6) if known else None,
        "usd_of_lost_answers_at_most": round(model.prices.of(after.lost_in, after.lost_out), 6) if known else None,
        "usd_over_all_runs": round(total, 6) if known else None,
        "budget": model.budget,
    }


def _notes(outcomes: Sequence[Outcome], after: Account) -> list[str]:
    ends = Counter(one.end for one in outcomes)
    notes = []
    if unasked := ends[End.UNASKED]:
        notes.append(
            f"the budget is spent: {unasked} of {len(outcomes)} questions were not asked; a larger one goes on from there"
        )
    if unanswered := ends[End.UNANSWERED]:
        notes.append(f"{unanswered} questions had no answer; the same command with another --out asks them alone")
    if after.unmeasured:
        notes.append(f"{after.unmeasured} answers came without a usage; they are counted at the most they can have cost")
    return notes


def _harvest(candidates: Sequence[Candidate], documents: tuple[Document, ...]) -> Harvest:
    """Each query judged by the one record that it was made for; the record's family is the query's, else the record."""
    queries, judgments = [], []
    for one in candidates:
        document = documents[one.row]
        name = "s:" + hashlib.sha256(f"{document.id}\0{one.text}".encode("utf-8", "replace")).hexdigest()[:16]
        metadata: Mapping[str, object] = {
            "family": str(document.metadata.get("family") or document.id),
            "style": one.style,
            "record": document.id,
            "synthetic": True,
        }
        queries.append(Query(name, one.text, metadata))
        judgments.append(Judgment(name, document.id, 1.0, where=f"{document.id}: {one.text[:80]}"))
    return Harvest(documents=documents, queries=tuple(queries), judgments=tuple(judgments), loose=False)
