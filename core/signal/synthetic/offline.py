"""Queries made of the records themselves, without any language model: titles and headings, cropped sentences, key phrases.

A crop is a run of words out of one sentence with some words left out, as in Contriever's cropping with deletion (Izacard et
al. 2022). The inverse cloze task (Lee et al. 2019) takes the sentence out of the text too; here the record keeps it, because the
corpus that is written is the corpus that is served, and a copy with a hole in it would be a record that nobody has.

What a record yields depends on the seed, the record and the corpus alone, never on the order of the records.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from transvase.core.errors import BadValue
from transvase.core.evaluation.judged import Document

from .phrases import Phrases
from .prompts import printable

STYLES: Final = ("crop", "heading", "title", "phrases")
"""What queries are made of, the most instructive first: measured, crops taught most and phrases nothing (docs/signal.md)."""

_SENTENCE: Final = re.compile(r"(?<=[.!?。！？])\s+|\n+")
_HEADING: Final = re.compile(r"^(?:#{1,6}\s+(?P<marked>\S.*?)\s*#*|(?P<underlined>\S.{0,79})\n(?:={3,}|-{3,}))$", re.MULTILINE)
_FEWEST, _MOST = 4, 14
"""Words of a crop."""

_LEFT_OUT: Final = 0.1
"""Share of a crop's words that are left out, as Contriever has it."""

Maker = Callable[[Document, random.Random, int], list[str]]


def checked_styles(names: Sequence[str]) -> tuple[str, ...]:
    """The styles, each once; BadValue for one that cannot be made without a model."""
    for name in names:
        if name not in STYLES:
            raise BadValue("style", name, why=f"without a language model there are {', '.join(STYLES)}")
    if not names:
        raise BadValue("styles", "", why=f"name at least one of {', '.join(STYLES)}")
    return tuple(name for name in STYLES if name in names)


def made(
    documents: Sequence[Document], *, styles: Sequence[str], per_record: int, seed: int, in_turn: bool
) -> list[list[tuple[str, str]]]:
    """For each record up to ``per_record`` pairs of style and query.

    ``in_turn``: one of each style after the other; else all that the first style yields, and of the next ones what is missing.
    """
    phrases = Phrases([document.content for document in documents])
    makers: Mapping[str, Maker] = {"title": _titles, "heading": _headings, "crop": _crops, "phrases": _of(phrases)}
    return [
        _dealt(document, {style: makers[style] for style in styles}, per_record, seed=seed, in_turn=in_turn)
        for document in documents
    ]


def _dealt(
    document: Document, makers: Mapping[str, Maker], per_record: int, *, seed: int, in_turn: bool
) -> list[tuple[str, str]]:
    hands = {}
    for style, maker in makers.items():
        digest = hashlib.sha256(f"{seed}\0{style}\0{document.id}\0{document.content}".encode("utf-8", "replace")).digest()
        hands[style] = maker(document, random.Random(digest), per_record)  # noqa: S311  a draw has to be repeatable, not secret
    found = [
        (turn if in_turn else 0, style, " ".join(printable(text).split()))
        for style, hand in hands.items()
        for turn, text in enumerate(hand)
    ]
    return [(style, text) for _, style, text in sorted(found, key=lambda one: one[0])[:per_record]]


def _titles(document: Document, _draw: random.Random, _count: int) -> list[str]:
    """The title, where the record has one and it is not all there is."""
    return [" ".join(document.title.split())] if document.title.strip() and document.text.strip() else []


def _headings(document: Document, draw: random.Random, count: int) -> list[str]:
    """Some of the headings as Markdown has them, apart from the title."""
    found = [" ".join((one["marked"] or one["underlined"]).split()) for one in _HEADING.finditer(document.text)]
    found = list(dict.fromkeys(heading for heading in found if heading != document.title))
    return draw.sample(found, min(count, len(found)))


def _crops(document: Document, draw: random.Random, count: int) -> list[str]:
    """Each out of another sentence of at least as many words as a crop has."""
    sentences = [words for piece in _SENTENCE.split(document.text) if len(words := piece.split()) >= _FEWEST]
    return [_crop(words, draw) for words in draw.sample(sentences, min(count, len(sentences)))]


def _crop(words: list[str], draw: random.Random) -> str:
    length = draw.randint(_FEWEST, min(_MOST, len(words)))
    start = draw.randint(0, len(words) - length)
    kept = [word for word in words[start : start + length] if draw.random() >= _LEFT_OUT]
    return " ".join(kept if len(kept) >= _FEWEST - 1 else words[start : start + length]).strip(".,;:!? ")


def _of(phrases: Phrases) -> Maker:
    """Each query two phrases that share no word, as somebody types them who combines what matters."""

    def make(document: Document, _draw: random.Random, count: int) -> list[str]:
        found = phrases.of(document.content, count=2 * count)
        return [" ".join(found[at : at + 2]) for at in range(0, len(found), 2)]

    return make
