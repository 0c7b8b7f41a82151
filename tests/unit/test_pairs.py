"""``transvase pairs``: from files to a collection that can be read, or to a sentence that says what is wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from gleanings import SearchEngine, sentence, split_of, write_csv, write_jsonl
from transvase.cli.main import main
from transvase.core.evaluation import read
from transvase.core.evaluation.judged import read_weights
from transvase.core.signal.agreement import agreement, alpha, settled

Run = Callable[..., dict[str, object]]


@pytest.fixture
def run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs ``transvase pairs`` into ``out`` and gives its object; its collection stands in ``tmp_path / "out"``."""

    def pairs(*words: object) -> dict[str, object]:
        status = main(["pairs", *map(str, words), "--out", str(tmp_path / "out"), "--json"])
        said = capsys.readouterr()
        assert status == 0, said.err
        found = json.loads(said.out)
        assert isinstance(found, dict)
        return found

    return pairs


@pytest.fixture
def refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Runs ``transvase pairs``, which must be misuse and leave nothing behind; gives the sentence."""

    def pairs(*words: object) -> str:
        before = sorted(tmp_path.iterdir())
        status = main(["pairs", *map(str, words), "--out", str(tmp_path / "out")])
        said = capsys.readouterr()
        assert (status, said.out) == (2, ""), said.err
        assert sorted(tmp_path.iterdir()) == before
        return said.err

    return pairs


def tickets(count: int) -> list[dict[str, object]]:
    return [
        {"q": sentence(n), "a": sentence(5_000 + n), "no": f"T-{n}", "thread": f"t{n // 2}",
         "at": f"2024-01-{1 + n // 10:02}", "lang": "en"}
        for n in range(count)
    ]  # fmt: skip


QA = ("--question", "q", "--answer", "a")


@pytest.mark.parametrize("write", [write_csv, write_jsonl])
def test_questions_and_answers_become_a_collection_that_can_be_read(tmp_path: Path, run: Run, write: Callable[..., Path]) -> None:
    rows = [*tickets(120), {**tickets(1)[0], "q": sentence(999), "no": "again"}, {**tickets(1)[0], "q": "", "no": "none"}]
    name = "qa.csv" if write is write_csv else "qa.jsonl"
    found = run("from-qa", write(tmp_path / name, rows), *QA, "--id", "no", "--group", "thread", "--time", "at", "--keep", "lang")

    splits = split_of(tmp_path / "out")
    assert len(splits) == found["queries"] == 121
    assert found["documents"] == 120, "the answer that was given twice is one document"
    assert found["read"] == 122
    assert found["dropped"] == {"query empty": {"count": 1, "examples": [f"{name}:{123 if write is write_csv else 122}"]}}
    assert {splits[f"T-{n}"] == splits[f"T-{n + 1}"] for n in range(0, 120, 2)} == {True}, "a thread is not divided"
    assert splits["again"] == splits["T-0"], "nor are two questions with one answer"
    train = read(tmp_path / "out", split="train")
    assert train.queries[0].metadata["lang"] == "en"
    assert isinstance(train.queries[0].metadata["time"], float)
    assert json.loads((tmp_path / "out" / "report.json").read_text(encoding="utf-8")) == {
        k: v for k, v in found.items() if k != "out"
    }
    assert not (tmp_path / "out" / "weights").exists()
    assert main(["pairs", "leaks", "--data", str(tmp_path / "out")]) == 0


def test_odd_characters_do_no_harm(tmp_path: Path, run: Run) -> None:
    """Half a surrogate pair, a NUL, a field of many lines, more text than Python's CSV reader takes by itself."""
    rows = tickets(40)
    rows[0] |= {"a": 'first\nsecond, "third"', "q": "half a pair \ud83d and\x00 a NUL"}
    run("from-qa", write_jsonl(tmp_path / "qa.jsonl", [{**row, "lang": "\ud83d"} for row in rows]), *QA, "--keep", "lang")
    assert len(split_of(tmp_path / "out")) == 40
    (tmp_path / "out").rename(tmp_path / "first")
    rows[0] |= {"q": "plain again", "a": "x" * 200_000}
    rows[1] |= {"a": 'several\nlines, "quoted"'}
    found = run("from-qa", write_csv(tmp_path / "qa.csv", [*rows, {**rows[2], "q": "?"}]), *QA, "--longest-document", "300000")
    assert found["queries"] == 40
    assert found["dropped"]["query too short"]["examples"] == ["qa.csv:43"], "lines of the file, not rows of the table"  # type: ignore[index]


