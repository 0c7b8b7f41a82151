"""What is left out of a harvest before it is split: duplicates, texts that say nothing or too much, other languages, crowds.

Whole queries are left out rather than single answers of a query that stays: an answer that nobody lists any more would be
taken for a wrong one, in training and in evaluation alike.
"""

from __future__ import annotations

import random
import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from transvase.core.errors import BadValue
from transvase.core.likeness import joined, near_duplicates, normal, tokens

from .harvest import Harvest, Judgment, Tally
from .tongue import foreign

_WORD_CHARACTER: Final = re.compile(r"\w")


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Bounds of what is kept. ``shortest`` counts letters and digits, the others characters; no language: every language."""

    shortest: int = 2
    longest_query: int = 2_000
    longest_document: int = 100_000
    languages: tuple[str, ...] = ()
    most_per_record: int = 100
    keep_near: bool = False
    seed: int = 1

    def __post_init__(self) -> None:
        for name, least in (("shortest", 0), ("longest_query", 1), ("longest_document", 1), ("most_per_record", 1)):
            if getattr(self, name) < least:
                raise BadValue(name, getattr(self, name), why=f"at least {least}")


def clean(harvest: Harvest, *, rules: Rules, tally: Tally) -> Harvest:
    """The harvest without what the rules leave out; every pair left out is counted with its reason and place.

    BadValue when nothing is left, or no answer among what is left.
    """
    harvest = _legible(harvest, rules, tally)
    if rules.languages:
        harvest = _spoken(harvest, rules, tally)
    harvest = _distinct(harvest, tally)
    harvest = _answered(harvest, tally)
    if not rules.keep_near:
        harvest = _apart(harvest, tally)
    harvest = _uncrowded(harvest, rules, tally)
    if not harvest.judgments:
        reasons = ", ".join(f"{reason} ({count})" for reason, (count, _) in tally.reasons.items())
        raise BadValue("signal", f"{tally.read} rows", why=f"nothing is left of it: {reasons or 'no pair was in it'}")
    return _trimmed(harvest)


def _legible(harvest: Harvest, rules: Rules, tally: Tally) -> Harvest:
    faults = {query.id: _fault(query.text, rules.shortest, rules.longest_query) for query in harvest.queries}
    judged = {judgment.document for judgment in harvest.judgments}
    others = {
        document.id: _fault(document.content, rules.shortest, rules.longest_document)
        for document in harvest.documents
        if document.id in judged
    }

    def legible(judgment: Judgment) -> bool:
        if fault := faults[judgment.query]:
            tally.drop(f"query {fault}", judgment.where)
        elif fault := others[judgment.document]:
            tally.drop(f"document {fault}", judgment.where)
        else:
            return True
        return False

    return harvest.keeping(legible)


def _fault(text: str, shortest: int, longest: int) -> str:
    if not text.strip():
        return "empty"
    if len(text) > longest:
        return "too long"
    return "too short" if len(text) < 4 * shortest and len(_WORD_CHARACTER.findall(text)) < shortest else ""


def _spoken(harvest: Harvest, rules: Rules, tally: Tally) -> Harvest:
    """Only pairs of which neither text is surely in another language; texts too short to tell are kept."""
    judged, asked = {one.document for one in harvest.judgments}, {one.query for one in harvest.judgments}
    texts = {("query", query.id): query.text for query in harvest.queries if query.id in asked}
    texts |= {("document", document.id): document.content for document in harvest.documents if document.id in judged}
    other = dict(zip(texts, foreign(list(texts.values()), languages=rules.languages), strict=True))

    def spoken(judgment: Judgment) -> bool:
        for kind, name in (("query", judgment.query), ("document", judgment.document)):
            if other[kind, name]:
                tally.drop(f"{kind} in another language", judgment.where)
                return False
        return True

    return harvest.keeping(spoken)


def _distinct(harvest: Harvest, tally: Tally) -> Harvest:
    """Queries of one text (and declared family) become one, and so do loose documents; of a pair judged twice, the best stays."""
    queries = _firsts([(query.id, f"{query.family}\n{normal(query.text)}") for query in harvest.queries])
    documents: dict[str, str] = {}
    if harvest.loose:
        documents = _firsts([(document.id, normal(document.content)) for document in harvest.documents])
    kept: dict[tuple[str, str], Judgment] = {}
    for judgment in harvest.judgments:
        query, document = queries[judgment.query], documents.get(judgment.document, judgment.document)
        moved = replace(judgment, query=query, document=document)
        before = kept.get((query, document))
        if before is not None:
            tally.drop("duplicate", judgment.where)
        if before is None or (moved.grade, moved.weight) > (before.grade, before.weight):
            kept[query, document] = moved
    return replace(harvest, judgments=tuple(kept.values()))


def _firsts(named: Sequence[tuple[str, str]]) -> dict[str, str]:
    first: dict[str, str] = {}
    return {name: first.setdefault(text, name) for name, text in named}


def _answered(harvest: Harvest, tally: Tally) -> Harvest:
    answers = harvest.answers()

    def answered(judgment: Judgment) -> bool:
        if judgment.query not in answers:
            tally.drop("query without an answer", judgment.where)
        return judgment.query in answers

    return harvest.keeping(answered)


def _apart(harvest: Harvest, tally: Tally) -> Harvest:
    """Without queries that nearly repeat an earlier one, and are answered by nothing else than that, or by copies of it."""
    answers = harvest.answers()
    asked = [query for query in harvest.queries if query.id in answers]
    judged = {judgment.document for judgment in harvest.judgments}
    told = [document for document in harvest.documents if document.id in judged]
    kin = joined(len(asked), near_duplicates([tokens(query.text) for query in asked]))
    copies = joined(len(told), near_duplicates([tokens(document.content) for document in told]))
    copy_of = {document.id: copy for document, copy in zip(told, copies, strict=True)}
    seen: defaultdict[int, list[set[int]]] = defaultdict(list)
    repeats: set[str] = set()
    for query, root in zip(asked, kin, strict=True):
        found = {copy_of[document] for document in answers[query.id]}
        if any(found <= before for before in seen[root]):
            repeats.add(query.id)
        else:
            seen[root].append(found)

    def apart(judgment: Judgment) -> bool:
        if judgment.query in repeats:
            tally.drop("near duplicate", judgment.where)
        return judgment.query not in repeats

    return harvest.keeping(apart)


def _uncrowded(harvest: Harvest, rules: Rules, tally: Tally) -> Harvest:
    """At most so many queries whose only answer is one record: the weightiest, and among equals a draw that can be repeated."""
    answers = harvest.answers()
    sole = [one for one in harvest.judgments if one.grade > 0 and len(answers[one.query]) == 1]
    crowds = Counter(judgment.document for judgment in sole)
    if max(crowds.values(), default=0) <= rules.most_per_record:
        return harvest
    random.Random(rules.seed).shuffle(sole)  # noqa: S311  a draw has to be repeatable, not secret
    room = dict.fromkeys(crowds, rules.most_per_record)
    left_out: set[str] = set()
    for judgment in sorted(sole, key=lambda one: -one.weight):
        room[judgment.document] -= 1
        if room[judgment.document] < 0:
            left_out.add(judgment.query)

    def uncrowded(judgment: Judgment) -> bool:
        if judgment.query in left_out:
            tally.drop("more queries for one record than wanted", judgment.where)
        return judgment.query not in left_out

    return harvest.keeping(uncrowded)


def _trimmed(harvest: Harvest) -> Harvest:
    """Without queries that nothing is known of any more, and without loose documents that nothing points to."""
    asked = {judgment.query for judgment in harvest.judgments}
    told = {judgment.document for judgment in harvest.judgments}
    return replace(
        harvest,
        queries=tuple(query for query in harvest.queries if query.id in asked),
        documents=tuple(document for document in harvest.documents if not harvest.loose or document.id in told),
    )
