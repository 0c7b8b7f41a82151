"""Parts of a set of queries that are worth a figure of their own, and how two models differ on each of them.

By the length of the query, its words (codes, rare ones, unknown ones), its family, what the metadata of query and answer say,
and how much training has seen of the answer (head and tail). Differences are corrected for having looked at all parts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from .comparison import ROUNDS, Comparison, compare, holm
from .judged import Document, Judged, Query
from .lexical import Lexical, tokens
from .metrics import NDCG, Scores

LEAST: Final = 20
"""Queries below which a slice's mean says nothing."""

MOST: Final = 12
"""Values beyond which a metadata field is an identifier rather than a class; also the most families that are looked at."""

RARE: Final = 3
"""Records that hold a rare word, at most."""

HEAD: Final = 5
"""Training judgments from which an answer is of the head."""

_LENGTHS: Final = (("1–3 words", 1, 3), ("4–8 words", 4, 8), ("9 words and more", 9, 10**9))


@dataclass(frozen=True, slots=True)
class Contrast:
    """The second model against the first on one slice; ``p_corrected`` counts in that other slices were looked at (Holm)."""

    queries: int
    comparison: Comparison
    p_corrected: float

    def as_json(self) -> dict[str, object]:
        """The comparison, and the corrected p-value beside its own."""
        return {**self.comparison.as_json(), "p_corrected": self.p_corrected}


def slices(queries: Sequence[Query]) -> dict[str, list[int]]:
    """Name → rows of the queries in it, by length and metadata; a slice of all queries, or of under ``LEAST``, is left out."""
    return _worth_a_figure(_asked(queries), len(queries))


def slices_of(data: Judged, *, lexical: Lexical | None, trained: Mapping[str, int] | None) -> dict[str, list[int]]:
    """As ``slices``; and by family, by the words of the query, by the answer's metadata, and by head and tail.

    ``lexical`` is an index of the corpus and tells which words are rare; ``trained`` says how many training judgments each
    document answers. Without them those slices are not made.
    """
    queries = data.queries
    found = _asked(queries) | _fields([answer.metadata for answer in _answers(data)], "answer ") | _families(queries)
    found["words: with a code"] = _rows(queries, lambda query: any(map(_is_code, tokens(query.text))))
    if lexical:
        held = [[lexical.holders(term) for term in lexical.asked(query.text)] for query in queries]
        found[f"words: one in {RARE} records or fewer"] = [at for at, n in enumerate(held) if any(0 < c <= RARE for c in n)]
        found["words: one in no record"] = [at for at, counts in enumerate(held) if 0 in counts]
    if trained:
        seen = [max(trained.get(document, 0) for document in data.answers(query.id)) for query in queries]
        found[f"head: answers with {HEAD} training pairs or more"] = [at for at, n in enumerate(seen) if n >= HEAD]
        found[f"middle: answers with 1 to {HEAD - 1} training pairs"] = [at for at, n in enumerate(seen) if 0 < n < HEAD]
        found["tail: answers without a training pair"] = [at for at, n in enumerate(seen) if not n]
    return _worth_a_figure(found, len(queries))


def contrasts(
    first: Scores,
    second: Scores,
    parts: Mapping[str, Sequence[int]],
    *,
    families: Sequence[str],
    seed: int = 1,
    rounds: int = ROUNDS,
) -> dict[str, Contrast]:
    """Second minus first on NDCG@10 for each slice, given both models' figures, and the families, of all queries.

    A slice that is a single family is asked about that family: there its queries count one by one.
    """
    found = {}
    for name, rows in parts.items():
        at, kin = list(rows), [families[row] for row in rows]
        found[name] = compare(first[at], second[at], metric=NDCG, families=kin, seed=seed, rounds=rounds)
    corrected = holm([one.p_value for one in found.values()])
    return {name: Contrast(len(parts[name]), found[name], p) for name, p in zip(found, corrected, strict=True)}


def _asked(queries: Sequence[Query]) -> dict[str, list[int]]:
    lengths = [len(query.text.split()) for query in queries]
    found = {f"length: {name}": [row for row, n in enumerate(lengths) if low <= n <= high] for name, low, high in _LENGTHS}
    return found | _fields([query.metadata for query in queries], "")


def _worth_a_figure(found: Mapping[str, list[int]], queries: int) -> dict[str, list[int]]:
    return {name: rows for name, rows in found.items() if LEAST <= len(rows) < queries}


def _rows(queries: Sequence[Query], holds: Callable[[Query], bool]) -> list[int]:
    return [row for row, query in enumerate(queries) if holds(query)]


def _answers(data: Judged) -> list[Document]:
    """The best answer of each query, the first of the corpus among equals."""
    wanted = {name for query in data.queries for name in data.answers(query.id)}
    places = {document.id: at for at, document in enumerate(data.documents) if document.id in wanted}
    found: list[Document] = []
    for query in data.queries:
        grades = data.grades[query.id]
        found.append(data.documents[min((-grades[name], places[name]) for name in data.answers(query.id))[1]])
    return found


def _fields(metadata: Sequence[Mapping[str, object]], prefix: str) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for field in sorted({field for own in metadata for field in own} - {"family"}):
        values = [own.get(field) for own in metadata]
        for value in _classes(values):
            name = f"{prefix}{field}: {value}"
            found[name] = [row for row, own in enumerate(values) if _is_class(own) and str(own) == value]
    return found


def _families(queries: Sequence[Query]) -> dict[str, list[int]]:
    """The largest families; small ones are no slice, and hundreds of slices would leave no difference significant."""
    largest = Counter(query.family for query in queries if query.family is not None).most_common(MOST)
    return {
        f"family: {name}": [row for row, query in enumerate(queries) if query.family == name] for name, n in largest if n >= LEAST
    }


def _is_code(token: str) -> bool:
    """A word that is no plain word: digits beside letters, or signs within (err_702, v2.3, c++), hyphens apart."""
    return (any(c.isdigit() for c in token) and any(c.isalpha() for c in token)) or any(c in "_./:@+#&" for c in token)


def _classes(values: Sequence[object]) -> list[str]:
    counts = Counter(str(value) for value in values if _is_class(value))
    return sorted(counts) if len(counts) <= MOST else []


def _is_class(value: object) -> bool:
    return isinstance(value, str | bool | int)
