"""Where failures cluster, and whether they do: a domain that the model does not know shows in what its failures have in common.

A query fails where no answer stands among the first five of the best way of searching. Each kind of query is held against all
others by Fisher's exact test, one-sided, corrected for the number of kinds (Holm). Failures that cluster nowhere are no
domain that could be taught: more often noise in the judgments or questions that no record answers.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.evaluation.comparison import holm
from transvase.core.evaluation.judged import Query
from transvase.core.evaluation.lexical import terms
from transvase.core.evaluation.slices import slices
from transvase.core.ports import Encoder

from .intervals import fisher
from .survey import Survey

LEAST: Final = 10
"""Queries of a kind below which its rate is not looked at."""

SHATTERED: Final = 4
"""Pieces from which a word counts as shattered: the tokenizer has never had it as a word, and its parts mean little."""

SHORT: Final = 3
RARE: Final = 2
"""Documents that hold a term at most, for it to count as rare."""

UNRELATED: Final = "no word in common with the answer"
"""The one kind that is known only with the judgment. A wrong judgment makes a query look so too, so it is shown, and counts
neither for nor against failures that have something in common."""

SURE: Final = 0.05
MOST_FAMILIES: Final = 30

_EDGES: Final = re.compile(r"^\W+|\W+$")
_ACRONYM: Final = re.compile(r"(?<!\w)[A-Z][A-Z0-9]{1,5}(?!\w)")
_IDENTIFIER: Final = re.compile(r"(?<!\w)(?=\S*[A-Za-z])\S*(?:\d|_|::|[a-z][A-Z]|\w\.\w|\w/\w)\S*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One kind of query: how often it fails and how often all others do, with the corrected p-value of no difference."""

    kind: str
    queries: int
    failing: int
    rate: float
    rate_outside: float
    p_value: float

    @property
    def sure(self) -> bool:
        """Whether failures gather here by more than chance."""
        return self.p_value < SURE

    def as_json(self) -> dict[str, object]:
        """All figures and whether chance is ruled out."""
        return {
            "kind": self.kind,
            "queries": self.queries,
            "failing": self.failing,
            "rate": self.rate,
            "rate_outside": self.rate_outside,
            "p_value": self.p_value,
            "significant": self.sure,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """How many measured queries fail, how many failing ones were seen in all, and where they cluster (surest first)."""

    failing: int
    queries: int
    seen: int
    clusters: tuple[Cluster, ...]

    @property
    def gathered(self) -> tuple[Cluster, ...]:
        """The clusters that chance does not explain."""
        return tuple(cluster for cluster in self.clusters if cluster.sure)

    @property
    def spread_evenly(self) -> bool | None:
        """True where failures cluster nowhere; None where there are too few of either kind to tell."""
        enough = min(self.failing, self.queries - self.failing) >= 2 * LEAST
        return None if not enough else all(cluster.kind == UNRELATED for cluster in self.gathered)

    def as_json(self) -> dict[str, object]:
        """Counts and clusters."""
        return {
            "queries": self.queries,
            "failing": self.failing,
            "seen": self.seen,
            "spread_evenly": self.spread_evenly,
            "clusters": [cluster.as_json() for cluster in self.clusters],
        }


def failures(survey: Survey, encoder: Encoder, *, elsewhere: int) -> Failures:
    """Look for clusters among the measured queries; ``elsewhere`` failing ones were seen in the lesson."""
    failing = survey.ways[survey.best].failed
    return Failures(
        failing=int(failing.sum()),
        queries=len(failing),
        seen=int(failing.sum()) + elsewhere,
        clusters=_tested(_kinds(survey, encoder), failing),
    )


def _tested(kinds: dict[str, NDArray[np.bool_]], failing: NDArray[np.bool_]) -> tuple[Cluster, ...]:
    compared = {kind: mask for kind, mask in kinds.items() if LEAST <= mask.sum() <= len(mask) - LEAST}
    counts = {kind: _counts(mask, failing) for kind, mask in compared.items()}
    corrected = holm([fisher(*count) for count in counts.values()])
    found = [
        Cluster(kind=kind, queries=of, failing=bad, rate=bad / of, rate_outside=rest / of_rest, p_value=p_value)
        for (kind, (bad, of, rest, of_rest)), p_value in zip(counts.items(), corrected, strict=True)
    ]
    return tuple(sorted(found, key=lambda cluster: (cluster.p_value, cluster.rate_outside - cluster.rate, cluster.kind)))


def _counts(mask: NDArray[np.bool_], failing: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """Failing inside, all inside, failing outside, all outside."""
    return int((mask & failing).sum()), int(mask.sum()), int((~mask & failing).sum()), int((~mask).sum())


def _kinds(survey: Survey, encoder: Encoder) -> dict[str, NDArray[np.bool_]]:
    """Kind → which measured queries are of it."""
    queries = survey.data.queries
    pieces = _pieces([query.text for query in queries], encoder)
    documents = [frozenset(terms(document.content)) for document in survey.data.documents]
    held = Counter(term for document in documents for term in document)
    asked = [survey.index.asked(query.text) for query in queries]
    at = {document.id: row for row, document in enumerate(survey.data.documents)}
    answered = [set().union(*(documents[at[answer]] for answer in survey.data.answers(query.id))) for query in queries]
    tests: dict[str, Callable[[int], bool]] = {
        "a word that the tokenizer shatters": lambda row: pieces[row] >= SHATTERED,
        "an identifier or code": lambda row: bool(_IDENTIFIER.search(queries[row].text)),
        "an acronym": lambda row: bool(_ACRONYM.search(queries[row].text)) and not queries[row].text.isupper(),
        f"{SHORT} words or fewer": lambda row: len(queries[row].text.split()) <= SHORT,
        "a word that no record holds": lambda row: any(not held[term] for term in asked[row]),
        f"a word in at most {RARE} records": lambda row: any(0 < held[term] <= RARE for term in asked[row]),
        UNRELATED: lambda row: not answered[row].intersection(asked[row]),
    }
    kinds = {kind: np.array([test(row) for row in range(len(queries))]) for kind, test in tests.items()}
    kinds |= {f"metadata {kind}": _mask(rows, len(queries)) for kind, rows in _by_metadata(queries).items()}
    return kinds | {f"family {name}": _mask(rows, len(queries)) for name, rows in _large_families(survey.families, queries)}


def _pieces(texts: Sequence[str], encoder: Encoder) -> list[int]:
    """For each text the most pieces that one of its words falls into; the tokens of an empty text frame every word."""
    words = sorted({word for text in texts for word in _words(text)})
    frame, *counts = encoder.tokens(["", *words])
    of = dict(zip(words, counts, strict=True))
    return [max((of[word] - frame for word in _words(text)), default=0) for text in texts]


def _words(text: str) -> list[str]:
    return [word for word in (_EDGES.sub("", part) for part in text.split()) if word]


def _by_metadata(queries: Sequence[Query]) -> dict[str, list[int]]:
    return {name: rows for name, rows in slices(queries).items() if not name.startswith("length")}


def _large_families(families: Sequence[str], queries: Sequence[Query]) -> list[tuple[str, list[int]]]:
    """The families with the most queries, each under its declared name or, without one, its first question."""
    members: defaultdict[str, list[int]] = defaultdict(list)
    for row, family in enumerate(families):
        members[family].append(row)
    large = sorted(members.values(), key=len, reverse=True)[:MOST_FAMILIES]
    return [(queries[rows[0]].family or queries[rows[0]].text[:60], rows) for rows in large if len(rows) >= LEAST]


def _mask(rows: Sequence[int], size: int) -> NDArray[np.bool_]:
    mask = np.zeros(size, dtype=bool)
    mask[list(rows)] = True
    return mask
