"""Telling languages apart by the real model, which takes a second to load."""

from __future__ import annotations

from pathlib import Path

import pytest
from gleanings import harvest, sentence, write_csv
from transvase.cli.main import main
from transvase.core.errors import BadValue
from transvase.core.signal.cleaning import Rules, clean
from transvase.core.signal.harvest import Tally


def test_only_texts_that_are_surely_foreign_are_left_out() -> None:
    english = "How do I change the password of somebody else in the console of the administrators?"
    german = "Wie setze ich das Passwort eines anderen Benutzers in der Verwaltung zurück?"
    given = harvest((english, sentence(1)), (german, sentence(2)), ("ls -la", sentence(3)), ("Passwort ändern", sentence(4)))
    tally = Tally()
    kept = clean(given, rules=Rules(languages=("en",)), tally=tally)

    assert [query.text for query in kept.queries] == [english, "ls -la", "Passwort ändern"]
    assert tally.reasons == {"query in another language": (1, ["f:2"])}
    assert len(clean(given, rules=Rules(languages=("en", "de")), tally=Tally()).queries) == 4
    with pytest.raises(BadValue, match="language"):
        clean(given, rules=Rules(languages=("english",)), tally=Tally())


def test_a_language_that_nobody_knows_is_misuse_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_csv(tmp_path / "qa.csv", [{"q": sentence(row), "a": sentence(100 + row)} for row in range(40)])
    asked = ["--question", "q", "--answer", "a", "--out", str(tmp_path / "out"), "--language", "xx"]

    assert main(["pairs", "from-qa", str(table), *asked]) == 2
    told = capsys.readouterr()
    assert not told.out
    assert "language" in told.err
    assert not (tmp_path / "out").exists()
