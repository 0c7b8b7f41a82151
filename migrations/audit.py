"""``audit``: encodes a sample of the live index again and says which vectors are not what they are declared to be."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import Final

from transvase.core.errors import BadValue, NotReady
from transvase.core.ports import Census, Progress, Store
from transvase.core.record import Key

from .agreement import SAMPLE, Agreement, compare
from .encoding import encoder_for
from .runner import Encoders, silent
from .suspects import convicted

LISTED: Final = 100
"""Keys named of each kind: enough to look at, and no dump of a table."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What all rows show by counting, and a sample by encoding."""

    alias: str
    index: str
    space: str
    census: Census
    agreement: Agreement
    seed: int

    @property
    def clean(self) -> bool:
        """True when nothing was found."""
        c = self.census
        return not (c.missing or c.orphaned or c.stale or c.zero or c.broken or self.agreement.foreign)

    def as_json(self) -> dict[str, object]:
        """The one object that ``audit`` writes; ``keys`` are those to look at."""
        c, seen = self.census, self.agreement
        return {
            "alias": self.alias,
            "index": self.index,
            "space": self.space,
            "clean": self.clean,
            "records": c.records,
            "missing": c.missing,
            "orphaned": c.orphaned,
            "stale": c.stale,
            "zero": c.zero,
            "broken": c.broken,
            "owed": c.owed,
            "sampled": len(seen.compared),
            "foreign": len(seen.foreign),
            "foreign_at_most": round(seen.bound, 6),
            "lowest_cosine": round(seen.worst, 6),
            "seed": self.seed,
            "keys": {"foreign": _listed(seen.foreign), "others": _listed(c.examples)},
        }


def audit(
    store: Store, alias: str, *, encoders: Encoders, sample: int = SAMPLE, seed: int | None = None, progress: Progress = silent
) -> Audit:
    """Look at the live index; nothing is changed. NotReady where nobody knows its encoder.

    Where an index keeps no digests, a row that was edited behind our back shows as foreign: its vector is not that of its text.
    One that is being edited just now does not: it is looked at again, and left out where nobody can say yet.
    """
    if sample < 1:
        raise BadValue("sample", sample, why="at least one row is compared")
    live = store.alias(alias).live
    if live.space is None:
        raise NotReady("audit", f"{live.name} was adopted without its encoder: there is nothing to compare its vectors with")
    encoder, drawn = encoder_for(live, encoders), secrets.randbits(31) if seed is None else seed
    index = store.index(alias, live.name)
    progress("counting rows", 0, 0)
    census = index.census()
    progress("encoding a sample", 0, sample)
    agreement = compare(index, store.corpus(alias).sample(sample, seed=drawn), encoder)
    wrong = convicted(store, alias, agreement.foreign, differing=lambda records: compare(index, records, encoder).foreign)
    agreement = agreement.without(set(agreement.foreign) - set(wrong))
    progress("encoding a sample", len(agreement.compared), len(agreement.compared))
    return Audit(alias=alias, index=live.name, space=live.label, census=census, agreement=agreement, seed=drawn)


def _listed(keys: tuple[Key, ...]) -> list[list[str | int]]:
    return [[part if isinstance(part, int) else str(part) for part in key] for key in keys[:LISTED]]