def test_the_same_file_gives_the_same_bytes(tmp_path: Path, run: Run) -> None:
    source = write_csv(tmp_path / "qa.csv", tickets(80))
    run("from-qa", source, *QA)
    first = {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}
    (tmp_path / "out").rename(tmp_path / "first")
    run("from-qa", source, *QA)

    assert first == {path.name: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}


def test_by_time_the_latest_questions_are_test(tmp_path: Path, run: Run) -> None:
    run("from-qa", write_csv(tmp_path / "qa.csv", tickets(100)), *QA, "--id", "no", "--time", "at", "--split", "time")
    splits = split_of(tmp_path / "out")

    assert {name for name, split in splits.items() if split == "test"} == {f"T-{n}" for n in range(90, 100)}


def judged_rows(count: int = 60) -> list[dict[str, object]]:
    return [
        {"query": sentence(n), "document": sentence(900 + (n + step) % count), "grade": grade, "judge": "ann"}
        for n in range(count)
        for step, grade in ((0, 4), (1, 2), (2, 0))
    ]


def test_grades_are_kept_and_zero_is_judged_wrong(tmp_path: Path, run: Run) -> None:
    found = run("from-judgments", write_jsonl(tmp_path / "j.jsonl", judged_rows()), "--join", "text")
    held = [grades for split in ("train", "dev", "test") for grades in read(tmp_path / "out", split=split).grades.values()]
    grades = [grade for one in held for grade in one.values()]

    assert sorted(set(grades)) == [0.0, 2.0, 4.0]
    assert len(grades) == 180
    assert found["splits"]["train"]["judged_wrong"] == found["splits"]["train"]["queries"]  # type: ignore[index]


def test_several_judges_become_their_median_and_their_agreement_is_told(tmp_path: Path, run: Run) -> None:
    rows = judged_rows(40)
    rows += [{**row, "judge": "bob", "grade": 3 if row["grade"] == 4 else row["grade"]} for row in rows]
    rows += [{**row, "judge": "cem", "grade": 3} for row in rows[:120] if row["grade"] == 4]
    found = run("from-judgments", write_csv(tmp_path / "j.csv", rows), "--judge", "judge", "--join", "text")

    assert read(tmp_path / "out", split="train").grades["q1"]["d1"] == 3.0
    assert found["agreement"]["pairs_with_several_judges"] == 120  # type: ignore[index]
    assert found["agreement"]["krippendorff_alpha"] == pytest.approx(0.91, abs=0.03)  # type: ignore[index]


def test_the_median_of_whole_grades_is_whole() -> None:
    assert [settled(grades) for grades in ([3], [0, 4, 4], [2, 4], [3, 4], [0.5, 1.0])] == [3.0, 4.0, 3.0, 3.0, 0.75]


def test_agreement_is_one_for_the_same_and_nothing_for_chance() -> None:
    assert alpha([[1, 1], [3, 3], [0, 0]]) == 1
    assert alpha([[2, 2], [2, 2]]) is None
    assert alpha([[0, 1], [1, 0], [0, 0], [1, 1]]) == pytest.approx(1 - 4 / (2 * 4 * 4 / 7))
    assert agreement([[1], [2]]) == {"pairs_with_several_judges": 0}
    assert agreement([[1, 2], [3, 3]])["equal"] == 0.5


