"""A small examination that can be sat again and again: NDCG@10 of some queries, on as much of the corpus as the time allows.

Training sits it with the weights of the moment, an export with its variants.
The documents asked are all answers of the validation queries and those that share the rarest words with them. Words
choose, not a model, so neither the base nor a checkpoint is favoured; figures are still a little higher than on the whole corpus.
"""

from __future__ import annotations

import itertools
import math
import random
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.space import Role

from .families import families, names
from .judged import Document, Judged, Query
from .metrics import NDCG, Scores, gains, score
from .ranking import nearest

MOST_QUERIES: Final = 400

_MOST_CANDIDATES: Final = 20_000
"""Documents looked at for shared words, drawn at random from a larger corpus."""

Encode = Callable[[Sequence[str], Role], NDArray[np.float32]]


@dataclass(frozen=True, slots=True, eq=False)
class Exam:
    """Queries, the documents they are asked of, the grades, and which queries are of one family."""

    queries: tuple[str, ...]
    documents: tuple[str, ...]
    identifiers: tuple[str, ...]
    grades: tuple[Mapping[str, float], ...]
    families: tuple[str, ...]
    """Of each query."""

    def mark(self, encode: Encode) -> Scores:
        """NDCG@10 of each query with this way of encoding."""
        asked, held = encode(self.queries, Role.QUERY), encode(self.documents, Role.DOCUMENT)
        rows, _ = nearest(asked, [held], k=10)
        return score(gains([[self.identifiers[row] for row in ranking] for ranking in rows], self.grades))[NDCG]

    @property
    def texts(self) -> int:
        """Texts that one sitting encodes."""
        return len(self.queries) + len(self.documents)


def whole(judged: Judged) -> Exam:
    """All queries of a collection, asked of all its documents: for a guard, which is drawn to size already."""
    return Exam(
        queries=tuple(query.text for query in judged.queries),
        documents=tuple(document.content for document in judged.documents),
        identifiers=tuple(document.id for document in judged.documents),
        grades=tuple(judged.grades[query.id] for query in judged.queries),
        families=names(judged.queries),
    )


def draw(validation: Judged, *, size: int, seed: int) -> Exam:
    """An exam of about ``size`` documents, on up to half as many queries, with all of their judged documents."""
    rng = random.Random(seed)  # noqa: S311  the draw has to be repeatable, not secret
    queries, family_of = list(validation.queries), families(validation.queries)
    if len(queries) > min(MOST_QUERIES, size // 2):
        queries = rng.sample(queries, min(MOST_QUERIES, size // 2))
    kept = {document for query in queries for document in validation.grades[query.id]}
    others = [document for document in validation.documents if document.id not in kept]
    room = max(0, size - len(kept))
    if len(others) > room:
        others = _near_in_words(queries, rng.sample(others, min(len(others), _MOST_CANDIDATES)), count=room)
    kept |= {document.id for document in others}
    documents = [document for document in validation.documents if document.id in kept]
    return Exam(
        queries=tuple(query.text for query in queries),
        documents=tuple(document.content for document in documents),
        identifiers=tuple(document.id for document in documents),
        grades=tuple(validation.grades[query.id] for query in queries),
        families=tuple(family_of[query.id] for query in queries),
    )


def _near_in_words(queries: Sequence[Query], documents: Sequence[Document], *, count: int) -> list[Document]:
    """``count`` documents: each query in turn names its next nearest by the rarity of the words they share."""
    holders: defaultdict[str, list[int]] = defaultdict(list)
    for row, document in enumerate(documents):
        for word in set(_words(document.content)):
            holders[word].append(row)
    wishes = []
    for query in queries:
        weights: defaultdict[int, float] = defaultdict(float)
        for word in set(_words(query.text)) & holders.keys():
            rarity = math.log(1 + len(documents) / len(holders[word]))
            for row in holders[word]:
                weights[row] += rarity
        wishes.append(sorted(weights, key=lambda row: (-weights[row], row))[:count])
    in_turn = (row for rank in itertools.zip_longest(*wishes) for row in rank if row is not None)
    chosen = list(itertools.islice(dict.fromkeys(itertools.chain(in_turn, range(len(documents)))), count))
    return [documents[row] for row in chosen]


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())
