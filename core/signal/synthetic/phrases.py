"""Key phrases of a record: runs of words between function words and punctuation, weighed by how rare their words are.

Candidates as in RAKE (Rose et al. 2010); its weight, a word's degree within one text, favours long lists in commands and code, so
here a phrase counts by its words' frequency in the record times their inverse frequency in the corpus, and a phrase of several
words above each of them alone.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from typing import Final

from transvase.core.evaluation.lexical import function_words, tokens

_BREAK: Final = re.compile(
    r"[\n\r\t.,;:!?()\[\]{}<>|\"“”„«»=]+(?=\s|$)"
    r"|[\n\r\t;()\[\]{}<>|\"“”„«»=。，、；：！？（）「」『』【】]+"
    r"|\s[-–—/]+\s"
)
"""Where a phrase ends: marks of punctuation, except inside a word (``v2.3``, ``x-ray``)."""

_LONGEST: Final = 4
"""Words of a phrase; a longer run is cut into such pieces."""


class Phrases:
    """How rare each word of a corpus is, which function words part its phrases, and the best phrases of each text."""

    def __init__(self, texts: Sequence[str]) -> None:
        """Reads all texts once; memory holds a count for each different word."""
        self._function_words = function_words(texts)
        self._holders = Counter(word for text in texts for word in set(tokens(text)))
        self._texts = len(texts)

    def of(self, text: str, *, count: int) -> list[str]:
        """The ``count`` best phrases, best first, in their own spelling; none holds a word of a better one."""
        runs = self._runs(text)
        frequency = Counter(word for run in runs for _, word in run)
        spellings = {tuple(word for _, word in run): " ".join(spelled for spelled, _ in run) for run in runs}
        weights = {words: sum(frequency[word] * self._rarity(word) for word in words) for words in spellings}
        found: list[str] = []
        used: set[str] = set()
        for words, spelled in sorted(spellings.items(), key=lambda item: (-weights[item[0]], item[0])):
            if len(found) == count:
                break
            if used.isdisjoint(words):
                found.append(spelled)
                used.update(words)
        return found

    def _rarity(self, word: str) -> float:
        return math.log(1 + self._texts / (1 + self._holders[word]))

    def _runs(self, text: str) -> list[list[tuple[str, str]]]:
        """Runs of (as spelled, as compared) words that stand together."""
        runs: list[list[tuple[str, str]]] = []
        for piece in _BREAK.split(text):
            run: list[tuple[str, str]] = []
            for spelled in [*piece.split(), ""]:
                word = " ".join(tokens(spelled))
                if word and word not in self._function_words and any(letter.isalpha() for letter in word):
                    run.append((spelled.strip(".,;:!?'\"`*_"), word))
                    if len(run) < _LONGEST:
                        continue
                if run:
                    runs.append(run)
                run = []
        return runs