def test_judgments_by_id_keep_the_whole_corpus(tmp_path: Path, run: Run) -> None:
    corpus = write_jsonl(
        tmp_path / "corpus.jsonl", [{"_id": f"d{n}", "title": f"t{n}", "text": sentence(n + 500)} for n in range(99)]
    )
    queries = write_jsonl(tmp_path / "queries.jsonl", [{"_id": f"k{n}", "text": sentence(n)} for n in range(50)])
    qrels = tmp_path / "qrels.tsv"
    qrels.write_text("query-id\tcorpus-id\tscore\n" + "".join(f"k{n}\td{n}\t1\n" for n in range(40)), encoding="utf-8")
    columns = ("--query", "query-id", "--document", "corpus-id", "--grade", "score")
    found = run("from-judgments", qrels, "--corpus", corpus, "--queries", queries, *columns)

    assert (found["documents"], found["queries"]) == (99, 40)
    assert read(tmp_path / "out", split="train").documents[3].title == "t3"


def test_clicks_become_graded_and_weighted_pairs(tmp_path: Path, run: Run) -> None:
    engine = SearchEngine(looks=[1, 0.5, 0.3, 0.2, 0.1], quality=0.3, swaps="shuffle", seed=1, queries=60)
    log = write_jsonl(tmp_path / "log.jsonl", engine.searches(4_000))
    corpus = write_jsonl(tmp_path / "corpus.jsonl", engine.documents())
    found = run("from-clicks", log, "--corpus", corpus)
    train = read(tmp_path / "out", split="train")
    weights = read_weights(tmp_path / "out", "train")

    assert found["position_bias"]["estimator"] == "swaps"  # type: ignore[index]
    assert len(found["position_bias"]["looks"]) == 5  # type: ignore[index]
    assert found["documents"] == 300
    assert {grade for held in train.grades.values() for grade in held.values()} == {0.0, 1.0, 2.0, 3.0, 4.0}
    assert set(weights) <= {(query, document) for query, held in train.grades.items() for document in held}
    for query, held in train.grades.items():
        ordered = sorted((grade, weights.get((query, document), 1.0)) for document, grade in held.items() if grade > 0)
        assert [weight for _, weight in ordered] == sorted(weight for _, weight in ordered), "grade and weight go together"


def bad(tmp_path: Path, name: str, content: str | bytes) -> Path:
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "", "no row"),
        ("a.csv", "q,a\n", "no row"),
        ("a.jsonl", "\n\n", "no row"),
        ("a.csv", "q,a\nx,y\nx\n", "a.csv:3"),
        ("a.csv", 'q,a\nx,y\n"x" oops,y\n', "a.csv:3"),
        ("a.csv", 'q,a\nx,y\n"never closed,y\n', "a.csv:3"),
        ("a.csv", "q,q\nx,y\n", "twice"),
        ("a.csv", b"q,a\nx,\xff\n", "a.csv:2"),
        ("a.jsonl", '{"q": "x", "a": "y"}\n{"q": \n', "a.jsonl:2"),
        ("a.jsonl", '{"q": "x", "a": "y"}\n[1]\n', "a.jsonl:2"),
        ("a.jsonl", '{"q": ["x"], "a": "y"}\n', "a.jsonl:1"),
        ("a.xlsx", "q", ".jsonl, .csv or .tsv"),
        ("a.csv", "question,answer\nx,y\n", "has 'question', 'answer'"),
        ("a.csv", "q,a\nhow,so\nwhy,thus\n", "split"),
        ("a.csv", "q,a\n?,y\n!,w\n", "nothing is left"),
    ],
)
def test_a_bad_file_is_refused_with_its_line_and_nothing_is_written(
    tmp_path: Path, refused: Callable[..., str], name: str, content: str | bytes, said: str
) -> None:
    assert said in refused("from-qa", bad(tmp_path, name, content), *QA)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--id", "thread"), "'t0': qa.csv:3: qa.csv:2 has this id already"),
        (("--time", "thread"), "ISO 8601"),
        (("--group", "nowhere"), "no column 'nowhere'"),
        (("--split", "time"), "has no time"),
        (("--hold-out", "lang"), "FIELD=VALUE"),
        (("--hold-out", "lang=de", "--keep", "lang"), "there are en"),
        (("--join", "text,luck"), "luck"),
        (("--dev", "0.7", "--test", "0.7"), "more than the whole"),
        (("--test", "nan"), "between 0 and 1"),
    ],
)
def test_a_wrong_option_is_refused(tmp_path: Path, refused: Callable[..., str], words: tuple[str, ...], said: str) -> None:
    assert said in refused("from-qa", write_csv(tmp_path / "qa.csv", tickets(40)), *QA, *words)


