"""What the checks look at: the two indexes, a sample of rows, a set of queries, and one census of the target."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from transvase.core.migration import Migration
from transvase.core.ports import Census, Declaration, Encoder, Index, Progress, Store
from transvase.core.record import Record
from transvase.core.space import Role, Vectors

from ..encoding import encode_each, encoder_for
from ..reconcile import reconciled
from ..runner import Encoders, declared
from ..sync import Worker

SAMPLE: Final = 300
"""Rows encoded again: with none bad among them, at most 1 % of all rows are (95 % confidence)."""

Beside = tuple[Index, Vectors]
"""An index that the target is compared with, and the queries in its space."""

QUERIES: Final = 64
"""Searches of the recall and latency checks: 640 neighbours, so that a recall of 0.95 is known to about ±0.02."""

PAY_S: Final = 30.0
"""Time for paying what was owed when the proof began, and once more for what was written unseen meanwhile."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """Everything a check needs. ``unpaid`` counts the keys that were owed when the proof began and still are."""

    store: Store
    migration: Migration
    encoders: Encoders
    worker: Worker
    source: Declaration
    target: Declaration
    index: Index
    encoder: Encoder
    census: Census
    unpaid: int
    unseen: int
    """Rows that had been written past the capture and were found by comparing both sides, where that may happen."""
    seed: int
    """Whatever is drawn is drawn by it."""
    sample: tuple[Record, ...]
    questions: tuple[str, ...]
    queries: Vectors
    beside: Beside | None
    """The source's index, and the same questions in its space; None where it cannot be searched through an approximate index."""
    progress: Progress


def survey(store: Store, migration: Migration, *, encoders: Encoders, worker: Worker, seed: int, progress: Progress) -> Scene:
    """Pay what is owed now, count, and draw the samples. SpaceMismatch when the target's model has changed since."""
    alias = store.alias(migration.alias)
    source, target = declared(alias, migration.source), declared(alias, migration.target)
    assert source is not None, "the guard has seen that the source is live"
    assert target is not None, "the guard has seen that the target is there"
    encoder, index = encoder_for(target, encoders), store.index(alias.name, target.name)
    compared = reconciled(store, alias.name, target.name, worker, rounds=1, progress=progress)
    progress("paying what is owed", 0, 0)
    unpaid = worker.pay_up(deadline_s=PAY_S)
    progress("counting rows", 0, 0)
    census = index.census(pay=lambda: worker.pay_up(deadline_s=PAY_S))
    sample = store.corpus(alias.name).sample(SAMPLE, seed=seed)
    texts = [record.text or "" for record in sample[:QUERIES]]
    progress("encoding queries", 0, len(texts))
    encoded = encode_each(encoder, texts, Role.QUERY)
    questions = tuple(texts[i] for i in encoded.kept)
    return Scene(
        store=store,
        migration=migration,
        encoders=encoders,
        worker=worker,
        source=source,
        target=target,
        index=index,
        encoder=encoder,
        census=census,
        unpaid=unpaid,
        unseen=found if isinstance(found := compared.get("found"), int) else 0,
        seed=seed,
        sample=tuple(sample),
        questions=questions,
        queries=encoded.vectors,
        beside=_beside(store, alias.name, source, questions, encoders),
        progress=progress,
    )


def _beside(store: Store, alias: str, source: Declaration, questions: tuple[str, ...], encoders: Encoders) -> Beside | None:
    if source.space is None or not questions or not store.built(source.name):
        return None
    return store.index(alias, source.name), encoder_for(source, encoders).encode(questions, Role.QUERY)
