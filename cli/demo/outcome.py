"""What the demo found, as figures: the one object behind the table, the JSON and the report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from transvase.core.evaluation.comparison import Comparison

from .check import Mixing, Survey
from .ledger import Failure
from .waits import Operation, Span, longest_ms, quantile_ms, within
from .writers import SHARES


@dataclass(frozen=True, slots=True)
class TopHit:
    """One of the first hits of a query: what it is called, and whether it is the right one."""

    name: str
    right: bool


@dataclass(frozen=True, slots=True)
class Example:
    """A held-out query with the first hits that either model gives, best first."""

    query: str
    before: tuple[TopHit, ...]
    after: tuple[TopHit, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """The judged half: NDCG@10 on the held-out queries with the base and with the tuned model, paired."""

    queries: int
    before: float
    after: float
    comparison: Comparison
    examples: tuple[Example, ...]
    pairs: int
    training_s: float


@dataclass(frozen=True, slots=True)
class Sample:
    """A moment of the migration: seconds (monotonic), rows that the fill had passed, keys owed."""

    at: float
    done: int
    owed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Everything. ``ordinary`` is the stretch of the same traffic before the migration; ``spans`` are its moves."""

    quality: Quality
    records: int
    rows_per_s: float
    dimensions: tuple[int, int]
    ordinary: Span
    spans: tuple[Span, ...]
    operations: tuple[Operation, ...]
    failures: tuple[Failure, ...]
    refusals: tuple[Failure, ...]
    stranger: str
    switches_ms: tuple[float, ...]
    slowed: int
    """How often the writers had to be asked to write half as often, so that the worker could follow."""
    samples: tuple[Sample, ...]
    mixing: Mixing
    survey: Survey
    after_rollback: Survey
    seconds: float

    @property
    def began(self) -> float:
        """When the migration began."""
        return self.spans[0].began

    @property
    def ended(self) -> float:
        """When its last move ended."""
        return self.spans[-1].ended

    @property
    def kinds(self) -> Mapping[str, int]:
        """Writes that were committed while the index was being moved, by kind."""
        counted = Counter(o.kind for o in self.during(ACTORS["writers"]))
        return {kind: counted[kind] for kind in SHARES if counted[kind]}

    @property
    def writes(self) -> int:
        """All of them."""
        return sum(self.kinds.values())

    @property
    def stale(self) -> int:
        """Rows whose vector was not that of their present text, after the rollback or at the end."""
        return self.survey.stale + self.after_rollback.stale

    @property
    def lost(self) -> int:
        """Rows without a vector, vectors without a row and writes that are gone, after the rollback or at the end."""
        return self.survey.lost + self.after_rollback.lost

    @property
    def sound(self) -> bool:
        """True when nothing went wrong, everything having been looked at."""
        return not (self.failures or self.stale or self.lost or self.mixing.mixed or not self.stranger)

    def during(self, kind: Sequence[str] | None = None) -> list[Operation]:
        """Operations under way while the index was being moved, of the actors whose name begins with one of ``kind``."""
        return _of(within(self.operations, self.began, self.ended), kind)

    def before(self, kind: Sequence[str] | None = None) -> list[Operation]:
        """Operations of the ordinary stretch alone."""
        return _of([o for o in self.operations if o.began >= self.ordinary.began and o.ended <= self.ordinary.ended], kind)

    def as_json(self) -> dict[str, object]:
        """The one object that ``--json`` prints. Times in milliseconds, rates in rows a second."""
        compared = self.quality.comparison
        return {
            "ndcg_before": round(self.quality.before, 4),
            "ndcg_after": round(self.quality.after, 4),
            "ci": [round(compared.ci_low, 4), round(compared.ci_high, 4)],
            "records": self.records,
            "rows_per_s": round(self.rows_per_s, 1),
            "writes": self.writes,
            "errors": len(self.failures),
            "stale": self.stale,
            "lost": self.lost,
            "mixed": self.mixing.mixed,
            "longest_wait_ms": round(longest_ms(self.during()), 1),
            "ordinary_wait_ms": round(longest_ms(self.before()), 1),
            **self._more(),
        }

    def _more(self) -> dict[str, object]:
        return {
            "difference": round(self.quality.comparison.difference, 4),
            "queries": self.quality.queries,
            "searches": self.mixing.answers,
            "hits_recomputed": self.mixing.hits,
            "mixed_told_apart": round(self.mixing.told_apart, 4),
            "tolerance": round(self.mixing.tolerance, 6),
            "furthest_score": round(self.mixing.furthest, 8),
            "lagging": self.mixing.lagging,
            "cutover_ms": [round(ms, 2) for ms in self.switches_ms],
            "refused_by_database": len(self.refusals),
            "stranger": self.stranger,
            "waits_ms": {
                who: {"ordinary": _waits(self.before(names)), "moving": _waits(self.during(names))}
                for who, names in ACTORS.items()
            },
            "moves_s": {span.name: round(span.seconds, 2) for span in self.spans},
            "kinds": dict(self.kinds),
            "writers_slowed": self.slowed,
            "examples": [
                {"query": e.query, "before": [hit.name for hit in e.before], "after": [hit.name for hit in e.after]}
                for e in self.quality.examples
            ],
            "problems": [
                *(f"{failure.actor}: {failure.text}" for failure in self.failures[:10]),
                *self.mixing.examples,
                *self.after_rollback.examples,
                *self.survey.examples,
            ],
            "seconds": round(self.seconds, 1),
        }


ACTORS: Mapping[str, tuple[str, ...]] = {"retriever": ("retriever",), "sql": ("sql",), "writers": ("writer",)}
"""Kinds of actors by the beginning of their names."""


def _of(operations: Sequence[Operation], kind: Sequence[str] | None) -> list[Operation]:
    return [o for o in operations if kind is None or o.actor.startswith(tuple(kind))]


def _waits(operations: Sequence[Operation]) -> dict[str, float]:
    return {
        "median": round(quantile_ms(operations, 0.5), 1),
        "p99": round(quantile_ms(operations, 0.99), 1),
        "longest": round(longest_ms(operations), 1),
    }
