"""Which texts are surely in another language than wanted, by py3langid's naive Bayes over byte n-grams; it runs offline.

Short and technical texts cannot be told: they count as being in the right language.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import Any, Final

from transvase.core.errors import BadValue

LEAST_LETTERS: Final = 40
"""Bytes of letters (in UTF-8, so that 14 Japanese ones are enough) below which no text is judged. Measured on 4,931 English
descriptions of commands from this length on: 2 were taken for another language, and 78 of 9,490 from 20 on."""

SURE: Final = 0.9
"""Probability that all wanted languages together must stay under 1 minus, before a text counts as foreign."""

_READ: Final = 2_000
"""Characters that are looked at: more do not change the answer, and the cost grows with them."""

_LETTER: Final = re.compile(r"[^\W\d_]")


def foreign(texts: Sequence[str], *, languages: tuple[str, ...]) -> list[bool]:
    """For each text, whether it is surely in none of ``languages`` (ISO 639-1, such as ``en``); BadValue for an unknown code."""
    identifier = _identifier()
    unknown = sorted(set(languages) - set(identifier.labels))
    if unknown:
        raise BadValue("language", unknown[0], why=f"give one of {', '.join(sorted(identifier.labels))}")
    return [_foreign(identifier, text[:_READ], languages) for text in texts]


def _foreign(identifier: Any, text: str, languages: tuple[str, ...]) -> bool:
    if len("".join(_LETTER.findall(text)).encode()) < LEAST_LETTERS:
        return False
    likely = dict(identifier.rank(text))
    return sum(float(likely.get(language, 0.0)) for language in languages) < 1 - SURE


@cache
def _identifier() -> Any:
    """Loading takes a second and a half, so it is done once, and only when a language is asked for."""
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
