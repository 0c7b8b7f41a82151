"""One index of the memory store: written under the digest guard, searched exactly."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from threading import RLock

import numpy as np
from numpy.typing import NDArray
from transvase.core.errors import BadValue, NotReady, UnknownName
from transvase.core.hybrid import weighed
from transvase.core.ports import Answer, Census, Declaration, Place, Progress, Reads, Round, Stretch
from transvase.core.record import Hit, Key, Record
from transvase.core.space import Vectors

from .outbox import fitting
from .state import AliasState, IndexState, Vector
from .table import Row, Table
from .words import Words

EXAMPLES = 5
"""How many offending keys a census names."""

RETIRED = "_retired"
"""What is put behind the name of an adopted column when its index is retired."""


class MemoryIndex:
    """The Index port. It looks its state up by name in each call, so that an index that is gone is noticed."""

    def __init__(self, alias: AliasState, name: str, *, lock: RLock) -> None:
        self._alias, self._name, self._lock = alias, name, lock
        self._declaration = alias.index(name).declaration
        self._words = Words()

    @property
    def declaration(self) -> Declaration:
        """What the index is."""
        return self._declaration

    def place(self) -> Place:
        """How far its fill has come."""
        with self._lock:
            return self._state().place

    def fill(
        self,
        records: Sequence[Record],
        vectors: Vectors,
        *,
        place: Place,
        lacking: Sequence[Key] = (),
        bare: Sequence[Record] = (),  # noqa: ARG002 -- the port's shape: vectors lie beside the rows here, and these have none
    ) -> int:
        """Write the vectors that are not there yet and whose text is unchanged, and record the place; returns how many."""
        _fillable(self._declaration)
        with self._lock:
            state = self._state()
            fitting(state, vectors, rows=len(records))
            written = 0
            for record, vector in zip(records, vectors.matrix, strict=True):
                current = record.digest is not None and self._alias.digest(record.key) == record.digest
                if current and state.shelf.get(record.key) is None:
                    state.shelf.put(record.key, vector, digest=record.digest or b"")
                    written += 1
            for key in lacking:
                self._alias.owe(key, only=self._declaration.site)
            self._alias.advance(self._name, place)
            return written

    def stretch(self, after: Key | None, *, limit: int) -> Stretch:
        """The next records with their vectors; NotReady where nobody knows the Space."""
        space = self._declaration.space
        if space is None:
            raise NotReady("fill", f"nobody knows the space of {self._name}")
        with self._lock:
            keys = self._alias.table.keys_after(after, limit)
            with_text = [(key, digest) for key in keys if (digest := self._alias.digest(key)) is not None]
            owed = self._alias.owed_keys()
            found = [(key, digest, self._usable(key, digest)) for key, digest in with_text]
            good = [(key, digest, vector) for key, digest, vector in found if vector is not None and key not in owed]
        matrix = np.array([vector for _, _, vector in good], dtype=np.float32).reshape(len(good), self._declaration.width)
        taken = {key for key, _, _ in good}
        return Stretch(
            records=tuple(Record.unread(key, digest=digest, token=None) for key, digest, _ in good),
            vectors=Vectors(space, matrix),
            lacking=tuple(key for key, _ in with_text if key not in taken),
            after=keys[-1] if keys else after,
            passed=len(keys),
        )

    def owe(self, before: Round | None = None) -> Round:  # noqa: ARG002 - the port's
        """Owe every key whose vector is missing, zero, too much or of another text."""
        with self._lock:
            shelf, alias = self._state().shelf, self._alias
            if not alias.capturing:
                raise NotReady("fill", f"nothing can be owed to {self._name} before writes are captured")
            wanted = {key: digest for key in alias.table.ordered() if (digest := alias.digest(key)) is not None}
            right = {key for key, digest in wanted.items() if self._usable(key, digest) is not None}
            lacking = (wanted.keys() | set(shelf.held())) - right - alias.owed_keys()
            for key in sorted(lacking):
                alias.owe(key, only=self._declaration.site)
            return Round(len(lacking), len(lacking), tuple(sorted(lacking))[:EXAMPLES])

    def unseen(self, keys: Sequence[Key]) -> set[Key]:  # noqa: ARG002 - the port's
        """None: nobody keeps the time of a write here."""
        return set()

    def build(self, progress: Progress) -> None:
        """Nothing has to be built for an exact search; the index counts as built from here on."""
        with self._lock:
            state = self._state()
            if not state.built:
                held = sum(1 for _ in state.shelf.held())
                state.built = True
                progress("building the index", held, held)

    def warm(self, queries: Vectors) -> None:
        """Memory is warm; the queries are only checked."""
        with self._lock:
            fitting(self._state(), queries, rows=len(queries))

    def vectors(self, keys: Sequence[Key]) -> tuple[list[Key], Vectors | None]:
        """The keys that have a vector, and the vectors in the same order."""
        with self._lock:
            shelf = self._state().shelf
            found = {key: vector for key in keys if (vector := shelf.get(key)) is not None}
        space = self._declaration.space
        if space is None:
            return list(found), None
        matrix = np.array(list(found.values()), dtype=np.float32).reshape(len(found), self._declaration.width)
        return list(found), Vectors(space, matrix)

    def census(self, *, deep: bool = True, pay: Callable[[], object] | None = None) -> Census:  # noqa: ARG002 - the port's
        """Counts over all records and all vectors, at one moment. What is owed is not lost, and counts as nothing else."""
        with self._lock:
            shelf, alias = self._state().shelf, self._alias
            texts = {key for key in alias.table.ordered() if alias.text(key) is not None}
            held = {key: vector for key in shelf.held() if (vector := shelf.get(key)) is not None}
            stale = {key for key in held if key in texts and shelf.digest(key) not in (None, alias.digest(key))}
            owed = alias.owed_keys()
        wrong = {
            "missing": texts - held.keys() - owed,
            "orphaned": held.keys() - texts - owed,
            "stale": stale - owed,
            "zero": {key for key, vector in held.items() if deep and not vector.any()} - owed,
            "broken": {key for key, vector in held.items() if deep and not np.isfinite(vector).all()} - owed,
        }
        counts = {name: len(keys) for name, keys in wrong.items()}
        examples = tuple(dict.fromkeys(key for keys in wrong.values() for key in sorted(keys)))[:EXAMPLES]
        return Census(records=len(texts), held=len(held), owed=len(owed), examples=examples, remarks=(), **counts)

    def search(
        self,
        query: Vectors,
        k: int,
        *,
        where: Mapping[str, object] | None = None,
        exact: bool = False,
        text: str | None = None,
        lexical: float | None = None,
    ) -> Answer:
        """The best ``k``, computed one by one; only an inexact search counts as a use of the index."""
        hybrid = weighed(text, lexical, exact=exact)
        with self._lock:
            state = self._state()
            fitting(state, query, rows=1)
            if k < 1:
                raise BadValue("k", k, why="ask for at least one hit")
            wanted = _conditions(self._alias.table, where or {})
            if not exact:
                state.scans, state.scanned_at = state.scans + 1, time.monotonic()
            best = self._near(query.matrix[0], wanted)
            if hybrid is not None:
                best = self._fused(best, hybrid, k, wanted)
            table = self._alias.table
            hits = tuple(_hit(self._alias, key, row, score) for key, score in best[:k] if (row := table.row(key)) is not None)
            return Answer(hits, self._alias.generation)

    def nearest(self, queries: Vectors, k: int, *, where: Mapping[str, object] | None = None) -> list[Answer]:
        """The nearest ``k`` to each query, one query after the other."""
        return [self.search(queries.take([row]), k, where=where, exact=True) for row in range(len(queries))]

    def parts(self, *, asleep: bool = False) -> tuple[Mapping[str, object], ...]:
        """One, which is awake: a search goes over all."""
        return () if asleep else ({},)

    def opened(self, *parts: Mapping[str, object]) -> AbstractContextManager[None]:  # noqa: ARG002 - the port's
        """Nothing sleeps."""
        return nullcontext()

    def reads(self) -> Reads:
        """How many searches were not asked to be exact, and when the last of them was."""
        with self._lock:
            state = self._state()
            return Reads(state.scans, None if state.scanned_at is None else time.monotonic() - state.scanned_at)

    def _near(self, query: Vector, wanted: Mapping[str, object]) -> list[tuple[Key, float]]:
        """All that fit with their scores, best first."""
        state, table = self._state(), self._alias.table
        rows = ((key, table.row(key), state.shelf.get(key)) for key in state.shelf.held())
        chosen = [(key, vector) for key, row, vector in rows if vector is not None and row is not None and _matches(row, wanted)]
        scores = similarities(self._declaration.metric, query, [vector for _, vector in chosen])
        ranked = np.argsort(-scores, kind="stable")
        return [(chosen[i][0], float(scores[i])) for i in ranked[np.isfinite(scores[ranked])].tolist()]

    def _fused(
        self, near: Sequence[tuple[Key, float]], hybrid: tuple[str, float], k: int, wanted: Mapping[str, object]
    ) -> list[tuple[Key, float]]:
        table = self._alias.table
        texts = {key: text for key in table.ordered() if (text := self._alias.text(key)) is not None}
        fit = {key for key in table.ordered() if (row := table.row(key)) is not None and _matches(row, wanted)}
        return self._words.fused(texts, near, hybrid, k=k, fit=fit)

    def _usable(self, key: Key, digest: bytes) -> Vector | None:
        """The vector of a key that has a direction and is, as far as can be told, that of the text."""
        shelf = self._state().shelf
        vector = shelf.get(key)
        if vector is None or not vector.any() or not np.isfinite(vector).all():
            return None
        return vector if shelf.digest(key) in (None, digest) else None

    def _state(self) -> IndexState:
        return self._alias.index(self._name)


def _hit(alias: AliasState, key: Key, row: Row, score: float) -> Hit:
    source = alias.source
    left_out = {*source.key, source.vector, source.vector + RETIRED}
    metadata = {name: value for name, value in sorted(row.items()) if name not in left_out}
    return Hit(key, score, alias.reading(row), metadata)


def _fillable(declaration: Declaration) -> None:
    if declaration.adopted:
        raise NotReady("fill", f"{declaration.name} is the application's own column")
    if declaration.shares:
        raise NotReady("fill", f"{declaration.name} serves the vectors of {declaration.site} as they stand")


def similarities(metric: str, query: NDArray[np.float32], vectors: Sequence[NDArray[np.float32]]) -> NDArray[np.float64]:
    """One score for each vector, larger is nearer: cosine, inner product, or the negative distance for ``l2``.

    A vector that has no direction gets no finite score under ``cosine``: it is in no such index.
    """
    matrix, one = np.array(vectors, dtype=np.float64).reshape(len(vectors), query.size), query.astype(np.float64)
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        if metric == "l2":
            return -np.asarray(np.linalg.norm(matrix - one, axis=1), dtype=np.float64)
        products = np.asarray(matrix @ one, dtype=np.float64)
        if metric == "ip":
            return products
        return np.asarray(products / (np.linalg.norm(matrix, axis=1) * np.linalg.norm(one)), dtype=np.float64)


def _conditions(table: Table, where: Mapping[str, object]) -> Mapping[str, object]:
    for column in where:
        if column not in table.columns:
            raise UnknownName("column", column, hint=f"{table.name} has {', '.join(sorted(table.columns))}")
    return where


def _matches(row: Row, where: Mapping[str, object]) -> bool:
    return all(_is(row.get(column), value) for column, value in where.items())


def _is(value: object, wanted: object) -> bool:
    return value in wanted if isinstance(wanted, list | tuple | set | frozenset) else value == wanted
