"""The survey that everything in an assessment stands on: judged queries answered by BM25, by the base model and by both.

All rankings go ``DEPTH`` deep over the whole corpus, exactly. Where the collection has ``qrels/dev.tsv``, that is measured and
``qrels/train.tsv`` may teach the probe and be searched for failures; queries that share a family with a measured one are left
out of the lesson. ``test`` is opened only where it is named.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.errors import BadValue, UnknownName
from transvase.core.evaluation.families import families
from transvase.core.evaluation.fusion import DEPTH, Choice, Hits, crossed
from transvase.core.evaluation.judged import Judged, grades_path, judge, read_documents, read_queries
from transvase.core.evaluation.lexical import Lexical
from transvase.core.evaluation.metrics import NDCG, Scores, gains, score
from transvase.core.evaluation.ranking import nearest, unit
from transvase.core.ports import Encoder, Progress
from transvase.core.space import Role

Matrix = NDArray[np.float32]

LEAST_MEASURED: Final = 10
"""Queries below which an interval would be feigned: drawn again, a few queries give themselves."""

MOST_MEASURED: Final = 2_000
"""Queries measured at most: their mean is known to about 0.02 then."""

MOST_TAUGHT: Final = 8_000
"""Queries of the lesson that are encoded at most."""

_ENCODED: Final = 1024

BM25, DENSE, HYBRID = "bm25", "dense", "hybrid"


@dataclass(frozen=True, slots=True, eq=False)
class Way:
    """One way of searching: rows of documents, (queries, up to ``DEPTH``), -1 behind the last hit, and each query's figures."""

    rows: NDArray[np.intp]
    figures: Mapping[str, Scores]

    @property
    def ndcg(self) -> Scores:
        """NDCG@10 of each query."""
        return self.figures[NDCG]

    @property
    def failed(self) -> NDArray[np.bool_]:
        """The queries without an answer among the first five: further down few people look, and a reranker begins."""
        return np.asarray(self.figures["precision@5"] == 0)


@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Survey:
    """What was read, encoded and ranked. ``lesson`` may hold no query; ``families`` names one for each measured query."""

    data: Judged
    lesson: Judged
    families: tuple[str, ...]
    leaked: int
    documents: Matrix
    asked: Matrix
    taught: Matrix
    index: Lexical
    lexical: Hits
    dense: Hits
    found_taught: Hits
    ways: Mapping[str, Way]
    choice: Choice

    @property
    def best(self) -> str:
        """The way with the highest mean NDCG@10; the cheapest of equals."""
        return max(self.ways, key=lambda name: self.ways[name].ndcg.mean())


def surveyed(directory: Path, encoder: Encoder, *, split: str | None, seed: int, progress: Progress) -> Survey:
    """Read, encode and rank; Misuse for what is missing or malformed, EncoderFailed when the model breaks."""
    data, lesson, leaked, families_of = _read(directory, split=_split(directory, split), seed=seed)
    texts = [document.content for document in data.documents]
    asked = encoded(encoder, [query.text for query in data.queries], Role.QUERY, progress=progress)
    taught = encoded(encoder, [query.text for query in lesson.queries], Role.QUERY, progress=progress)
    documents = encoded(encoder, texts, Role.DOCUMENT, progress=progress)
    progress("BM25", 0, 0)
    index = Lexical(texts)
    lexical = index.nearest([query.text for query in data.queries], k=DEPTH)
    dense = nearest(asked, blocks(documents), k=DEPTH)
    fused, choice = crossed(lexical, dense, data=data, k=DEPTH, seed=seed)
    rows = {BM25: lexical[0], DENSE: dense[0], HYBRID: fused}
    return Survey(
        data=data,
        lesson=lesson,
        families=families_of,
        leaked=leaked,
        documents=documents,
        asked=asked,
        taught=taught,
        index=index,
        lexical=lexical,
        dense=dense,
        found_taught=nearest(taught, blocks(documents), k=DEPTH),
        ways={name: way(data, found) for name, found in rows.items()},
        choice=choice,
    )


