"""The audit sheet of what was taken for wrong: every figure in it is that of the documents on its line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import numpy as np
import pytest
from numpy.typing import NDArray
from transvase.core.space import Role
from transvase.core.training.lessons.mining import Mining, mined_table
from transvase.core.training.lessons.table import Table
from transvase.core.training.weights.shelf import Shelf

ROWS = 12
OTHERS = 200


def silent(_: str, __: int, ___: int) -> None:
    """Nobody watches."""


def vector(text: str) -> NDArray[np.float32]:
    """Of its last word's number; a question lies near its answer."""
    number = int(text.rsplit(maxsplit=1)[-1])
    found = np.random.default_rng(number).standard_normal(16)
    return np.asarray(found + (0.3 if text.startswith("ask") else 0.0), dtype=np.float32)


class Plain:
    """Stands for a shelf: vectors of texts by rule."""

    digest = "plain"

    def take(self, texts: Sequence[str], role: Role, **_: object) -> NDArray[np.float32]:
        """One row a text."""
        return np.stack([vector(text) for text in texts])


def table() -> Table:
    numbers = np.arange(ROWS)
    return Table(
        queries=tuple(f"ask {row}" for row in numbers),
        query_ids=tuple(f"q{row}" for row in numbers),
        documents=tuple(f"record {row}" for row in range(ROWS + OTHERS)),
        document_ids=tuple(f"d{row}" for row in range(ROWS + OTHERS)),
        rows=np.stack([numbers, numbers], axis=1),
        weights=np.ones(ROWS, dtype=np.float32),
        families=numbers,
        avoid=tuple(frozenset({row}) for row in range(ROWS)),
        groups=np.zeros(ROWS, dtype=np.int64),
    )


@pytest.mark.parametrize("pool", [ROWS + OTHERS, ROWS + 130])
def test_each_cosine_of_the_sheet_is_that_of_its_own_line(tmp_path: Path, pool: int) -> None:
    """Each second row has a judged negative, one of them more than there is room for."""
    known = [[ROWS + OTHERS - 1 - row, ROWS + row, row - 1][: 3 if row == 3 else 1] if row % 2 else [] for row in range(ROWS)]
    mining = Mining(count=2, pool=pool, seconds=60, lexical=False, seed=1)
    mined_table(table(), cast("Shelf", Plain()), mining=mining, known=known, directory=tmp_path, progress=silent)
    lines = [line.split("\t") for line in (tmp_path / "mined.tsv").read_text(encoding="utf-8").splitlines()]

    assert lines[0] == ["query-id", "corpus-id", "negative-id", "rank", "by", "cosine", "limit"]
    assert len(lines) == 1 + 2 * ROWS
    for query, _, negative, _, by, cosine, limit in lines[1:]:
        asked, held = vector(f"ask {query[1:]}"), vector(f"record {negative[1:]}")
        true = float(asked @ held / np.linalg.norm(asked) / np.linalg.norm(held))
        judged = int(negative[1:]) in known[int(query[1:])]
        assert by == ("judged" if judged else "mined")
        assert float(cosine) == pytest.approx(true, abs=1e-4)
        assert judged or true < float(limit)


def test_a_judged_document_that_there_was_no_time_to_read_has_no_cosine(tmp_path: Path) -> None:
    known = [[ROWS + number for number in range(row, OTHERS, ROWS)] for row in range(ROWS)]
    mining = Mining(count=16, pool=0, seconds=60, lexical=False, seed=1)
    mined_table(table(), cast("Shelf", Plain()), mining=mining, known=known, directory=tmp_path, progress=silent)
    cosines = [line.split("\t")[5] for line in (tmp_path / "mined.tsv").read_text(encoding="utf-8").splitlines()[1:]]

    assert len(cosines) == 16 * ROWS
    assert 0 < cosines.count("") < 16 * ROWS


def test_what_was_mined_is_found_again_with_its_neighbours(tmp_path: Path) -> None:
    """Neighbours are answers of other rows, by their numbers in the table and not in what was mined from."""
    mining = Mining(count=1, pool=ROWS + OTHERS, seconds=60, lexical=False, seed=1)
    known = [[] for _ in range(ROWS)]
    made, _ = mined_table(table(), cast("Shelf", Plain()), mining=mining, known=known, directory=tmp_path, progress=silent)
    again, _ = mined_table(table(), cast("Shelf", Plain()), mining=mining, known=known, directory=tmp_path, progress=silent)

    assert made.neighbours is not None
    assert again.neighbours is not None
    assert again.neighbours.tolist() == made.neighbours.tolist()
    for row, beside in enumerate(made.neighbours):
        found = beside[beside >= 0]
        assert len(found)
        assert (found < ROWS).all()
        assert row not in found
