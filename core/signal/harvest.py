"""What every kind of signal is brought to before it is cleaned: documents, queries, judgments, and a tally of what was left out.

Nothing here knows where the signal came from. ``assemble`` makes a collection of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from transvase.core.evaluation.judged import Document, Query

EXAMPLES: Final = 5
"""Places that the tally keeps for each reason: enough to look at, few enough to read."""


@dataclass(frozen=True, slots=True)
class Judgment:
    """One graded pair (0: judged and found wrong), how much it counts in training, and the file and line it was read from."""

    query: str
    document: str
    grade: float
    weight: float = 1.0
    where: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Harvest:
    """Signal in one form. ``loose`` documents were made of the signal itself: one that nothing points to is left out."""

    documents: tuple[Document, ...]
    queries: tuple[Query, ...]
    judgments: tuple[Judgment, ...]
    loose: bool

    def keeping(self, kept: Callable[[Judgment], bool]) -> Harvest:
        """Only these judgments."""
        return replace(self, judgments=tuple(judgment for judgment in self.judgments if kept(judgment)))

    def answers(self) -> dict[str, set[str]]:
        """Query id → ids of the documents with a grade above 0; queries without one are not in it."""
        found: dict[str, set[str]] = {}
        for judgment in self.judgments:
            if judgment.grade > 0:
                found.setdefault(judgment.query, set()).add(judgment.document)
        return found


@dataclass(slots=True)
class Tally:
    """How much was read, and what was left out: for each reason a count and the first few places."""

    read: int = 0
    reasons: dict[str, tuple[int, list[str]]] = field(default_factory=dict)

    def drop(self, reason: str, where: str) -> None:
        """Count one thing left out."""
        count, places = self.reasons.get(reason, (0, []))
        if len(places) < EXAMPLES:
            places.append(where)
        self.reasons[reason] = (count + 1, places)

    def as_json(self) -> dict[str, object]:
        """Reason → count and examples, the commonest first."""
        ordered = sorted(self.reasons.items(), key=lambda item: (-item[1][0], item[0]))
        return {reason: {"count": count, "examples": list(places)} for reason, (count, places) in ordered}
