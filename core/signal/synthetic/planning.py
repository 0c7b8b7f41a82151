"""Which questions a job consists of, and what they have cost and will cost by what the ledger knows.

A question is one record in one style. A record's queries are dealt over the styles, beginning with one that its text decides, so
that few queries a record still make all styles over the whole corpus, at one request a query and not one a style.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from transvase.core.errors import BadValue
from transvase.core.evaluation.judged import Document
from transvase.core.likeness import normal

from .asking import Job
from .budget import Estimate, Prices, likely_tokens, most_tokens
from .ledger import Entry, Ledger, key_of
from .prompts import LONGEST_TEXT, Message, corrected, messages, queries_in

Conversation = Callable[[Job], list[Message]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """What a job's questions have used so far, over all runs. Lost: sent without an answer coming back, at the most."""

    answers: int
    unmeasured: int
    tokens_in: int
    tokens_out: int
    lost_in: int
    lost_out: int

    def usd(self, prices: Prices) -> float:
        """All of it in US dollars, what was lost included."""
        return prices.of(self.tokens_in + self.lost_in, self.tokens_out + self.lost_out)


def chosen(
    documents: Sequence[Document], *, records: int | None, barred: Collection[str], seed: int
) -> tuple[list[int], dict[str, int]]:
    """Rows to make queries for: those with a text, the first of each text, and of these ``records`` at random.

    Records of the families ``barred`` are left out. Also how many of the others there are, by reason. BadValue when none is left.
    """
    first: dict[str, int] = {}
    skipped = {"without a text": 0, "same text as another": 0, "family in dev or test": 0, "not in the sample": 0, "cut": 0}
    for row, document in enumerate(documents):
        text = normal(document.content) if document.content.strip() else ""
        if not text or text in first:
            skipped["same text as another" if text else "without a text"] += 1
        elif str(document.metadata.get("family") or "") in barred:
            skipped["family in dev or test"] += 1
        else:
            first[text] = row
    rows = list(first.values())
    if not rows:
        raise BadValue(
            "corpus", f"{len(documents)} records", why="none has a text of its own, or a family that no real exam asks about"
        )
    if records is not None and records < len(rows):
        skipped["not in the sample"] = len(rows) - records
        rows = sorted(random.Random(seed).sample(rows, records))  # noqa: S311  a draw has to be repeatable, not secret
    skipped["cut"] = sum(len(documents[row].text) > LONGEST_TEXT for row in rows)
    return rows, skipped


def jobs_of(documents: Sequence[Document], rows: Sequence[int], *, styles: Sequence[str], per_record: int) -> list[Job]:
    """The questions: for each record ``per_record`` queries dealt over the styles."""
    jobs = []
    for row in rows:
        start = int.from_bytes(hashlib.sha256(documents[row].content.encode("utf-8", "replace")).digest()[:4])
        hands = [per_record // len(styles) + (place < per_record % len(styles)) for place in range(len(styles))]
        jobs += [Job(row, styles[(start + place) % len(styles)], count) for place, count in enumerate(hands) if count]
    return jobs


def conversations(documents: Sequence[Document], *, examples: Sequence[str]) -> Conversation:
    """How a job is put into words."""

    def put(job: Job) -> list[Message]:
        document = documents[job.row]
        text = document.text or document.content
        return messages(title=document.title, text=text, style=job.style, count=job.count, examples=examples)

    return put


def distinct(jobs: Sequence[Job], conversation: Conversation, *, model: str) -> list[Job]:
    """Without jobs that put the same question, as records do that differ only behind what is sent."""
    seen: set[str] = set()
    kept = []
    for job in jobs:
        key = key_of(conversation(job), model=model)
        if key not in seen:
            seen.add(key)
            kept.append(job)
    return kept


def account(jobs: Sequence[Job], conversation: Conversation, *, ledger: Ledger, model: str) -> Account:
    """Everything in the ledger that answers these jobs, corrections included."""
    entries: list[Entry] = []
    lost_in = lost_out = 0
    for job in jobs:
        asked = conversation(job)
        for _ in range(2):  # the question, then its correction
            key = key_of(asked, model=model)
            lost = ledger.lost(key)
            lost_in, lost_out = lost_in + lost[0], lost_out + lost[1]
            entry = ledger.get(key)
            if entry is None:
                break
            entries.append(entry)
            if queries_in(entry.text) is not None:
                break
            asked = corrected(asked, entry.text)
    return Account(
        answers=len(entries),
        unmeasured=sum(not entry.measured for entry in entries),
        tokens_in=sum(entry.tokens_in for entry in entries),
        tokens_out=sum(entry.tokens_out for entry in entries),
        lost_in=lost_in,
        lost_out=lost_out,
    )


def estimate(
    jobs: Sequence[Job],
    conversation: Conversation,
    *,
    ledger: Ledger,
    model: str,
    prices: Prices,
    most_out: int,
    budget: float | None,
) -> Estimate:
    """What is still to be asked and about what it will cost; the most it can cost holds unless answers are lost or garbage."""
    asked_by = [(job, conversation(job)) for job in jobs]
    open_jobs = [(job, asked) for job, asked in asked_by if ledger.settled(key_of(asked, model=model), most_out=most_out) is None]
    likely = [likely_tokens(asked, queries=job.count) for job, asked in open_jobs]
    into, out = sum(tokens for tokens, _ in likely), sum(tokens for _, tokens in likely)
    most = prices.of(sum(most_tokens(asked) for _, asked in open_jobs), most_out * len(open_jobs))
    return Estimate(
        prompts=len(open_jobs),
        answered=len(jobs) - len(open_jobs),
        tokens_in=into,
        tokens_out=out,
        usd=prices.of(into, out) if prices.known else None,
        usd_at_most=most if prices.known else None,
        usd_spent_before=account(jobs, conversation, ledger=ledger, model=model).usd(prices),
        budget=budget,
    )
