"""Records, and the digest by which a vector knows its text again."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from hashlib import sha256

import pytest
from transvase.core.record import Record, digest_of, named


def test_the_digest_is_that_of_the_utf8_bytes():
    assert digest_of("Grüße – 日本") == sha256("Grüße – 日本".encode()).digest()


def test_texts_that_look_alike_have_digests_of_their_own():
    assert len({digest_of(text) for text in ("é", "e\u0301", "e", "", " ", "É")}) == 6


def test_a_record_without_a_text_has_no_digest():
    assert Record((1,), None).digest is None


def test_an_empty_text_is_a_text():
    assert Record((1,), "").digest == digest_of("")


def test_a_record_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        Record((1,), "a").text = "b"  # type: ignore[misc]


def test_records_are_equal_by_what_they_say():
    assert Record(("a", 1), "text") == Record(("a", 1), "text", token=7)
    assert Record(("a", 1), "text") != Record(("a", 2), "text")


def test_keys_are_named_in_brackets_of_their_own():
    assert named([(1,), (2, "a")]) == "(1), (2, a)"
    assert named([]) == ""
