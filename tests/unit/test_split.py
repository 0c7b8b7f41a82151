"""Families and splits: what validation asks was not taught in other words."""

from __future__ import annotations

import random
from itertools import combinations
from pathlib import Path

import pytest
from transvase.core.errors import BadValue
from transvase.core.evaluation import Query
from transvase.core.evaluation.families import families
from transvase.core.likeness import NEAR, near_duplicates
from transvase.core.signal.split import divide, shared
from transvase.core.training.lessons.lesson import prepare


def queries(*texts: str, family: str | None = None) -> list[Query]:
    return [Query(f"{family or 'q'}{row}", text, {"family": family} if family else {}) for row, text in enumerate(texts)]


def test_a_declared_family_is_believed_whatever_the_texts_say() -> None:
    found = families([*queries("list files", "print help", family="ls"), *queries("print help", family="cat")])

    assert found["ls0"] == found["ls1"]
    assert found["ls1"] != found["cat0"]


def test_equal_and_nearly_equal_texts_are_one_family() -> None:
    long = "how do I reset the password of a user in the admin console"
    found = families(queries("Reset  PASSWORD!", "reset password", long, long.replace("user", "users"), "print a page"))

    assert found["q0"] == found["q1"]
    assert found["q2"] == found["q3"]
    assert len(set(found.values())) == 3


def test_near_duplicates_are_chained() -> None:
    """A is near b and b is near c: all three are one family, though a and c are further apart."""
    words = [f"w{number}" for number in range(10)]
    chain = [" ".join(words), " ".join([*words[1:], "x"]), " ".join([*words[2:], "x", "y"])]

    assert len(set(families(queries(*chain)).values())) == 1


def test_every_near_duplicate_is_found_and_nothing_else() -> None:
    """The prefix filter against comparing everything with everything, up to links that follow from others."""
    rng = random.Random(3)
    sets = [frozenset(rng.sample(range(14), rng.randint(1, 12))) for _ in range(150)]
    tokens = [frozenset(map(str, numbers)) for numbers in sets]
    near = {(a, b) for a, b in combinations(range(150), 2) if len(sets[a] & sets[b]) >= NEAR * len(sets[a] | sets[b])}

    found = {tuple(sorted(link)) for link in near_duplicates(tokens)}

    assert found <= near
    firsts = {tokens.index(held): held for held in tokens}
    assert {(a, b) for a, b in near if a in firsts and b in firsts} <= found


def test_texts_without_words_are_alike_only_when_equal() -> None:
    found = families(queries("!!", "!!", "??", "c++", "c"))

    assert found["q0"] == found["q1"] != found["q2"]


def test_a_split_never_divides_a_family() -> None:
    family_of = {f"q{row}": f"f{row // 3}" for row in range(90)}
    rest, held = divide(family_of, share=0.2, seed=1)

    assert rest | held == set(family_of)
    assert not {family_of[query] for query in rest} & {family_of[query] for query in held}
    assert 12 <= len(held) <= 27


def test_the_same_seed_splits_the_same_way() -> None:
    family_of = {f"q{row}": f"f{row // 2}" for row in range(40)}

    assert divide(family_of, share=0.2, seed=1) == divide(dict(reversed(family_of.items())), share=0.2, seed=1)
    assert divide(family_of, share=0.2, seed=1) != divide(family_of, share=0.2, seed=2)


def test_one_family_cannot_be_split() -> None:
    with pytest.raises(BadValue, match="too few"):
        divide({f"q{row}": "f" for row in range(10)}, share=0.2, seed=1)


def test_leaks_are_found() -> None:
    first = [Query("a", "x", {"family": "f"}), Query("b", "y", {"family": "g"})]
    second = [Query("c", "z", {"family": "g"})]

    assert shared(families([*first, *second]), first, second) == {"b"}


def write(directory: Path, *, dev: bool) -> Path:
    """Forty queries in twenty families; with ``dev``, its two queries share a family with two of train."""
    (directory / "qrels").mkdir(parents=True)
    lines = [f'{{"_id": "q{row}", "text": "query {row}", "metadata": {{"family": "f{row // 2}"}}}}' for row in range(40)]
    (directory / "queries.jsonl").write_text("\n".join(lines), encoding="utf-8")
    (directory / "corpus.jsonl").write_text(
        "\n".join(f'{{"_id": "d{row}", "text": "text {row}"}}' for row in range(40)), encoding="utf-8"
    )
    header = "query-id\tcorpus-id\tscore\n"
    in_dev = {0, 2} if dev else set()
    rows = {"train": [row for row in range(40) if row not in in_dev], "dev": sorted(in_dev)}
    for split, members in rows.items():
        if members:
            text = header + "".join(f"q{row}\td{row}\t1\n" for row in members)
            (directory / "qrels" / f"{split}.tsv").write_text(text, encoding="utf-8")
    return directory


def test_a_leak_between_train_and_dev_is_removed_loudly(tmp_path: Path) -> None:
    lesson = prepare(write(tmp_path / "data", dev=True), seed=1)

    assert {query.id for query in lesson.validation.queries} == {"q0", "q2"}
    assert not {"q1", "q3"} & {pair.query for pair in lesson.pairs}
    assert len(lesson.pairs) == 36
    assert any("2 of 38" in note and "q1" in note for note in lesson.notes)


def test_without_dev_whole_families_are_held_out_of_train(tmp_path: Path) -> None:
    lesson = prepare(write(tmp_path / "data", dev=False), seed=1)
    taught = {int(pair.query[1:]) // 2 for pair in lesson.pairs}
    asked = {int(query.id[1:]) // 2 for query in lesson.validation.queries}

    assert not taught & asked
    assert len(lesson.pairs) + len(lesson.validation.queries) == 40
    assert any("dev.tsv" in note for note in lesson.notes)


@pytest.mark.parametrize("kind", ["directory", "garbled"])
def test_test_judgments_are_never_opened(tmp_path: Path, kind: str) -> None:
    data = write(tmp_path / "data", dev=True)
    path = data / "qrels" / "test.tsv"
    path.mkdir() if kind == "directory" else path.write_bytes(b"\x00\xff not judgments")

    assert len(prepare(data, seed=1).pairs) == 36


def test_too_few_pairs_are_refused(tmp_path: Path) -> None:
    data = write(tmp_path / "data", dev=True)
    (data / "qrels" / "train.tsv").write_text("query-id\tcorpus-id\tscore\nq9\td9\t1\n", encoding="utf-8")

    with pytest.raises(BadValue, match="training pairs"):
        prepare(data, seed=1)
