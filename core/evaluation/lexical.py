"""The lexical baseline: BM25 over words that keep codes whole, since one that cannot find ERR_AUTH_702 flatters every model.

A word is looked for as it stands and by its parts: ``ERR_AUTH_702`` also as ``err``, ``auth`` and ``702``. Scripts that put no
spaces between words are cut into characters and their bigrams. What is indexed has a plain plural ending taken off, and the
question's function words are not asked for: in a corpus of commands or codes they are rare and would weigh most. Each of
these was measured before it was taken; docs/evaluation.md has the figures.
"""

from __future__ import annotations

import re
import unicodedata
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from transvase.core.errors import BadValue

if TYPE_CHECKING:
    from bm25s import BM25

K1: Final = 1.2
B: Final = 0.75
"""Saturation and length normalisation, as Lucene and the search servers built on it have them unless told otherwise."""

_UNSPACED: Final = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff"  # Thai, Lao, Burmese, Khmer
    "\u3005\u3041-\u3096\u30a1-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7a3\uf900-\ufaff\U00020000-\U0003ffff"
)
_MARKS: Final = "\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670\u0900-\u0963\u0966-\u0dff"
"""Signs that belong to a word although they are no letters: accents, and the vowels of Hebrew, Arabic and the Indic scripts."""


def _token(letter: str) -> str:
    """Letters joined by single signs; ``.`` before (.net), ``++`` or ``#`` behind (c++, c#)."""
    return rf"(?:(?<![\w.])\.)?{letter}+(?:[-./:@'’+&]{letter}+)*(?:\+\+|\#(?!\w))?"


_ASCII: Final = re.compile(_token(r"\w"), re.ASCII)
_ANY: Final = re.compile(rf"[{_UNSPACED}]+|" + _token(rf"(?:(?![{_UNSPACED}])[\w{_MARKS}])"))
_RUN: Final = re.compile(rf"[{_UNSPACED}]")
_PART: Final = re.compile(rf"(?:[^\W_]|[{_MARKS}])+")
_HUMP: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
"""Where a name in camel case has its seams: get|User|Name, HTTP|Server."""

_LANGUAGES: Final = (
    *("EN_PLUS", "DANISH", "DUTCH", "FRENCH", "GERMAN", "ITALIAN"),
    *("NORWEGIAN", "PORTUGUESE", "RUSSIAN", "SPANISH", "SWEDISH", "TURKISH"),
)
"""The lists of function words that bm25s brings, by its names for them; those of unspaced scripts do not fit bigrams."""

_LEAST_SHARE: Final = 0.02
"""Share of a corpus' words that must stand in a language's list before its function words are left out of questions."""

_SAMPLE: Final = 2000
"""Documents, evenly spread, from which the language is told."""


def tokens(text: str) -> list[str]:
    """The words of a text in order, folded in case, codes whole: ``err_auth_702``, ``c++``, ``.net``, ``v2.3``, ``x-ray``.

    Where a script puts no spaces between words, its characters and their bigrams.
    """
    return [token for word in _words(text) for token in (_grams(word) if _RUN.match(word) else [word.casefold()])]


def terms(text: str) -> list[str]:
    """What BM25 counts: each token, and the parts of those that have some, all without a plain plural ending."""
    return [_singular(form) for form in _forms(text)]


