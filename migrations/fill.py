"""``fill``: pours every record into the target; reading, encoding and writing overlap, and a crash costs the last batch.

A batch is bounded by count and by bytes, equal texts are encoded once in a run, and nothing that is held grows with the
table. What changes behind the reader's back is in the outbox, since the capture was there first.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
from transvase.core.errors import EncoderFailed, StoreFailed
from transvase.core.migration import Migration, Move
from transvase.core.ports import Corpus, Declaration, Encoder, Index, Place, Progress, Store
from transvase.core.record import Record, named
from transvase.core.space import Role, Vectors

from .derive import Derivations, derive, warm, way
from .encoding import encode_each, encoder_for
from .pouring import Batch, pour
from .reconcile import reconciled
from .repeats import Repeats
from .runner import Encoders, Outcome, declared, make, silent
from .sync import Worker
from .throttle import Throttle

BATCH: Final = 10_000
"""Records of one transaction, at most: large enough for a binary COPY, small enough to lose."""

BATCH_BYTES: Final = 8 << 20
"""Text of one batch, about: long texts make for fewer records."""

BATCH_S: Final = 4.0
"""Encoding of one batch, about: what a crash costs, and how often a slow model's progress is seen."""

FIRST: Final = 256
"""Records of the first batch, whose texts are of unknown length."""

LEAST: Final = 32
"""Records of a batch, however slow the model."""

SETTLE_S: Final = 60.0
"""Time for paying what was owed when the end of the table was reached; what remains is paid by a worker or by ``prove``."""

_WARMING: Final = 32


class Pace:
    """How many records the next batch takes. The reader tells it of lengths, the encoder of times."""

    def __init__(self) -> None:
        self._by_bytes, self._by_time = FIRST, FIRST

    @property
    def limit(self) -> int:
        """At most this many."""
        return max(min(self._by_bytes, self._by_time, BATCH), 1)

    def read(self, records: Sequence[Record]) -> None:
        """These were read: the next ones are taken to be as long."""
        size = sum(len(record.text or "") for record in records) / max(len(records), 1)
        self._by_bytes = int(BATCH_BYTES / max(size, 1.0))

    def encoded(self, count: int, seconds: float) -> None:
        """So many took so long: the next ones are taken to be as slow."""
        if count:
            self._by_time = max(int(BATCH_S * count / max(seconds, 1e-6)), LEAST)


def fill(
    store: Store, alias: str, *, encoders: Encoders, derivations: Derivations | None = None, progress: Progress = silent
) -> Outcome:
    """Fill the target of the open migration to the end and build its index; goes on where an earlier run stopped.

    With ``derivations`` the vectors are computed from those of the source (NotReady where they cannot be). A target that shares
    the source's site has nothing to be filled: what the site lacks is made owed. Where a write may pass unseen, both sides are
    compared at the end until nothing is found but what is new (NotReady where that does not come about). EncoderFailed names
    the row whose text the model cannot take; StoreFailed leaves everything up to the last batch in place.
    """
    store.alias(alias)
    with store.hold(alias):
        worker = Worker(store, alias, encoders)
        return filled(store, alias, encoders=encoders, worker=worker, derivations=derivations, progress=progress)


def filled(
    store: Store,
    alias: str,
    *,
    encoders: Encoders,
    worker: Worker,
    derivations: Derivations | None = None,
    progress: Progress,
) -> Outcome:
    """As ``fill``, for a caller that holds the alias."""

    def effect(migration: Migration) -> dict[str, object]:
        now = store.alias(alias)
        source, target = declared(now, migration.source), declared(now, migration.target)
        assert source is not None, "the guard has seen that the source is live"
        assert target is not None, "the guard has seen that writes are captured for the target"
        derivation = None if derivations is None else way(source, target, derivations)
        index = store.index(alias, target.name)
        if target.shares:
            return {"rows": store.corpus(alias).count(), "rows_this_run": 0, **_shared(index, worker, progress)}
        if derivation is None:
            figures = _pour(store, alias, index=index, encoder=encoder_for(target, encoders), progress=progress)
        else:
            held = store.index(alias, source.name)
            figures = derive(store, alias, source=held, target=index, derivation=derivation, encoders=encoders, progress=progress)
        throttle = Throttle(store, alias, progress=progress)
        owed = throttle.through(lambda: worker.pay_up(deadline_s=SETTLE_S))
        compared = throttle.through(lambda: reconciled(store, alias, target.name, worker, progress=progress))
        progress("building the index", 0, 0)
        throttle.through(lambda: index.build(progress))
        if derivation is None:
            texts = [record.text or "" for record in throttle.through(lambda: store.corpus(alias).sample(_WARMING, seed=1))]
            queries = encode_each(encoder_for(target, encoders), texts, Role.QUERY).vectors
            _tried(lambda: index.warm(queries), progress)
        else:
            _tried(lambda: warm(index), progress)
        return {**figures, "owed": owed, **compared}

    return make(store, alias, Move.FILL, effect)


