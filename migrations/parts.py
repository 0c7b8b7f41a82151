"""Where a search is within one part, a tenant: which parts are measured. Those that are awake, and a few of those that sleep.

Each part is an index of its own and may be worse than the rest, so each is given queries enough for a figure of its own; and
where there are more than can be measured in a while, those that are measured are drawn, and the rest is counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

import numpy as np
from transvase.core.ports import Index

Part = Mapping[str, object]
"""What a search is confined to: nothing, or one tenant."""

MEASURED: Final = 100
"""Parts that are measured at most: at some 10 ms a search, a minute for recall and latency together."""
WOKEN: Final = 10
"""Those of them that sleep. They are all awake at once while they are measured."""
EACH: Final = 4
"""Queries of one part, at least."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """The parts that are measured, those that are awake first, and how many there are beside them."""

    parts: tuple[Part, ...]
    woken: int
    """How many of them slept."""
    left_out: int

    @property
    def divided(self) -> bool:
        """True where there is more than the one part that everything is in."""
        return any(self.parts)

    @property
    def said(self) -> str:
        """What was measured and what was not, to be put behind a figure; empty for an index that is one whole."""
        if not self.divided:
            return ""
        woken = f", of which {self.woken} were woken for it" if self.woken else ""
        left_out = f"; {self.left_out} others were not searched" if self.left_out else ""
        return f" within {len(self.parts)} of {len(self.parts) + self.left_out} tenants{woken}{left_out}"

    def rows(self, number: int, count: int) -> list[int]:
        """Which of ``count`` queries are searched in the part of this number; each of them is in one part at least."""
        each = min(max(EACH, -(-count // max(len(self.parts), 1))), count)
        return [(number * each + row) % count for row in range(each)]

    @contextmanager
    def opened(self, *indexes: Index) -> Iterator[None]:
        """All of them can be searched in these indexes meanwhile."""
        with ExitStack() as stack:
            for index in indexes:
                stack.enter_context(index.opened(*self.parts[len(self.parts) - self.woken :]))
            yield


def chosen(*indexes: Index, seed: int) -> Choice:
    """Parts that all of the indexes have, drawn by the seed: as many that are awake in all as may be, and a few others."""
    awake = _common([index.parts() for index in indexes])
    every = _common([(*index.parts(), *index.parts(asleep=True)) for index in indexes])
    asleep = {name: part for name, part in every.items() if name not in awake}
    woken = _drawn(list(asleep.values()), WOKEN, seed)
    measured = _drawn(list(awake.values()), MEASURED - len(woken), seed)
    return Choice(parts=(*measured, *woken), woken=len(woken), left_out=len(every) - len(measured) - len(woken))


def called(part: Part) -> str:
    """Its name, for people."""
    return ", ".join(str(value) for value in part.values())


def _common(parts: list[tuple[Part, ...]]) -> dict[frozenset[tuple[str, object]], Part]:
    first, *others = [{frozenset(part.items()): part for part in some} for some in parts]
    return {name: part for name, part in first.items() if all(name in other for other in others)}


def _drawn(parts: list[Part], most: int, seed: int) -> list[Part]:
    order = sorted(np.random.default_rng(seed).permutation(len(parts))[:most].tolist())
    return [parts[number] for number in order]
