"""What endpoints have in common: the key's place and the pause that they ask for."""

from __future__ import annotations

import pytest
from transvase.core.endpoints import key_from_environment, retry_after
from transvase.core.errors import BadValue


@pytest.mark.parametrize(
    ("header", "seconds"), [("3", 3.0), ("0.25", 0.25), ("-4", 0.0), (None, None), ("soon", None), ("nan", None), ("inf", None)]
)
def test_retry_after_is_read_as_seconds(header: str | None, seconds: float | None):
    assert retry_after(header) == seconds


def test_retry_after_is_read_as_a_date_too():
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0.0
    assert (retry_after("Wed, 21 Oct 2099 07:28:00 GMT") or 0) > 1e9


def test_a_key_is_taken_without_the_space_around_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TRANSVASE_API_KEY", " sk-1\n")
    assert key_from_environment() == "sk-1"
    monkeypatch.delenv("TRANSVASE_API_KEY")
    assert key_from_environment() == ""


@pytest.mark.parametrize("key", ["sk-sécret", "sk-\nsecret"])
def test_a_key_that_no_header_carries_is_refused_and_not_shown(monkeypatch: pytest.MonkeyPatch, key: str):
    monkeypatch.setenv("TRANSVASE_API_KEY", key)
    with pytest.raises(BadValue, match="TRANSVASE_API_KEY") as found:
        key_from_environment()
    assert "sk-" not in str(found.value)
