"""Whether a migration could do without encoding, and how fast: what ``plan`` says of ``--derive``."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import Final

from transvase.core.ports import Alias, Encoder, Store
from transvase.core.space import FLOOR

from .derive import SHARE, Derivations, follows, likeness

_ROWS: Final = 4_000
"""Rows that are read and multiplied to see how fast that goes."""

_WRITING: Final = 2.0
"""A row is read, multiplied and written; the writing, which a plan does not do, takes about as long as the rest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcut:
    """What deriving would take, and how well a sample of derived vectors agrees with the encoder."""

    rows_per_s: float
    seconds: float
    sampled: int
    agreeing: int
    lowest_cosine: float | None

    @property
    def sound(self) -> bool:
        """True when as many of the sampled rows agree as ``adopt`` asks for."""
        return self.agreeing >= SHARE * self.sampled

    def as_json(self) -> dict[str, object]:
        """The part of the plan's object."""
        return {
            "sound": self.sound,
            "rows_per_s": round(self.rows_per_s, 1),
            "seconds": round(self.seconds, 1),
            "sampled": self.sampled,
            "agreeing": self.agreeing,
            "lowest_cosine": None if self.lowest_cosine is None else round(self.lowest_cosine, 6),
        }


def foreseen(store: Store, alias: Alias, encoder: Encoder, derivations: Derivations, *, rows: int) -> Shortcut | None:
    """Read, multiply and compare a sample; None where the encoder's vectors do not come from the stored ones by a matrix."""
    live = alias.live
    if live.space is None or not follows(encoder.space):
        return None
    derivation = derivations(encoder.name, live.space.documents)
    if derivation is None or derivation.target != encoder.space:
        return None
    source = store.index(alias.name, live.name)
    started = time.perf_counter()
    stretch = source.stretch(None, limit=_ROWS)
    derivation = replace(derivation, source=live.label)  # the documents are the same: see ``derive.way``
    derivation.of(stretch.vectors)
    rate = max(stretch.passed, 1) / max(time.perf_counter() - started, 1e-9) / _WRITING
    seen = likeness(store, alias.name, source, encoder, derivation, seed=1)
    return Shortcut(
        rows_per_s=rate,
        seconds=rows / rate,
        sampled=len(seen),
        agreeing=int((seen >= FLOOR).sum()),
        lowest_cosine=float(seen[0]) if len(seen) else None,
    )
