"""Signal of one kind only: one answer to everything, or nothing but wrong ones, teaches nothing and is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from gleanings import sentence, write_csv
from transvase.cli.main import main
from transvase.core.errors import BadValue
from transvase.core.training.lessons.lesson import prepare


def test_one_answer_to_every_question_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table = write_csv(tmp_path / "qa.csv", [{"q": sentence(row), "a": "the only answer there is"} for row in range(60)])

    assert main(["pairs", "from-qa", str(table), "--question", "q", "--answer", "a", "--out", str(tmp_path / "out")]) == 2
    assert "every query has this one answer" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["qa.csv"]


@pytest.mark.parametrize(
    ("answer", "grade", "said"), [(lambda _: 0, 1, "the one answer d0"), (lambda row: row, 0, "no query has an answer")]
)
def test_training_pairs_of_one_class_are_refused(tmp_path: Path, answer: object, grade: int, said: str) -> None:
    (tmp_path / "qrels").mkdir()
    words = [sentence(row) for row in range(40)]
    for name, letter in (("corpus", "d"), ("queries", "q")):
        lines = [f'{{"_id": "{letter}{row}", "text": "{letter} {text}"}}' for row, text in enumerate(words)]
        (tmp_path / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    judged = [f"q{row}\td{answer(row)}\t{grade}" for row in range(40)]  # type: ignore[operator]
    (tmp_path / "qrels" / "train.tsv").write_text("\n".join(["query-id\tcorpus-id\tscore", *judged]) + "\n", encoding="utf-8")

    with pytest.raises(BadValue, match=said):
        prepare(tmp_path, seed=1)