class Lexical:
    """A BM25 index over texts, held in memory: some 12 bytes for each different term of each document."""

    def __init__(self, documents: Sequence[str]) -> None:
        if not documents:
            raise BadValue("documents", 0, why="an index needs at least one text")
        from bm25s import BM25

        vocabulary: dict[str, int] = {}
        numbered = [array("i", [vocabulary.setdefault(term, len(vocabulary)) for term in terms(text)]) for text in documents]
        self._count, self._vocabulary = len(documents), vocabulary
        self._unasked = function_words(documents)
        self._index: BM25 = BM25(k1=K1, b=B, backend="numpy", csc_backend="numpy")
        if vocabulary:  # a corpus without one word has a mean length of 0, by which BM25 would divide
            self._index.index((numbered, vocabulary), create_empty_token=False, show_progress=False)

    def nearest(self, queries: Sequence[str], *, k: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Rows and scores of the ``k`` best documents, shape (queries, min(k, documents)), best first.

        Equal scores keep the order of the documents. A document that shares no term with the query is no hit: behind the last
        hit the row is -1 and the score 0. BadValue for a ``k`` below 1.
        """
        if k < 1:
            raise BadValue("k", k, why="at least one document has to be asked for")
        width = min(k, self._count)
        rows = np.full((len(queries), width), -1, dtype=np.intp)
        scores = np.zeros((len(queries), width), dtype=np.float32)
        for at, query in enumerate(queries):
            known = [term for term in self.asked(query) if term in self._vocabulary]
            if known:
                found, values = _best(self._index.get_scores(known), width)
                rows[at, : len(found)], scores[at, : len(found)] = found, values
        return rows, scores

    def asked(self, query: str) -> list[str]:
        """The terms of a query without function words; all of them where it has no others."""
        forms = _forms(query)
        return [_singular(form) for form in [form for form in forms if form not in self._unasked] or forms]

    def holders(self, term: str) -> int:
        """How many documents have the term (as ``terms`` gives it)."""
        at = self._vocabulary.get(term)
        return 0 if at is None else int(np.diff(self._index.scores["indptr"][at : at + 2])[0])


def function_words(documents: Sequence[str]) -> frozenset[str]:
    """Function words of the language that most words of the documents belong to; none where no language shows."""
    counts = Counter(token for text in documents[:: 1 + len(documents) // _SAMPLE] for token in tokens(text))
    shares = {name: sum(counts[word] for word in _list(name)) for name in _LANGUAGES}
    name = max(shares, key=lambda name: shares[name])
    return _list(name) if shares[name] > _LEAST_SHARE * counts.total() else frozenset()


@cache
def _list(name: str) -> frozenset[str]:
    from bm25s import stopwords

    return frozenset(word.casefold() for word in getattr(stopwords, f"STOPWORDS_{name}"))


def _words(text: str) -> Iterator[str]:
    """As they stand, compatibility forms apart; a run of an unspaced script is one word."""
    text = text if text.isascii() else unicodedata.normalize("NFKC", text)
    yield from (_ASCII if text.isascii() else _ANY).findall(text)


def _forms(text: str) -> list[str]:
    found: list[str] = []
    for word in _words(text):
        if _RUN.match(word):
            found += _grams(word)
            continue
        parts = [hump for part in _PART.findall(word) for hump in _HUMP.split(part)]
        found.append(word.casefold())
        if parts != [word]:
            found += [part.casefold() for part in parts if len(part) < len(word)]
    return found


def _grams(run: str) -> list[str]:
    """Characters and bigrams: the bigrams find words, the characters those words that have one."""
    return [*run, *map("".join, pairwise(run))]


def _singular(word: str) -> str:
    """Without a plain plural s (Harman 1991, "How effective is suffixing?"); codes and short words stay as they are."""
    if len(word) < 4 or not word.endswith("s") or not word.isalpha() or word.endswith(("us", "ss", "aes", "ees", "oes")):
        return word
    if word.endswith("ies") and not word.endswith(("eies", "aies")):
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("sses", "xes", "shes")) else word[:-1]


def _best(scores: NDArray[np.float32], k: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """The rows of the ``k`` highest scores above 0, best first, the earlier row first among equals."""
    hits = np.flatnonzero(scores > 0)
    if len(hits) > k:
        floor = np.partition(scores[hits], -k)[-k]
        hits = hits[scores[hits] >= floor]
    order = hits[np.argsort(-scores[hits], kind="stable")[:k]]
    return order, scores[order]
