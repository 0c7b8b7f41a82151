"""One grade of several judges, and how far the judges agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from math import floor
from statistics import median

Verdicts = Sequence[Sequence[float]]
"""For each pair the grades that it was given, in any order."""


def settled(grades: Sequence[float]) -> float:
    """The median; whole grades give a whole one, the half rounded down, because much that reads judgments takes no fractions."""
    middle = float(median(grades))
    return float(floor(middle)) if all(grade == int(grade) for grade in grades) else middle


def agreement(verdicts: Verdicts) -> dict[str, object]:
    """Over the pairs with several judges: how many there are, the share of equal and of adjacent couples of grades, and alpha."""
    several = [grades for grades in verdicts if len(grades) > 1]
    couples = [abs(a - b) for grades in several for row, a in enumerate(grades) for b in grades[row + 1 :]]
    if not couples:
        return {"pairs_with_several_judges": 0}
    return {
        "pairs_with_several_judges": len(several),
        "equal": round(sum(gap == 0 for gap in couples) / len(couples), 4),
        "within_one_grade": round(sum(gap <= 1 for gap in couples) / len(couples), 4),
        "krippendorff_alpha": alpha(several),
    }


def alpha(verdicts: Verdicts) -> float | None:
    """Krippendorff's alpha for interval data (2011): 1 is agreement, 0 chance; None where all grades are the same.

    1 minus the mean squared difference within pairs over that between all grades; units with a single grade say nothing.
    """
    several = [grades for grades in verdicts if len(grades) > 1]
    total = sum(len(grades) for grades in several)
    everything = Counter(grade for grades in several for grade in grades)
    expected = _squares(everything) / (total - 1) if total > 1 else 0.0
    if not expected:
        return None
    observed = sum(_squares(Counter(grades)) / (len(grades) - 1) for grades in several)
    return round(1 - observed / expected, 4)


def _squares(counts: Counter[float]) -> float:
    """Sum of squared differences over all ordered couples of grades."""
    return sum(n * m * (a - b) ** 2 for a, n in counts.items() for b, m in counts.items())
