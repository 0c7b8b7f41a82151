"""What a sample says about all rows: the one-sided 95 % bound on the share that is bad."""

from __future__ import annotations

import math
from typing import Final

_DOUBT: Final = 0.05
_STEPS: Final = 60
"""Halvings of the interval [0, 1]: beyond the precision of a double."""


def at_most(bad: int, sampled: int) -> float:
    """The share of bad rows that the sample does not exceed with 95 % confidence (Clopper & Pearson 1934, one-sided).

    With nothing bad among n this is ``1 - 0.05 ** (1/n)``, about 3/n; with no sample it is 1.
    """
    if sampled <= bad:
        return 1.0
    if bad == 0:
        return float(1.0 - _DOUBT ** (1.0 / sampled))
    low, high = bad / sampled, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (middle, high) if _tail(bad, sampled, middle) > _DOUBT else (low, middle)
    return high


def _tail(bad: int, sampled: int, share: float) -> float:
    """Probability of at most ``bad`` in a binomial sample, summed in logarithms so that large samples do not underflow."""
    odds, rest = math.log(share), math.log1p(-share)
    return math.fsum(
        math.exp(math.lgamma(sampled + 1) - math.lgamma(k + 1) - math.lgamma(sampled - k + 1) + k * odds + (sampled - k) * rest)
        for k in range(bad + 1)
    )