def _tried(warming: Callable[[], None], progress: Progress) -> None:
    """Warm, unless the store wants to be left alone: nothing depends on it, and a busy one is warm enough."""
    try:
        warming()
    except StoreFailed as error:
        if not error.passing:
            raise
        progress(f"not warmed: {error}", 0, 0)


def _shared(index: Index, worker: Worker, progress: Progress) -> dict[str, object]:
    """Nothing is to be written: the vectors are there. What the site lacks is made owed, and paid."""
    progress("looking for what is lacking", 0, 0)
    lacking = index.owe().added
    return {"lacking": lacking, "owed": worker.pay_up(deadline_s=SETTLE_S)}


def _pour(store: Store, alias: str, *, index: Index, encoder: Encoder, progress: Progress) -> dict[str, object]:
    """Pour encoded texts; equal ones are encoded once in a run."""
    corpus, pace, place = store.corpus(alias), Pace(), index.place()
    if place.finished:
        return {"rows": place.done, "rows_this_run": 0}
    repeats = Repeats(index.declaration.width, corpus.repeated())

    def vectors(batch: Batch) -> Vectors:
        begun = time.monotonic()
        made = _encode(batch, encoder, repeats, index.declaration)
        pace.encoded(len(batch.records), time.monotonic() - begun)
        return made

    try:
        return pour(
            store, alias, index, batches=lambda reached: batches(corpus, reached, pace), vectors=vectors, progress=progress
        )
    finally:
        repeats.close()


def batches(corpus: Corpus, place: Place, pace: Pace) -> Iterator[Batch]:
    """The records after ``place`` in key order; the last batch says that it is the last, and may be empty."""
    after, done, finished = place.after, place.done, False
    while not finished:
        limit = pace.limit
        records = corpus.after(after, limit=limit)
        finished = len(records) < limit
        after = records[-1].key if records else after
        done += len(records)
        pace.read(records)
        yield _batch(records, Place(after, finished, done))


def _batch(records: Sequence[Record], place: Place) -> Batch:
    # The digest is asked for here, where the reading thread has the time: every later step finds it remembered.
    with_text = tuple(record for record in records if record.digest is not None)
    return Batch(with_text, place, bare=tuple(record for record in records if record.digest is None))


def _encode(batch: Batch, encoder: Encoder, repeats: Repeats, target: Declaration) -> Vectors:
    """One row for each record; a text that others have too is encoded only if no earlier one of the run was the same."""
    shared = repeats.shared(batch.records)
    if not shared.any():
        return _encode_all(encoder, batch.records)
    digests = [record.digest or b"" for record in batch.records]
    first: dict[bytes, int] = {}
    for row, digest in enumerate(digests):
        first.setdefault(digest, row)
    known = repeats.find(digest for digest, row in first.items() if shared[row])
    fresh = [digest for digest in first if digest not in known]
    made = _encode_all(encoder, [batch.records[first[digest]] for digest in fresh])
    matrix = made.of(target.space, where=target.name)
    again = [row for row, digest in enumerate(fresh) if shared[first[digest]]]
    repeats.keep([fresh[row] for row in again], matrix[again])
    if len(fresh) == len(digests):
        return made
    at = {digest: row for row, digest in enumerate(fresh)}
    whole = np.empty((len(digests), target.width), np.float32)
    for row, digest in enumerate(digests):
        whole[row] = matrix[at[digest]] if digest in at else known[digest]
    return Vectors(made.space, whole)


def _encode_all(encoder: Encoder, records: Sequence[Record]) -> Vectors:
    texts = [record.text or "" for record in records]
    try:
        return encoder.encode(texts, Role.DOCUMENT)
    except EncoderFailed as error:
        for row, why in encode_each(encoder, texts, Role.DOCUMENT).failed.items():
            raise EncoderFailed(encoder.name, f"the text of row {named([records[row].key])} cannot be encoded: {why}") from error
        raise
