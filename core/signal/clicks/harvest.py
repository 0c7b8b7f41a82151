"""From a click log to a harvest: read, sifted, the positions' part estimated and taken out, graded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from transvase.core.errors import BadValue
from transvase.core.evaluation.judged import Query
from transvase.core.signal.given import given_corpus
from transvase.core.signal.harvest import Harvest, Tally

from .counts import count
from .log import Log
from .propensity import position_bias
from .reading import read_log
from .relevance import Bounds, attractions, graded
from .sifting import Sieve, sift


@dataclass(frozen=True, slots=True, kw_only=True)
class ClickTerms:
    """How a log is taken. ``columns``: our words to the log's own; ``estimator`` of the position bias: auto, swaps or model.

    ``most_broken`` lines may be left out because they cannot be read.
    """

    columns: Mapping[str, str] = field(default_factory=dict)
    sieve: Sieve = field(default_factory=Sieve)
    bounds: Bounds = field(default_factory=Bounds)
    estimator: str = "auto"
    most_broken: int = 0


def harvest_clicks(path: Path, *, corpus: Path, terms: ClickTerms, tally: Tally) -> tuple[Harvest, dict[str, object]]:
    """Judgments from clicks, and what the report says of the log and its position bias.

    UnknownName and BadValue for what is wrong with the files; BadValue where the log's documents are mostly not in the corpus, or
    nothing was clicked often enough to say anything.
    """
    documents = given_corpus(corpus)
    log = read_log(path, columns=terms.columns, tally=tally, most_broken=terms.most_broken)
    log = sift(log, sieve=terms.sieve, tally=tally)
    strangers = [document for document in log.documents if document not in documents]
    if 2 * len(strangers) > len(log.documents):
        share = f"{len(strangers)} of its {len(log.documents)} documents"
        why = f"{share} are not in the corpus, such as {strangers[0]!r}; is it the right corpus?"
        raise BadValue("log", str(path), why=why)
    bias = position_bias(count(log), estimator=terms.estimator)
    pairs = attractions(log, looks=bias.looks, clip=terms.bounds.clip)
    judgments = graded(
        log, pairs, bounds=terms.bounds, known=documents.__contains__, name=lambda query: f"q{query + 1}", tally=tally
    )
    if not any(judgment.grade > 0 for judgment in judgments):
        why = (
            f"no document was clicked and shown {terms.bounds.least_impressions} times for one query; lower the least impressions"
        )
        raise BadValue("log", str(path), why=why)
    judged = {judgment.query for judgment in judgments}
    harvest = Harvest(
        documents=tuple(documents.values()),
        queries=tuple(query for query in _queries(log) if query.id in judged),
        judgments=tuple(judgments),
        loose=False,
    )
    facts = {
        "sessions": len(np.unique(log.session)),
        "impressions": len(log.query),
        "clicks": int(log.clicked.sum()),
        "position_bias": bias.as_json(clip=terms.bounds.clip),
        "notes": list(bias.notes),
    }
    return harvest, facts


def _queries(log: Log) -> list[Query]:
    """Queries with how often and when they were first asked, and the session of those that were asked in one visit alone.

    A query that many people ask belongs to no session; one that was asked once is kin to the others of its visit.
    """
    visits = log.visits()
    often = np.bincount(log.query, minlength=len(log.queries))
    first, low, high = (np.full(len(log.queries), fill) for fill in (np.inf, np.inf, -np.inf))
    np.minimum.at(first, log.query, log.time)
    np.minimum.at(low, log.query, visits)
    np.maximum.at(high, log.query, visits)
    owner = dict(zip(visits.tolist(), log.session.tolist(), strict=True))
    queries = []
    for number, text in enumerate(log.queries):
        if not often[number]:
            continue
        facts: dict[str, object] = {"time": float(first[number]), "impressions": int(often[number])}
        if low[number] == high[number]:
            visit = int(low[number])
            facts["session"] = f"{log.sessions[owner[visit]]}#{visit}"
        queries.append(Query(f"q{number + 1}", text, facts))
    return queries