def test_what_is_there_is_never_overwritten(tmp_path: Path, refused: Callable[..., str]) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").write_text("mine", encoding="utf-8")

    assert "exists already" in refused("from-qa", write_csv(tmp_path / "qa.csv", tickets(40)), *QA)


@pytest.mark.parametrize(
    ("rows", "words", "said"),
    [
        ([{"query": "a", "document": "b", "grade": 5}], (), "j.jsonl:1: a grade is a number from 0"),
        ([{"query": "a", "document": "b", "grade": "good"}], (), "j.jsonl:1"),
        ([{"query": "a", "document": "b"}], (), "no column 'grade'"),
        ([{"query": "a", "document": "b", "grade": 0}] * 9, (), "no grade is above 0"),
        ([{"query": "a", "document": "nowhere", "grade": 1}], ("--corpus", "c.jsonl"), "j.jsonl:1 names it"),
        ([{"query": "nowhere", "document": "d", "grade": 1}], ("--queries", "c.jsonl"), "j.jsonl:1 names it"),
        ([{"query": "a", "document": "b", "grade": 1}], ("--corpus", "twice.jsonl"), "ids are given once"),
        ([{"query": "a", "document": "b", "grade": 1}], ("--corpus", "missing.jsonl"), "missing.jsonl"),
    ],
)
def test_bad_judgments_are_refused(
    tmp_path: Path, refused: Callable[..., str], rows: list[dict[str, object]], words: tuple[str, ...], said: str
) -> None:
    write_jsonl(tmp_path / "c.jsonl", [{"_id": "d", "text": "a text"}])
    write_jsonl(tmp_path / "twice.jsonl", [{"_id": "d", "text": "a text"}] * 2)
    words = tuple(str(tmp_path / word) if word.endswith(".jsonl") else word for word in words)

    assert said in refused("from-judgments", write_jsonl(tmp_path / "j.jsonl", rows), *words)


def test_a_bad_log_is_refused(tmp_path: Path, refused: Callable[..., str]) -> None:
    corpus = write_jsonl(tmp_path / "c.jsonl", [{"_id": "d", "text": "a text"}])
    log = write_jsonl(tmp_path / "log.jsonl", [{"session": "s", "time": 1, "query": "q", "shown": ["d"], "clicks": []}])

    assert "nothing in it was clicked" in refused("from-clicks", log, "--corpus", corpus)
    assert "OURS=THEIRS" in refused("from-clicks", log, "--corpus", corpus, "--column", "session")


def test_people_see_what_was_left_out_and_programs_an_empty_stdout(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = [*tickets(60), {**tickets(1)[0], "q": "?"}]
    assert main(["pairs", "from-qa", str(write_csv(tmp_path / "qa.csv", rows)), *QA, "--out", str(tmp_path / "out")]) == 0

    said = capsys.readouterr()
    assert said.out == ""
    assert "query too short" in said.err
    assert "overfitting is likely" in said.err
