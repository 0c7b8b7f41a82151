"""README's code is run as it stands, block after block, in a directory like a fresh clone."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(sh|python|sql)\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
MOST_LINES = 15


def test_the_first_screen_has_a_few_lines_that_work():
    kind, code = BLOCKS[0]
    assert kind == "sh"
    assert 8 <= len(code.splitlines()) <= MOST_LINES
    assert README.index("```") < 4000, "problem and promise stand before it, on the same screen"


def test_only_code_that_is_run_here_is_fenced_as_code():
    """A block that could not be run would be shown as plain text."""
    assert {kind for kind, _ in BLOCKS} <= {"sh", "python"}
    assert README.count("```") == 2 * (len(BLOCKS) + len(re.findall(r"^```text\n", README, re.MULTILINE)))


@pytest.mark.story
@pytest.mark.model
def test_every_block_of_the_readme_runs(run: Callable[..., str]):
    """In order and in one place; the first one ends on a migration that is retired, the others go on from there."""
    said = [run("bash", "-euc", code) if kind == "sh" else run(sys.executable, "-c", code) for kind, code in BLOCKS]
    assert "22000 different vector dimensions 385 and 384" in said[0]
    assert "may restart the billing service" in said[0]
    assert any("may restart the billing service" in words for words in said[1:]), "the Retriever found it too"
    status = json.loads(run("bash", "-c", ".venv/bin/transvase --store embedded:.transvase/store status notes --json"))
    assert status["phase"] == "retired"
    assert status["live"]["index"] == status["target"]["index"]
