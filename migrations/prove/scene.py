"""What the checks look at: the two indexes, a sample of rows, a set of queries, and one census of the target."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

Part = Mapping[str, object]
"""What a search is confined to: nothing, or one tenant."""

QUERIES: Final = 64
"""Searches of the recall and latency checks: 640 neighbours, so that a recall of 0.95 is known to about ±0.02."""

PAY_S: Final = 30.0
"""Time for paying what was owed when the proof began."""


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
    sample: tuple[Record, ...]
    questions: tuple[str, ...]
    queries: Vectors
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
    census = index.census()
    sample = store.corpus(alias.name).sample(SAMPLE, seed=seed)
    texts = [record.text or "" for record in sample[:QUERIES]]
    progress("encoding queries", 0, len(texts))
    encoded = encode_each(encoder, texts, Role.QUERY)
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
        sample=tuple(sample),
        questions=tuple(texts[i] for i in encoded.kept),
        queries=encoded.vectors,
        progress=progress,
    )


def source_queries(scene: Scene) -> Vectors | None:
    """The same questions in the source's space; None where the source cannot be searched through an approximate index."""
    if scene.source.space is None or not scene.store.built(scene.source.name):
        return None
    return encoder_for(scene.source, scene.encoders).encode(scene.questions, Role.QUERY)


def spread(parts: Sequence[Part], count: int) -> dict[int, tuple[Part, list[int]]]:
    """Which of ``count`` queries are searched in which part: every query once, and every part at least with one."""
    turns = range(max(len(parts), count)) if parts and count else range(0)
    found: dict[int, tuple[Part, list[int]]] = {}
    for turn in turns:
        found.setdefault(turn % len(parts), (parts[turn % len(parts)], []))[1].append(turn % count)
    return found