def way(data: Judged, rows: NDArray[np.intp]) -> Way:
    """A ranking with its figures."""
    ids = [document.id for document in data.documents]
    ranked = [[ids[row] for row in ranking if row >= 0] for ranking in rows[:, :10].tolist()]
    return Way(rows, score(gains(ranked, [data.grades[query.id] for query in data.queries])))


def encoded(encoder: Encoder, texts: Sequence[str], role: Role, *, progress: Progress) -> Matrix:
    """The texts' vectors at length 1, shape (texts, dimension); a zero vector stays zero."""
    matrix = np.zeros((len(texts), encoder.space.dimension), dtype=np.float32)
    what = "encode queries" if role is Role.QUERY else "encode documents"
    for start in range(0, len(texts), _ENCODED):
        progress(what, start, len(texts))
        part = encoder.encode(texts[start : start + _ENCODED], role).of(encoder.space, where=encoder.name)
        matrix[start : start + len(part)] = unit(part)
    progress(what, len(texts), len(texts))
    return matrix


def blocks(matrix: Matrix) -> Iterator[Matrix]:
    """The matrix a thousand rows at a time, so that scores of all against all are never held at once."""
    for start in range(0, len(matrix), _ENCODED):
        yield matrix[start : start + _ENCODED]


def _split(directory: Path, named: str | None) -> str:
    if named is not None:
        return named
    for split in ("dev", "train"):
        if grades_path(directory, split).is_file():
            return split
    hint = "judge some queries into dev.tsv or train.tsv, or name another split with --split"
    raise UnknownName("judgments", str(directory / "qrels"), hint=hint)


def _read(directory: Path, *, split: str, seed: int) -> tuple[Judged, Judged, int, tuple[str, ...]]:
    """What is measured, what may be taught, how many queries were kept out of the latter, and the families of the former."""
    documents, queries = read_documents(directory), read_queries(directory)
    data = judge(documents, queries, directory=directory, split=split)
    train = data if split == "train" or not grades_path(directory, "train").is_file() else None
    if train is None:
        train = judge(documents, queries, directory=directory, split="train")
    everything = {query.id: query for query in (*data.queries, *train.queries)}
    family_of = families(list(everything.values()))
    found = len({family_of[query.id] for query in data.queries})
    if len(data.queries) < LEAST_MEASURED or found < 2:
        told = f"{len(data.queries)} queries with answers in {found} families"
        why = f"nothing can be told from so few: {LEAST_MEASURED} queries in two families are the least, a hundred do well"
        raise BadValue(f"judgments of {split}", told, why=why)
    data = _fewer(data, family_of, seed=seed)
    measured = {family_of[query.id] for query in data.queries}
    apart = tuple(query for query in train.queries if family_of[query.id] not in measured)
    leaked = 0 if train.split == split else len(train.queries) - len(apart)
    if len(apart) > MOST_TAUGHT:
        apart = tuple(Random(seed).sample(apart, MOST_TAUGHT))  # noqa: S311  a sample has to be repeatable, not secret
    return data, replace(train, queries=apart), leaked, tuple(family_of[query.id] for query in data.queries)


def _fewer(data: Judged, family_of: Mapping[str, str], *, seed: int) -> Judged:
    """Whole families at random until ``MOST_MEASURED`` queries are reached; all where there are fewer."""
    if len(data.queries) <= MOST_MEASURED:
        return data
    names = sorted({family_of[query.id] for query in data.queries})
    Random(seed).shuffle(names)  # noqa: S311  a sample has to be repeatable, not secret
    turn = {name: at for at, name in enumerate(names)}
    first = sorted(data.queries, key=lambda query: turn[family_of[query.id]])[:MOST_MEASURED]
    kept = {query.id for query in first}
    return replace(data, queries=tuple(query for query in data.queries if query.id in kept))
