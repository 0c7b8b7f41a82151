"""Vectors that were paid for: found again by text and role, whatever a kill did to the end of the file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from transvase.core.errors import Unfit
from transvase.core.space import Role
from transvase.core.training.weights.paid import Paid

ROWS = np.random.default_rng(1).standard_normal((3, 4)).astype(np.float32)
TEXTS = ["one", "two", "half a character \ud83d"]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "vectors.bin"
    Paid(path, width=4).add(TEXTS, Role.QUERY, ROWS)
    return path


def test_each_text_finds_its_row_in_a_later_process_and_in_its_own_role_alone(path: Path) -> None:
    again = Paid(path, width=4)

    assert again.found == 3
    for text, row in zip(TEXTS, ROWS, strict=True):
        assert np.array_equal(again.get(text, Role.QUERY), row)
        assert again.get(text, Role.DOCUMENT) is None
    assert again.get("three", Role.QUERY) is None


@pytest.mark.parametrize("cut", [1, 16, 31])
def test_a_record_that_a_kill_cut_short_is_forgotten_and_the_next_one_is_whole(path: Path, cut: int) -> None:
    path.write_bytes(path.read_bytes()[:-cut])
    Paid(path, width=4).add(["three"], Role.DOCUMENT, ROWS[:1])
    again = Paid(path, width=4)

    assert again.found == 3
    assert again.get(TEXTS[2], Role.QUERY) is None
    assert np.array_equal(again.get("three", Role.DOCUMENT), ROWS[0])


def test_a_file_that_cannot_be_written_is_told_in_our_words(tmp_path: Path) -> None:
    with pytest.raises(Unfit, match="free the disk"):
        Paid(tmp_path / "nowhere" / "vectors.bin", width=4).add(TEXTS, Role.QUERY, ROWS)


def test_no_text_lies_in_the_file(path: Path) -> None:
    assert b"one" not in path.read_bytes()
