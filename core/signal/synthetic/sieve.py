"""Which made-up queries are good enough to teach with: short, not copied, asked of one record only, and able to find it.

The round trip is Promptagator's filter (Dai et al. 2022), with dense and BM25 candidates together: a query that neither finds its
own record among the first few is about something else, or about everything.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.errors import BadValue
from transvase.core.evaluation.judged import Document, Query
from transvase.core.evaluation.lexical import Lexical
from transvase.core.evaluation.ranking import rank
from transvase.core.likeness import joined, near_duplicates, normal, tokens
from transvase.core.ports import Encoder, Progress
from transvase.core.signal.harvest import Tally

from .prompts import LONGEST_QUERY

_COPIED: Final = 6
"""Words that a query has in one run with the record's text, when that run is nearly all of it, to count as copied."""

_NEARLY_ALL: Final = 0.8
_SHOWN: Final = 80
"""Characters of a dropped query that the report shows."""

_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A made-up query: the row of its record, its style, its text."""

    row: int
    style: str
    text: str


def drop(tally: Tally, reason: str, candidate: Candidate, documents: Sequence[Document]) -> None:
    """Count one query left out, shown with its record."""
    shown = candidate.text if len(candidate.text) <= _SHOWN else candidate.text[: _SHOWN - 1] + "…"
    tally.drop(reason, f"{documents[candidate.row].id}: {shown}")


def own_words(candidates: Sequence[Candidate], documents: Sequence[Document], *, tally: Tally) -> list[Candidate]:
    """Those of bounded length that neither copy a run of the record nor are its title: what BM25 answers teaches nothing."""
    kept = []
    for one in candidates:
        if len(one.text) > LONGEST_QUERY:
            drop(tally, "query too long", one, documents)
        elif copied(one.text, documents[one.row]):
            drop(tally, "copied from its record", one, documents)
        else:
            kept.append(one)
    return kept


def copied(query: str, document: Document) -> bool:
    """True when four fifths of a query are one run of six or more words of the record, or its title of two or more."""
    words, title = _words(query), _words(document.title)
    if not words:
        return False
    if len(title) >= 2 and len(title) >= _NEARLY_ALL * len(words) and _run(title) in _run(words):
        return True
    least = max(_COPIED, -int(-_NEARLY_ALL * len(words) // 1))
    text = _run(_words(document.content))
    return any(_run(words[start : start + least]) in text for start in range(len(words) - least + 1))


def apart(
    candidates: Sequence[Candidate], documents: Sequence[Document], *, real: Sequence[Query], tally: Tally
) -> list[Candidate]:
    """Without repeats, without what is asked of several records in the same words, and without what real people have asked.

    Of near duplicates the first stays. Records of one text count as one. What repeats a query of ``real`` would carry a judged
    question, perhaps of the test split, into training.
    """
    texts = [*(query.text for query in real), *(one.text for one in candidates)]
    roots = joined(len(texts), near_duplicates([tokens(text) for text in texts]))
    same_record = _first_of_text(documents)
    asked_of: defaultdict[str, set[int]] = defaultdict(set)
    for one in candidates:
        asked_of[normal(one.text)].add(same_record[one.row])
    taken = {roots[row]: "nearly a real query" for row in range(len(real))}
    kept = []
    for one, root in zip(candidates, roots[len(real) :], strict=True):
        if root in taken:
            drop(tally, taken[root], one, documents)
        elif len(asked_of[normal(one.text)]) > 1:
            drop(tally, "asked of several records", one, documents)
        else:
            taken[root] = "near duplicate of another made-up query"
            kept.append(one)
    return kept


def finding(
    candidates: Sequence[Candidate],
    documents: Sequence[Document],
    *,
    encoder: Encoder | None,
    keep_rank: int,
    tally: Tally,
    progress: Progress,
) -> tuple[list[Candidate], dict[str, object]]:
    """Those that find their own record (or one of the same text) among the first ``keep_rank`` of BM25 or of dense search.

    Also how many each search found. All records are searched, the ones without queries too. BM25 goes first: only what it does
    not find has to be encoded, and nothing at all when ``encoder`` is None.
    """
    if keep_rank < 1:
        raise BadValue("--keep-rank", keep_rank, why="1 or more: up to which place a query must find its record")
    contents, texts = [document.content for document in documents], np.asarray(_first_of_text(documents), dtype=np.intp)
    found, missed = np.zeros(len(candidates), dtype=np.bool_), np.arange(len(candidates))
    figures: dict[str, object] = {"keep_rank": keep_rank, "asked": len(candidates)}
    if candidates:
        lexical, _ = Lexical(contents).nearest([one.text for one in candidates], k=keep_rank)
        found = _found(lexical, texts[[one.row for one in candidates]], texts)
        missed = np.flatnonzero(~found)
        figures["found_by_bm25"] = int(found.sum())
    if encoder is not None and len(missed):
        queries = [one.text for one, there in zip(candidates, found, strict=True) if not there]
        rows = [one.row for one, there in zip(candidates, found, strict=True) if not there]
        dense = rank(encoder, queries, contents, k=keep_rank, progress=progress, label="round trip")
        found[missed] = _found(dense, texts[rows], texts)
        figures |= {"encoder": encoder.name, "found_by_dense_alone": int(found[missed].sum())}
    for one, kept in zip(candidates, found, strict=True):
        if not kept:
            drop(tally, "does not find its record", one, documents)
    return [one for one, kept in zip(candidates, found, strict=True) if kept], figures


def _found(rows: NDArray[np.intp], own: NDArray[np.intp], texts: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Whether each query's own text is among the rows that it found; -1 is no row."""
    hits: NDArray[np.bool_] = ((texts[rows] == own[:, None]) & (rows >= 0)).any(axis=1)
    return hits


def _first_of_text(documents: Sequence[Document]) -> list[int]:
    """For each record the first one of the same text."""
    first: dict[str, int] = {}
    return [first.setdefault(normal(document.content), row) for row, document in enumerate(documents)]


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _run(words: Sequence[str]) -> str:
    return f" {' '.join(words)} "
