"""Which queries must stay on one side of a split: what joins them into a family where nothing has been declared yet.

Queries are kin that ask the same in the same or nearly the same words, stand in one declared group, were asked in one session, or
are answered by one document or by chunks of one source. Popular documents can chain half of a collection into one family, and
then there is nothing left to split: without an order from the user, that last kind of kinship is given up, and this is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from transvase.core.evaluation.judged import Query
from transvase.core.likeness import joined, near_duplicates, tokens

from .harvest import Harvest

JOINS: Final = ("text", "family", "session", "source", "document")
"""Kinds of kinship, those that may be given up last."""

_MAY_BE_GIVEN_UP: Final = ("document", "source")
_MANY: Final = 50
"""Queries of one source from which on, if they are also a hundredth of all, it is taken for a category."""

_TOO_LARGE: Final = 0.5
"""Share of the queries in one family from which a split would hardly be drawn at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kinship:
    """Query id → name of its family, the kinds that joined them, and what had to be given up."""

    family_of: dict[str, str]
    joins: tuple[str, ...]
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, object]:
        """Counts."""
        sizes = Counter(self.family_of.values())
        return {"count": len(sizes), "largest": max(sizes.values()), "joined_by": list(self.joins)}


def kinship(harvest: Harvest, *, joins: tuple[str, ...] | None) -> Kinship:
    """Join the queries by these kinds; None: by all of ``JOINS``, without documents or sources where they would join too many."""
    wanted = JOINS if joins is None else joins
    notes: list[str] = []
    while True:
        family_of = _families(harvest, wanted)
        name, largest = Counter(family_of.values()).most_common(1)[0]
        spare = next((join for join in _MAY_BE_GIVEN_UP if join in wanted), None)
        if joins is not None or spare is None or largest <= max(1.0, _TOO_LARGE * len(family_of)):
            return Kinship(family_of=family_of, joins=wanted, notes=tuple(notes))
        notes.append(
            f"{largest} of {len(family_of)} queries were one family (that of {name!r}) by a shared {spare}: "
            f"a shared {spare} does not join here, so splits may share one"
        )
        wanted = tuple(join for join in wanted if join != spare)


def labels(query: Query) -> Iterator[tuple[str, str]]:
    """Kind and value of what the query's metadata says about its kin."""
    for kind in ("family", "session", "source"):
        value = query.metadata.get(kind)
        if value is not None and value != "":
            yield kind, str(value)


def category(kind: str, count: int, *, of: int) -> bool:
    """Whether a source names a whole category (a site, a channel) and no chunk: it has very many of the queries."""
    return kind == "source" and count > max(_MANY, of // 100)


def _families(harvest: Harvest, joins: tuple[str, ...]) -> dict[str, str]:
    queries = harvest.queries
    links = near_duplicates([tokens(query.text) for query in queries]) if "text" in joins else []
    held = list(_labels(harvest))
    often = Counter(label for one in held for label in one)
    first: dict[tuple[str, str], int] = {}
    for row, one in enumerate(held):
        told = [label for label in sorted(one) if label[0] in joins and not category(label[0], often[label], of=len(queries))]
        links += [(first.setdefault(label, row), row) for label in told]
    roots = joined(len(queries), links)
    return {query.id: _name(queries[root]) for query, root in zip(queries, roots, strict=True)}


def _labels(harvest: Harvest) -> Iterator[set[tuple[str, str]]]:
    """For each query, what it shares with its kin; a document's source counts like the query's own."""
    answers = harvest.answers()
    sources = {document.id: str(document.metadata["source"]) for document in harvest.documents if document.metadata.get("source")}
    for query in harvest.queries:
        held = set(labels(query))
        for document in answers.get(query.id, ()):
            held.add(("document", document))
            if document in sources:
                held.add(("source", sources[document]))
        yield held


def _name(query: Query) -> str:
    """A family is called as its first query declares it, else by that query's id."""
    return query.family or query.id
