"""What counts as a text, and which texts a model is proven on."""

from __future__ import annotations

import pytest
from transvase.core.encoders.probes import proving_texts
from transvase.core.encoders.tokens import legible
from transvase.core.errors import BadValue


def test_half_a_character_becomes_the_replacement_sign() -> None:
    assert legible("a\ud800b") == "a\ufffdb"
    assert legible("\ud83d\ude9a") == "🚚", "two halves that belong together are joined"
    assert legible("a\0b é 東") == "a\0b é 東"


def test_only_text_is_encoded() -> None:
    with pytest.raises(BadValue, match="this is NoneType"):
        legible(None)  # type: ignore[arg-type]


def test_the_proving_texts_are_always_the_same_and_of_all_sorts() -> None:
    texts = proving_texts(200)
    assert texts == proving_texts(200)
    assert len(texts) == 200
    assert {"", "   ", "a\0b"} <= set(texts)
    assert max(map(len, texts)) >= 100_000
    assert any(not text.isascii() for text in texts)
