"""``fill --derive``: the new vectors are computed from the stored old ones, without texts and without the encoder.

Only a vector that is the text's own as far as the store can tell is taken: one that is owed, missing, zero or of another text
is left owed to the target alone, and a worker pays it by encoding. Whether the product is what the encoder gives is not taken
on trust: ``prove`` encodes a sample of texts again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.declaration import same_documents
from transvase.core.encoders.derivation import Derivation
from transvase.core.errors import NotReady, SpaceMismatch
from transvase.core.migration import Move
from transvase.core.ports import Declaration, Encoder, Index, Place, Progress, Store
from transvase.core.space import FLOOR, Role, Space, Vectors, cosines

from .encoding import encode_each, encoder_for
from .pouring import Batch, pour
from .runner import Encoders

Derivations = Callable[[str, str], Derivation | None]
"""Gives how the documents of an ENC come from those of the Space with this id, read from files; None where they do not."""

SHARE: Final = 0.95
"""Of the sampled rows, how many must agree: an adopted column may hold some that were written amiss (``adopt`` passes them)."""

BATCH: Final = 10_000
"""Records of one transaction, at most."""

BATCH_BYTES: Final = 16 << 20
"""Vectors of one batch, about: read, multiplied and written ones are in memory at once."""

SAMPLE: Final = 64
"""Rows that are encoded again before the stored vectors are trusted, where they were stored with half the precision."""

WARMING: Final = 32
"""Searches that bring the new index into memory."""


def way(source: Declaration, target: Declaration, derivations: Derivations) -> Derivation:
    """How the target's vectors come from those that the source holds, as they are stored.

    NotReady where they do not; SpaceMismatch where the files have changed since the target was opened.
    """
    if source.space is None or target.space is None:
        raise NotReady(Move.FILL, f"nobody knows which encoder made the vectors of {source.name}: nothing follows from them")
    if same_documents(source, target.space):
        raise NotReady(Move.FILL, f"{target.encoder} takes the vectors over as they stand; leave `--derive` away")
    found = derivations(target.encoder, source.space.documents) if follows(target.space) else None
    if found is None:
        raise NotReady(
            Move.FILL,
            f"{target.encoder} is neither a linear adapter nor a cut of {source.encoder}, whose vectors are stored; "
            "fill without `--derive`",
        )
    if found.target != target.space:
        where = f"the index {target.name} (declared for {target.encoder}, which has changed since)"
        raise SpaceMismatch(expected=target.label, found=found.target.id, where=where)
    # An index whose space differs in its queries alone holds the very documents that the way begins with.
    return replace(found, source=source.label)


def follows(space: Space) -> bool:
    """False where a Space stands for itself: then nobody needs to look for a way to it."""
    return bool(space.derived_from or space.documents_of)


def through(derivation: Derivation, vectors: Vectors, *, width: int) -> Vectors:
    """The derived vectors as the target stores them: in its space, unit length, with its fence."""
    made = derivation.of(vectors)
    if made.width == width:
        return made
    return Vectors(made.space, np.pad(made.matrix, ((0, 0), (0, width - made.width))))


def derive(
    store: Store, alias: str, *, source: Index, target: Index, derivation: Derivation, encoders: Encoders, progress: Progress
) -> dict[str, object]:
    """Pour the derived vectors from the target's place to the end; goes on where a run of either kind stopped.

    NotReady where the stored vectors are too coarse for it.
    """
    if source.declaration.form == "halfvec" and not target.place().finished:
        progress("comparing a sample", 0, SAMPLE)
        encoder = encoder_for(target.declaration, encoders)
        _precise(likeness(store, alias, source, encoder, derivation, seed=1), source.declaration, target.declaration)
    width, limit = target.declaration.width, batch_rows(source.declaration, target.declaration)
    poured = pour(
        store,
        alias,
        target,
        batches=lambda place: batches(source, place, limit=limit),
        vectors=lambda batch: through(derivation, _held(batch), width=width),
        progress=progress,
    )
    return {"derived_from": source.declaration.name, **poured}


def batches(source: Index, place: Place, *, limit: int) -> Iterator[Batch]:
    """The records after ``place`` with the vectors that ``source`` holds; the last batch says that it is the last."""
    after, done, finished = place.after, place.done, False
    while not finished:
        stretch = source.stretch(after, limit=limit)
        finished, after, done = stretch.passed < limit, stretch.after, done + stretch.passed
        yield Batch(stretch.records, Place(after, finished, done), stretch.lacking, stretch.vectors, stretch.bare)


def batch_rows(source: Declaration, target: Declaration) -> int:
    """Records of one batch."""
    return max(min(BATCH, BATCH_BYTES // (4 * (source.width + target.width))), 1)


def warm(target: Index) -> None:
    """Search for a few of its own vectors: the encoder is not needed for that."""
    held = target.stretch(None, limit=WARMING)
    if len(held.vectors):
        target.warm(held.vectors)


def likeness(
    store: Store, alias: str, source: Index, encoder: Encoder, derivation: Derivation, *, seed: int
) -> NDArray[np.float64]:
    """Cosines, lowest first, between vectors derived from a sample of stored ones and those that ``encoder`` makes of the texts.

    ``encoder`` is the target's, without its fence. Empty where the source holds nothing to compare.
    """
    records = {record.key: record for record in store.corpus(alias).sample(SAMPLE, seed=seed)}
    keys, stored = source.vectors(list(records))
    moving = [] if stored is None else np.flatnonzero(stored.matrix.any(axis=1)).tolist()
    if stored is None or not moving:
        return np.empty(0)
    encoded = encode_each(encoder, [records[keys[i]].text or "" for i in moving], Role.DOCUMENT)
    held = derivation.of(stored.take([moving[i] for i in encoded.kept]))
    return np.sort(cosines(held, encoded.vectors))


def _precise(seen: NDArray[np.float64], source: Declaration, target: Declaration) -> None:
    """Half the precision is enough nearly always; a matrix that stretches some directions far more than others may need it."""
    if len(seen) and float((seen >= FLOOR).mean()) < SHARE:
        raise NotReady(
            Move.FILL,
            f"{source.name} stores its vectors as halfvec, and what is derived from them agrees with {target.encoder} to a "
            f"cosine of {seen[0]:.5f} only ({FLOOR} is needed); fill without `--derive`",
        )


def _held(batch: Batch) -> Vectors:
    assert batch.held is not None, "every batch of a derivation carries what it is made of"
    return batch.held
