"""Words beside the vector: what a hybrid search means, the same on every store.

Two lists answer, the nearest by vector and the best by the words of the text, each read ``DEPTH`` deep (``k``, if that is
more). The scores of a list are stretched to 0 … 1, its last hit to its first, and a record's score is ``lexical`` times what the
words gave it and ``1 - lexical`` times what the vector did; a list that it is not in gives it nothing, and what got nothing
is no hit. Which records the words find is the store's own: its words, its weights for rare ones.
"""

from __future__ import annotations

import math
from typing import Final

from .errors import BadValue

DEPTH: Final = 100
"""Hits of each list that are worth fusing: what stands lower in both seldom reaches the first ten."""

LEAST_SHARE: Final = 1e-9
"""What the last hit of a list gets: more than what is not in it."""


def weighed(text: str | None, lexical: float | None, *, exact: bool = False) -> tuple[str, float] | None:
    """The words to look for and their weight; None for a search by the vector alone.

    BadValue for a weight that is no number from 0 to 1, for one without words, and for one in an exact search.
    """
    if lexical is None:
        return None
    if isinstance(lexical, bool) or not isinstance(lexical, int | float) or not math.isfinite(lexical) or not 0 <= lexical <= 1:
        raise BadValue("lexical", lexical, why="the weight of the words is a number from 0 (the vector alone) to 1 (they alone)")
    if not isinstance(text, str) or not text.strip():
        raise BadValue("query", text, why="words are to be looked for, and there are none: give a text, or leave lexical out")
    if exact:
        raise BadValue("lexical", lexical, why="an exact search is one by the vector alone: leave out either of them")
    return text, float(lexical)


def depth(k: int) -> int:
    """How many hits of each list are looked at for ``k`` fused ones."""
    return max(DEPTH, k)
