"""What a variant of a model costs in answers: the share of the first ten that stay, and the change of NDCG@10."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from transvase.core.errors import Unfit
from transvase.core.evaluation.comparison import Comparison, compare
from transvase.core.evaluation.exam import Exam
from transvase.core.evaluation.metrics import NDCG, gains, score
from transvase.core.evaluation.ranking import rank
from transvase.core.ports import Encoder, Progress

DEPTH: Final = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Worth:
    """A variant against its original, each in its own Space, on the same questions."""

    asked_of: str
    """What the questions are from."""
    queries: int
    documents: int
    overlap: float
    """Mean share of the original's first ten that are among the variant's first ten."""
    ndcg: float
    """NDCG@10 of the original."""
    change: Comparison
    """Variant minus original."""

    def as_json(self) -> dict[str, object]:
        """The same, by name."""
        return {
            "asked_of": self.asked_of,
            "queries": self.queries,
            "documents": self.documents,
            "overlap@10": self.overlap,
            NDCG: self.ndcg,
            "change": self.change.as_json(),
        }


def worth(exam: Exam, original: Encoder, variant: Encoder, *, asked_of: str, progress: Progress) -> Worth:
    """Rank the exam's documents by both, exactly, and compare answer by answer."""
    both = [
        rank(one, exam.queries, exam.documents, k=DEPTH, progress=progress, label=label)
        for one, label in ((original, "asking torch"), (variant, "asking the graph"))
    ]
    kept = [len(set(old) & set(new)) / len(old) for old, new in zip(*(rows.tolist() for rows in both), strict=True)]
    before, after = (score(gains(_named(exam, rows.tolist()), exam.grades))[NDCG] for rows in both)
    return Worth(
        asked_of=asked_of,
        queries=len(exam.queries),
        documents=len(exam.documents),
        overlap=float(np.mean(kept)),
        ndcg=float(before.mean()),
        change=compare(before, after, metric=NDCG, families=exam.families),
    )


def hold(found: Worth, *, most_loss: float) -> None:
    """Return when the variant may be used; Unfit when it loses more NDCG@10 than ``most_loss``."""
    if -found.change.difference <= most_loss:
        return
    interval = f"95 % {found.change.ci_low:+.4f} … {found.change.ci_high:+.4f}"
    raise Unfit(
        f"the variant changes NDCG@10 on {found.asked_of} by {found.change.difference:+.4f} ({interval}), "
        f"and may lose {most_loss:g}",
        remedy="nothing was exported; allow more with --most-loss, or export it as fp32",
    )


def _named(exam: Exam, rows: Sequence[Sequence[int]]) -> list[list[str]]:
    return [[exam.identifiers[row] for row in ranking] for ranking in rows]
