"""Which definitions become records of the demo, what is taken out of them, and how they are split."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transvase.cli.demo import corpus
from transvase.core.errors import Unfit

BODY = """
    total = 0
    for price, amount in zip(prices, amounts, strict=True):
        total += price * amount
    if discount:
        total -= total * discount
    return total
"""


def definition(name: str, summary: str, *, rest: str = "") -> str:
    return f'def {name}(prices, amounts, discount=0):\n    """{summary}{rest}"""{BODY}\n'


def module(folder: Path, name: str, *definitions: str) -> Path:
    path = folder / f"{name}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(definitions), encoding="utf-8")
    return path


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """A package of forty modules with two documented functions each."""
    root = tmp_path / "shop"
    for number in range(40):
        module(
            root,
            f"part_{number}",
            definition(f"sum_{number}", f"Add up the prices of shelf number {number} in the shop."),
            definition(f"tax_{number}", f"Compute which taxes are due on the goods of shelf {number}."),
        )
    return root


def test_a_record_lacks_its_summary_and_keeps_the_rest(tmp_path: Path) -> None:
    path = module(
        tmp_path,
        "shop",
        definition("bill", "Add up what a customer has to pay.", rest="\n\n    Discounts are shares of one.\n    "),
    )

    (document,) = corpus.documents_of(path, "shop")

    assert document.query == "Add up what a customer has to pay."
    assert document.query not in document.body
    assert "Discounts are shares of one." in document.body
    assert document.body.startswith("def bill(prices, amounts, discount=0):")
    assert "total -= total * discount" in document.body


@pytest.mark.parametrize(
    "source",
    [
        definition("_hidden", "Add up what a customer has to pay."),
        definition("short", "Add it up."),
        definition("wordy", "Add up " + "and add up again " * 12 + "the prices."),
        definition("lines", "Add up what a customer\n    has to pay in the end."),
        definition("bill", "bill(prices, amounts) adds up what is to be paid"),
        definition("linked", "Add up what https://example.org/ has to pay."),
        definition("umlaut", "Add up what a customer häs to pay."),
        'def trivial(a):\n    """Add up what a customer has to pay."""\n    return a\n',
        "def bare(a):\n    return [a for _ in range(100) if a not in (1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)]\n",
        definition("telling", "Add up what a customer has to pay.").replace(
            "total = 0", "# ADD UP what a customer has to pay\n    total = 0"
        ),
    ],
    ids=[
        "private",
        "short",
        "long",
        "two lines",
        "signature",
        "address",
        "not ascii",
        "trivial",
        "undocumented",
        "tells the answer",
    ],
)
def test_what_is_no_fair_question_is_left_out(tmp_path: Path, source: str) -> None:
    assert corpus.documents_of(module(tmp_path, "shop", source), "shop") == []


def test_a_file_that_is_not_python_is_passed_over(tmp_path: Path) -> None:
    assert corpus.documents_of(module(tmp_path, "shop", "def broken(:\n"), "shop") == []


def test_texts_are_cut_to_what_is_encoded_in_time(tmp_path: Path) -> None:
    long = definition("bill", "Add up what a customer has to pay.").replace("total = 0\n", "total = 0\n" + "    paid = 1\n" * 500)

    (document,) = corpus.documents_of(module(tmp_path, "shop", long), "shop")

    assert corpus.LONGEST - 20 < len(document.body) <= corpus.LONGEST
    assert document.body.endswith("paid = 1")


def test_no_module_is_in_two_splits(shop: Path) -> None:
    selection = corpus.select(60, seed=1, roots=[shop])

    families = [
        {selection.documents[place].module for place in places} for places in (selection.train, selection.dev, selection.test)
    ]

    assert all(families)
    assert not families[0] & families[1]
    assert not families[0] & families[2]
    assert not families[1] & families[2]
    assert sorted((*selection.train, *selection.dev, *selection.test)) == list(range(len(selection.documents)))


def test_the_same_packages_give_the_same_selection_and_another_seed_another_one(shop: Path) -> None:
    first = corpus.select(60, seed=1, roots=[shop])

    assert corpus.select(60, seed=1, roots=[shop]) == first
    assert corpus.select(60, seed=2, roots=[shop]) != first


def test_a_query_with_two_answers_is_dropped(shop: Path) -> None:
    for number in (1, 2):
        module(shop, f"twin_{number}", definition(f"twin_{number}", "Weigh every parcel that leaves the shop."))

    selection = corpus.select(80, seed=1, roots=[shop])

    assert not [d for d in selection.documents if d.query.startswith("Weigh")]


def test_tests_and_vendored_code_are_not_read(shop: Path) -> None:
    for folder in ("tests", "_vendor", "_externals"):
        module(shop / folder, "extra", definition("extra", f"Weigh every parcel of the folder {folder} today."))

    selection = corpus.select(80, seed=1, roots=[shop])

    assert not [d for d in selection.documents if d.query.startswith("Weigh")]


def test_too_few_definitions_are_refused_with_their_number(shop: Path) -> None:
    with pytest.raises(Unfit, match="only 80 documented definitions; ask for fewer"):
        corpus.select(1000, seed=1, roots=[shop])


def test_training_files_hold_nothing_of_the_modules_held_out(shop: Path, tmp_path: Path) -> None:
    selection = corpus.select(60, seed=1, roots=[shop])

    corpus.write(selection, tmp_path / "training", splits=("train", "dev"))

    held_out = {selection.documents[place].module for place in selection.test}
    texts = [json.loads(line) for line in (tmp_path / "training" / "corpus.jsonl").read_text().splitlines()]
    assert len(texts) == len(selection.train) + len(selection.dev)
    assert not {text["metadata"]["module"] for text in texts} & held_out
    assert not (tmp_path / "training" / "qrels" / "test.tsv").exists()


def test_the_files_are_a_judged_collection(shop: Path, tmp_path: Path) -> None:
    """The reader of the BEIR layout takes what the demo writes, and every query's answer is the record it was taken from."""
    from transvase.core.evaluation.judged import read

    selection = corpus.select(60, seed=1, roots=[shop])
    corpus.write(selection, tmp_path / "judging", splits=("train", "dev", "test"))

    judged = read(tmp_path / "judging", split="test")

    contents = {document.id: document.content for document in judged.documents}
    assert [contents[i] for i in map(str, range(1, len(contents) + 1))] == [d.body for d in selection.documents]
    assert len(judged.queries) == len(selection.test)
    for query in judged.queries:
        (answer,) = judged.grades[query.id]
        assert selection.documents[int(answer) - 1].query == query.text
